"""The heartbeat leaves in the contract's window, and silence after it is death."""

from math import inf

from mmid.session.dialects.heartbeat import ANSWER_S, Heartbeat

# "HeartBeat after 45 to 50 s without text from the server"; the cloud ends a
# task after 60 s.
EARLIEST_S, LATEST_S, CLOUD_S = 45.0, 50.0, 60.0


def test_a_heartbeat_is_due_after_45_to_50_s_of_silence() -> None:
    assert 100 + EARLIEST_S <= Heartbeat(100.0).due <= 100 + LATEST_S


def test_a_silent_cloud_is_dead_ten_seconds_after_the_heartbeat() -> None:
    heartbeat = Heartbeat(100.0)
    assert heartbeat.dead_at == inf
    heartbeat.sent(148.0)
    assert heartbeat.dead_at == 148.0 + ANSWER_S
    assert heartbeat.due > heartbeat.dead_at, "there is no second heartbeat before the verdict"


def test_text_is_a_sign_of_life_and_begins_the_silence_anew() -> None:
    heartbeat = Heartbeat(100.0)
    heartbeat.sent(148.0)
    heartbeat.text_received(150.0)
    assert heartbeat.dead_at == inf
    assert 150 + EARLIEST_S <= heartbeat.due <= 150 + LATEST_S


def test_audio_saves_from_the_verdict_but_does_not_delay_the_heartbeat() -> None:
    heartbeat = Heartbeat(100.0)
    due = heartbeat.due
    heartbeat.audio_received()
    assert heartbeat.due == due
    heartbeat.sent(due)
    heartbeat.audio_received()
    assert heartbeat.dead_at == inf
    assert heartbeat.due <= due + LATEST_S


def test_a_heartbeat_and_its_verdict_fit_before_the_cloud_gives_up() -> None:
    heartbeat = Heartbeat(0.0)
    heartbeat.sent(heartbeat.due)
    assert heartbeat.dead_at < CLOUD_S

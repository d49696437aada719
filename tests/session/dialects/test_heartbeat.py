"""The heartbeat leaves in the contract's window, and silence after it is death."""

from math import inf

from mmid.session.dialects.heartbeat import ANSWER_S, TURN_SILENCE_S, HeartbeatTimer

# "HeartBeat after 45 to 50 s without text from the server"; the cloud ends a
# task after 60 s.
EARLIEST_S, LATEST_S, CLOUD_S = 45.0, 50.0, 60.0


def test_a_heartbeat_is_due_after_45_to_50_s_of_silence() -> None:
    assert 100 + EARLIEST_S <= HeartbeatTimer(100.0).due(attended=False) <= 100 + LATEST_S


def test_a_silent_cloud_is_dead_ten_seconds_after_the_heartbeat() -> None:
    heartbeat = HeartbeatTimer(100.0)
    assert heartbeat.dead_at == inf
    heartbeat.sent(148.0)
    assert heartbeat.dead_at == 148.0 + ANSWER_S
    assert heartbeat.due(attended=True) > heartbeat.dead_at, (
        "there is no second heartbeat before the verdict"
    )


def test_text_is_a_sign_of_life_and_begins_the_silence_anew() -> None:
    heartbeat = HeartbeatTimer(100.0)
    heartbeat.sent(148.0)
    heartbeat.text_received(150.0)
    assert heartbeat.dead_at == inf
    assert 150 + EARLIEST_S <= heartbeat.due(attended=False) <= 150 + LATEST_S


def test_audio_saves_from_the_verdict_but_does_not_delay_the_heartbeat() -> None:
    heartbeat = HeartbeatTimer(100.0)
    due = heartbeat.due(attended=False)
    heartbeat.audio_received()
    assert heartbeat.due(attended=False) == due
    heartbeat.sent(due)
    heartbeat.audio_received()
    assert heartbeat.dead_at == inf
    assert heartbeat.due(attended=False) <= due + LATEST_S


def test_a_heartbeat_and_its_verdict_fit_before_the_cloud_gives_up() -> None:
    heartbeat = HeartbeatTimer(0.0)
    heartbeat.sent(heartbeat.due(attended=False))
    assert heartbeat.dead_at < CLOUD_S


def test_a_cloud_that_dies_while_somebody_waits_for_it_is_noticed_within_20_s() -> None:
    heartbeat = HeartbeatTimer(100.0)
    heartbeat.attend(110.0)
    assert heartbeat.due(attended=True) == 110 + TURN_SILENCE_S
    heartbeat.sent(heartbeat.due(attended=True))
    assert heartbeat.dead_at <= 110 + 20


def test_a_wait_that_begins_late_in_a_silence_does_not_put_the_heartbeat_off() -> None:
    heartbeat = HeartbeatTimer(100.0)
    due = heartbeat.due(attended=False)
    heartbeat.attend(due - 1)
    assert heartbeat.due(attended=True) == due

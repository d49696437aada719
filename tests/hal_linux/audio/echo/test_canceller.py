"""How much echo is left in rooms of all kinds, and how soon."""

import itertools
from dataclasses import replace

import pytest

from tests.hal_linux.audio.echo.rehearsal import (
    TALKER,
    Room,
    RoomLibrary,
    decibels,
    rehearse,
    speech,
)

NEAR = Room()
REPLY = speech(12)

# Loudness of a block from which on simcloud hears a voice: a mean of 300, which is no less
# in dB than this of its mean square.
VOICE_DB = 49.5


@pytest.mark.parametrize(
    ("room", "tail_ms", "least_db"),
    [
        pytest.param(NEAR, 200, 25, id="aligned"),
        pytest.param(replace(NEAR, delay_ms=150), 200, 25, id="a delay of 150 ms"),
        pytest.param(replace(NEAR, delay_ms=450), 100, 25, id="a delay beyond the tail"),
        pytest.param(replace(NEAR, gain=100, clip=70), 200, 25, id="12 dB louder, and bent"),
        pytest.param(replace(NEAR, gain=-25), 200, 25, id="swapped wires"),
        pytest.param(replace(NEAR, rt60_ms=500), 300, 20, id="a live room"),
    ],
)
def test_after_five_seconds_the_echo_is_out(
    library: RoomLibrary, room: Room, tail_ms: int, least_db: float
) -> None:
    outcome = rehearse(library, room, REPLY, tail_ms=tail_ms)
    assert outcome.since_on_s() < 5
    assert outcome.erle_db(5, 12) >= least_db


def test_a_reply_at_another_rate_than_the_microphone_s_is_taken_out(library: RoomLibrary) -> None:
    outcome = rehearse(library, NEAR, speech(12, 24000), reply_hz=24000)
    assert outcome.erle_db(5, 12) >= 25


@pytest.mark.parametrize("error_s", [-0.02, 0.02])
def test_positions_that_are_a_period_off_do_no_harm(library: RoomLibrary, error_s: float) -> None:
    outcome = rehearse(library, NEAR, REPLY, position_error_s=error_s)
    assert outcome.erle_db(5, 12) >= 25
    assert outcome.delay == pytest.approx((0.02 + error_s) * 16000, abs=4)


def test_until_it_is_on_nothing_of_a_reply_is_let_through(library: RoomLibrary) -> None:
    outcome = rehearse(library, NEAR, REPLY)
    on = outcome.states.index("on")
    assert not any(itertools.chain.from_iterable(outcome.left[1:on]))
    assert outcome.states[on:] == ["on"] * len(outcome.states[on:])


def test_a_minute_of_reply_is_no_voice(library: RoomLibrary) -> None:
    outcome = rehearse(library, NEAR, speech(60))
    assert outcome.loudest_db() < VOICE_DB


def test_a_talker_alone_is_changed_by_less_than_one_decibel(library: RoomLibrary) -> None:
    talker = speech(12, text=TALKER)
    outcome = rehearse(library, NEAR, bytes(len(talker)), talker=talker)
    assert outcome.erle_db(0, 12) == pytest.approx(0, abs=1)


def test_a_talker_in_mid_reply_is_heard(library: RoomLibrary) -> None:
    said = bytes(2 * 16000 * 8) + speech(4, text=TALKER)
    outcome = rehearse(library, NEAR, REPLY, talker=said)
    assert outcome.loudness_db(8, 12) == pytest.approx(decibels(speech(4, text=TALKER)), abs=1.5)
    assert outcome.loudest_db(8, 8.3) > VOICE_DB, "heard within 300 ms"
    assert outcome.states[-1] == "on"


@pytest.mark.parametrize("delay_ms", [16, 24])
def test_a_shift_of_four_milliseconds_is_made_up_for_within_three_seconds(
    library: RoomLibrary, delay_ms: float
) -> None:
    outcome = rehearse(library, NEAR, REPLY, changes={6.0: replace(NEAR, delay_ms=delay_ms)})
    assert outcome.erle_db(9, 12) >= 25


@pytest.mark.parametrize("gain", [6, 100])
def test_another_volume_is_learnt_within_three_seconds(library: RoomLibrary, gain: float) -> None:
    outcome = rehearse(library, NEAR, REPLY, changes={6.0: replace(NEAR, gain=gain)})
    assert outcome.erle_db(9, 12) >= 20


def test_lost_samples_mute_it_until_it_is_on_again_within_three_seconds(
    library: RoomLibrary,
) -> None:
    outcome = rehearse(library, NEAR, REPLY, breaks=(6.0,))
    assert 0 < outcome.since_on_s(after_s=6.0) < 3
    assert outcome.loudest_db(6.0) < VOICE_DB
    assert outcome.erle_db(9, 12) >= 25


@pytest.mark.parametrize("drift_ppm", [-100, 30, 100])
def test_cards_whose_clocks_drift_are_kept_together(library: RoomLibrary, drift_ppm: float) -> None:
    outcome = rehearse(library, replace(NEAR, drift_ppm=drift_ppm), speech(25))
    assert outcome.drift_ppm == pytest.approx(drift_ppm, abs=2)
    assert outcome.erle_db(5, 25) >= 15
    assert outcome.erle_db(15, 25) >= 25


def test_without_an_echo_the_microphone_is_not_muted_for_long(library: RoomLibrary) -> None:
    outcome = rehearse(library, replace(NEAR, gain=0), REPLY)
    assert outcome.since_on_s() < 5
    assert outcome.states[-1] == "on"


def test_an_echo_that_cannot_be_taken_out_is_muted(library: RoomLibrary) -> None:
    outcome = rehearse(library, replace(NEAR, delay_ms=650, gain=100), speech(15))
    assert outcome.states[-1] == "poor"
    assert outcome.loudest_db() < VOICE_DB

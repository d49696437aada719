"""How much echo is left in rooms of all kinds, and how soon."""

import itertools
from dataclasses import replace
from math import log10
from random import Random

import pytest

from mmid.simcloud.core.speech import _VOICE
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

# In a block that is less loud simcloud hears no voice: it goes by the mean of the samples' sizes,
# and the root of their mean square, which is told in dB here, is no smaller.
VOICE_DB = 20 * log10(_VOICE)


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


@pytest.mark.parametrize("rate_hz", [8000, 24000, 48000])
def test_it_works_at_the_microphone_s_rate(library: RoomLibrary, rate_hz: int) -> None:
    outcome = rehearse(library, NEAR, REPLY, rate_hz=rate_hz)
    assert outcome.since_on_s() < 5
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


@pytest.mark.parametrize("gain", [6, 12])
def test_a_volume_that_mmid_turns_is_no_voice_meanwhile(library: RoomLibrary, gain: float) -> None:
    changes = {6.0: replace(NEAR, gain=gain)}
    unsaid = rehearse(library, NEAR, REPLY, changes=changes)
    outcome = rehearse(library, NEAR, REPLY, changes=changes, turned=(6.0,))
    assert 0 < outcome.since_on_s(after_s=6.0) < 3
    assert outcome.loudest_db(6) < VOICE_DB < unsaid.loudest_db(6)


def test_after_mute_it_is_on_again_within_three_seconds(library: RoomLibrary) -> None:
    changes = {6.0: replace(NEAR, gain=0), 9.0: NEAR}
    outcome = rehearse(library, NEAR, speech(15), changes=changes, turned=(6.0, 9.0))
    assert 0 < outcome.since_on_s(after_s=9.0) < 3
    assert outcome.loudest_db(6) < VOICE_DB
    assert outcome.erle_db(12, 15) >= 25


@pytest.mark.parametrize("pause_s", [0.3, 3.0])
def test_after_an_interrupted_reply_the_next_is_taken_out_from_its_first_moment(
    library: RoomLibrary, pause_s: float
) -> None:
    interrupted = REPLY[: 2 * 16000 * 5] + bytes(2 * int(16000 * pause_s))
    outcome = rehearse(library, NEAR, interrupted + speech(6))
    assert "converging" not in outcome.states[outcome.states.index("on") :]
    assert outcome.loudest_db(5) < VOICE_DB
    assert outcome.erle_db(5 + pause_s, 6 + pause_s) >= 25


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


def test_a_microphone_s_constant_offset_is_not_taken_for_an_echo_that_is_out(
    library: RoomLibrary,
) -> None:
    begin = bytes(2 * 16000 * 2)  # in which the noise of the room is learnt
    room = replace(NEAR, delay_ms=650, gain=100)  # too late to be found
    outcome = rehearse(library, room, begin + speech(15), constant=2000)
    assert outcome.states[-1] == "poor"
    assert "on" not in outcome.states


def test_an_echo_that_always_comes_another_way_is_muted_before_long(library: RoomLibrary) -> None:
    dice = Random(1)  # noqa: S311 - the same room each time
    moves = {6 + 0.1 * n: replace(NEAR, delay_ms=20 + dice.uniform(0, 8)) for n in range(90)}
    outcome = rehearse(library, NEAR, speech(15), changes=moves)
    assert set(outcome.states[round(10 / 0.032) :]) == {"poor"}
    assert outcome.loudest_db(10) < VOICE_DB

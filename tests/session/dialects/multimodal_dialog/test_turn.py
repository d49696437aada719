"""The wish for the floor and the pace of asking: when one may be sent, when it is granted."""

from math import inf

import pytest

from mmid.session.dialects.multimodal_dialog.turn import REQUEST_SPACING_S, Floor, Pace

# A storm for mmid-simcloud, and by our guess for the service: six in two seconds.
STORM, STORM_S = 6, 2.0


def test_the_first_request_may_be_sent_at_once() -> None:
    assert (Pace().floor_at, Pace().request_at) == (-inf, -inf)


def test_the_next_request_for_the_floor_waits_until_the_last_is_old_enough() -> None:
    pace = Pace()
    pace.floor_requested(10.0)
    assert pace.floor_at == 10.0 + REQUEST_SPACING_S
    assert pace.request_at == -inf, "what the floor was asked for follows at once"


def test_whoever_sends_as_often_as_it_may_makes_no_storm() -> None:
    pace, now, sent = Pace(), 0.0, []
    for number in range(100):
        now = max(now, pace.request_at if number % 2 else pace.floor_at)
        (pace.requested if number % 2 else pace.floor_requested)(now)
        sent.append(now)
    assert all(last - first > STORM_S for first, last in zip(sent, sent[STORM - 1 :], strict=False))


@pytest.mark.parametrize(
    ("accepted", "listening", "granted"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, True)],
)
def test_the_floor_is_granted_when_both_answers_came(
    accepted: bool, listening: bool, granted: bool
) -> None:
    assert Floor(accepted=accepted, listening=listening).granted is granted


def test_what_would_be_lost_without_the_floor_is_said_in_words() -> None:
    assert "said" in Floor(speech=True).wanted
    assert "question" in Floor(request="{}").wanted
    assert Floor(interrupted=True).wanted == ""

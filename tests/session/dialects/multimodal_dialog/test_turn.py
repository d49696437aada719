"""The wish for the floor: when it may be sent, and when it is granted."""

from math import inf

import pytest

from mmid.session.dialects.multimodal_dialog.turn import REQUEST_SPACING_S, Floor


def test_the_first_request_may_be_sent_at_once() -> None:
    floor = Floor()
    assert floor.ask(0.0, interrupted=False)
    floor.sent(0.0)
    assert floor.due == inf


def test_the_next_request_waits_until_the_last_is_old_enough() -> None:
    floor = Floor()
    floor.ask(10.0, interrupted=False)
    floor.sent(10.0)
    assert not floor.ask(10.1, interrupted=True)
    assert floor.due == 10.0 + REQUEST_SPACING_S
    assert floor.ask(floor.due, interrupted=True)


@pytest.mark.parametrize(
    ("accepted", "listening", "granted"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, True)],
)
def test_the_floor_is_granted_when_both_answers_came(
    accepted: bool, listening: bool, granted: bool
) -> None:
    assert Floor(accepted=accepted, listening=listening).granted is granted


def test_a_new_request_forgets_the_last_one_but_not_when_it_was_sent() -> None:
    floor = Floor(
        speech=True, released=True, request=("prompt", "x"), accepted=True, listening=True
    )
    floor.sent(5.0)
    floor.ask(9.0, interrupted=True)
    assert floor == Floor(interrupted=True, sent_at=5.0, due=9.0)

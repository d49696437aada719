"""A refusal as the property LicenseError shows it."""

import pytest

from mmid.errors import LicenseRefused, RegistrationUnreadable
from mmid.session.effects import Next
from mmid.session.license.codes import CODES, Remedy
from mmid.session.license.license_error import LicenseTrouble, refused, unreadable
from mmid.session.license.refusals import Refusals

KEYS = {"code", "message", "remedy", "since", "next_attempt"}


def error(code: str) -> LicenseRefused:
    row = CODES[code]
    return LicenseRefused(f"refused: {row.meaning}", code, row.advice, meaning=row.meaning)


@pytest.mark.parametrize("code", CODES)
def test_every_code_shows_its_meaning_its_advice_and_its_remedy(code: str) -> None:
    row = CODES[code]
    shown = refused(error(code), Refusals().note(code), 77).to_plain()
    assert shown == {
        "code": code,
        "message": f"{row.meaning}. {row.advice}",
        "remedy": row.remedy.value,
        "since": 77,
        "next_attempt": 0,
    }
    assert shown.keys() == KEYS


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("300002", Remedy.FIX_SETTINGS), ("100009", Remedy.RESET_IN_CONSOLE)],
)
def test_what_was_tried_in_vain_no_longer_says_retry(code: str, remedy: Remedy) -> None:
    assert refused(error(code), Next.RETRY, 0).remedy is Remedy.RETRY
    assert refused(error(code), Next.STOP, 0).remedy is remedy


def test_a_remedy_that_nobody_carries_out_is_never_retry_for_ever() -> None:
    for row in CODES.values():
        if row.remedy is Remedy.RETRY:
            assert row.at_last is not None


def test_the_same_trouble_goes_on_since_it_began_and_another_begins_anew() -> None:
    first = refused(error("200014"), Next.HOURS, 1)
    again = refused(error("200014"), Next.HOURS, 9).after(first)
    other = refused(error("200022"), Next.HOURS, 9).after(first)
    assert (again.since_ms, other.since_ms) == (1, 9)
    assert first.after(None) == first


def test_an_answer_that_nobody_can_open_says_that_the_codec_is_to_be_mended() -> None:
    trouble = unreadable(RegistrationUnreadable("it does not open"), 5)
    assert trouble == LicenseTrouble(
        "registration-unreadable", "it does not open", Remedy.FIX_CODEC, 5
    )

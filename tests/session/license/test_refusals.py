"""What follows a refusal, and how the property LicenseError shows it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mmid.errors import LicenseRefused, RegistrationUnreadable
from mmid.session.access import HOURS_S
from mmid.session.effects import Next
from mmid.session.license.codes import CODES, CodeClass, Remedy
from mmid.session.license.refusals import (
    RETRY_LIMIT,
    LicenseTrouble,
    Refusals,
    long_wait_s,
    refused,
    unreadable,
)

KEYS = {"code", "message", "remedy", "since", "next_attempt"}


def codes(code_class: CodeClass) -> list[str]:
    return [row.code for row in CODES.values() if row.code_class is code_class]


@pytest.mark.parametrize("code", codes(CodeClass.STOP))
def test_a_final_refusal_stops_at_once(code: str) -> None:
    refusals = Refusals()
    assert refusals.note(code) is Next.STOP
    assert refusals.refused
    assert not refusals.register_anew


@pytest.mark.parametrize("code", [*codes(CodeClass.LONG), "987654", "not-a-number"])
def test_what_somebody_may_mend_from_afar_is_looked_at_every_few_hours_for_ever(code: str) -> None:
    refusals = Refusals()
    assert {refusals.note(code) for _ in range(100)} == {Next.HOURS}
    assert not refusals.refused


def test_a_refusal_that_may_pass_is_retried_five_times() -> None:
    refusals = Refusals()
    assert RETRY_LIMIT == 5
    assert [refusals.note("300002") for _ in range(7)] == [Next.LATER] * 5 + [Next.STOP] * 2
    assert not refusals.refused, "an exhausted 300002 keeps the state it had"


def test_a_wrong_clock_is_retried_once_and_is_final_then() -> None:
    refusals = Refusals()
    followed = [(refusals.note("100010"), refusals.refused) for _ in range(2)]
    assert followed == [(Next.RETRY, False), (Next.STOP, True)]


def test_a_device_that_is_not_known_is_registered_anew_once_a_boot() -> None:
    refusals = Refusals()
    states = []
    for _ in range(2):
        following = refusals.note("100009")
        states.append((following, refusals.register_anew, refusals.refused))
        refusals.succeeded()
        assert not refusals.register_anew
    assert states == [(Next.RETRY, True, False), (Next.STOP, False, True)]


def test_a_success_renews_all_other_patience() -> None:
    refusals = Refusals()
    for code in ("100010", *["300002"] * RETRY_LIMIT, "100007"):
        refusals.note(code)
    refusals.succeeded()
    assert not refusals.refused
    assert refusals.note("300002") is Next.LATER
    assert refusals.note("100010") is Next.RETRY


def test_somebody_who_acts_renews_everything() -> None:
    refusals = Refusals()
    for _ in range(2):
        refusals.note("100009")
    refusals.forgive()
    assert not refusals.refused
    assert refusals.note("100009") is Next.RETRY
    assert refusals.register_anew


def test_different_refusals_do_not_use_up_each_others_patience() -> None:
    refusals = Refusals()
    for _ in range(RETRY_LIMIT):
        assert refusals.note("300002") is Next.LATER
    assert refusals.note("100010") is Next.RETRY
    assert refusals.note("100009") is Next.RETRY
    assert refusals.note("200014") is Next.HOURS


@pytest.mark.parametrize("code", ["200014", "200022", "100023", "987654", ""])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_somebody_may_mend_from_afar_is_asked_again_after_hours(
    code: str, share: float
) -> None:
    wait_s = long_wait_s(code, 0, share)
    assert HOURS_S[0] <= wait_s <= HOURS_S[1]
    assert wait_s == HOURS_S[0] + share * 3600


@pytest.mark.parametrize("hour", [0, 9, 15, 16, 23])
def test_a_daily_limit_is_asked_again_in_the_first_half_hour_of_the_services_next_day(
    hour: int,
) -> None:
    shanghai = timezone(timedelta(hours=8))
    now = datetime(2026, 2, 28, hour, 30, tzinfo=UTC)
    midnight = datetime.combine(now.astimezone(shanghai).date(), datetime.min.time(), shanghai)
    midnight += timedelta(days=1)
    first, last = (
        now + timedelta(seconds=long_wait_s("200021", int(now.timestamp() * 1000), share))
        for share in (0.0, 1.0)
    )
    assert first == midnight + timedelta(minutes=1)
    assert last == midnight + timedelta(minutes=30)


def test_who_acts_is_heard_until_something_is_granted_or_final() -> None:
    refusals = Refusals()
    heard = []
    for happens in (
        refusals.forgive,
        lambda: refusals.note("300002"),
        lambda: refusals.note("100008"),
        refusals.forgive,
        refusals.succeeded,
    ):
        happens()
        heard.append(refusals.forgiven)
    assert heard == [True, True, False, True, False]


# --- as LicenseError shows it -----------------------------------------------------------------


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

import re
from collections.abc import Iterator

import pytest

from mmid import errors
from mmid.errors import (
    TABLE,
    CloudRefused,
    Facts,
    LicenseRefused,
    MmidError,
    RegistrationUnreadable,
    SettingsInvalid,
    certificate_advice,
)

DBUS_NAMES = {
    "NotReady",
    "Busy",
    "NotTalking",
    "Unsupported",
    "InvalidArgument",
    "NotProvisioned",
    "NotRegistered",
    "ClockNotSet",
    "Storage",
    "Cloud",
}
BRANCHES = {errors.CallerError, errors.CloudError, errors.DeviceError, errors.OperatorError}


def leaves(kind: type[MmidError] = MmidError) -> Iterator[type[MmidError]]:
    """The errors of the module's own tree that are raised; others may derive from them."""
    for child in kind.__subclasses__():
        if child.__module__ != errors.__name__:
            continue
        if child in BRANCHES:
            yield from leaves(child)
        else:
            yield child


def test_every_leaf_has_its_row_and_no_row_is_left_over() -> None:
    assert set(leaves()) == set(TABLE)


@pytest.mark.parametrize("facts", TABLE.values(), ids=lambda facts: facts.code)
def test_a_row_is_complete(facts: Facts) -> None:
    assert facts.dbus_name in DBUS_NAMES
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", facts.code)
    assert re.fullmatch(r"[0-9a-f]{32}", facts.message_id)
    assert facts.exit_code == 2 or 64 <= facts.exit_code <= 78
    assert re.fullmatch(r"[A-Z].*\.", facts.remedy)


def test_every_d_bus_name_of_the_contract_is_raised_by_something() -> None:
    assert {facts.dbus_name for facts in TABLE.values()} == DBUS_NAMES


def test_codes_and_journal_ids_tell_errors_apart() -> None:
    for field in ("code", "message_id"):
        values = [getattr(facts, field) for facts in TABLE.values()]
        assert len(values) == len(set(values))


def test_the_tree_in_the_module_s_text_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in {*leaves(), *BRANCHES}}


def test_the_far_side_s_own_code_goes_before_ours() -> None:
    assert CloudRefused("it said no", "NoSpeechRecognized").code == "NoSpeechRecognized"
    refused = LicenseRefused("no quota left", "100007", "Buy more.")
    assert (refused.code, refused.remedy) == ("100007", "Buy more.")
    assert refused.facts.exit_code == 78


def test_what_is_known_better_than_the_table_goes_before_it() -> None:
    assert SettingsInvalid("x").remedy == TABLE[SettingsInvalid].remedy
    assert SettingsInvalid("x", advice="Do this.").remedy == "Do this."


def test_each_kind_of_certificate_fault_has_its_own_advice() -> None:
    expired, unknown, other_host, flags = map(certificate_advice, (10, 20, 62, 89))
    assert "clock" in expired
    assert "cloud.ca_file" in unknown
    assert "host" in other_host
    assert flags.startswith("Neither clock, nor host name, nor authority")


def test_an_answer_that_cannot_be_opened_has_advice_of_its_own() -> None:
    remedy = RegistrationUnreadable("the answer cannot be used").facts.remedy
    assert "license.codec" in remedy
    assert "ws_url" not in remedy

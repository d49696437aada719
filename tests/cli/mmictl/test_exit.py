import pytest

from mmid.cli.mmictl.exit import outcome
from mmid.dbus.failures import CallFailed, standard
from mmid.dbus.interface import ERRORS
from mmid.errors import TABLE, BusFailed, InvalidArgument, MmidError


@pytest.mark.parametrize("name", sorted({facts.dbus_name for facts in TABLE.values()}))
def test_every_error_of_the_contract_has_an_exit_status_and_a_remedy(name: str) -> None:
    result = outcome(CallFailed(ERRORS + name, "why"))
    rows = [facts for facts in TABLE.values() if facts.dbus_name == name]
    assert result == (rows[0].exit_code, "why", rows[0].remedy)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (standard("ServiceUnknown", "x"), 69),
        (standard("NameHasNoOwner", "x"), 69),
        (standard("Spawn.ChildExited", "x"), 69),
        (standard("TimedOut", "x"), 69),
        (CallFailed("org.freedesktop.systemd1.UnitMasked", "x"), 69),
        (standard("AccessDenied", "x"), 77),
        (standard("NoReply", "x"), 75),
        (standard("UnknownMethod", "x"), 70),
        (CallFailed(ERRORS + "FromTheFuture", "x"), 70),
        (BusFailed("x"), 69),
        (InvalidArgument("x"), 64),
    ],
)
def test_other_errors_end_with_the_status_of_their_kind(error: MmidError, status: int) -> None:
    assert outcome(error)[0] == status


def test_a_socket_that_may_not_be_opened_is_a_matter_of_permission() -> None:
    error = BusFailed("no")
    error.__cause__ = PermissionError()
    assert outcome(error)[0] == 77

import pytest

from mmid.dbus.address import socket_names
from mmid.errors import BusFailed


def test_a_path_is_taken_from_an_address_with_other_options() -> None:
    assert socket_names("unix:path=/run/a%20b,guid=12") == ["/run/a b"]


def test_an_abstract_socket_has_a_name_after_a_nul() -> None:
    assert socket_names("unix:abstract=/tmp/x") == ["\0/tmp/x"]


def test_several_addresses_are_tried_in_order() -> None:
    assert socket_names("unix:path=/a;unix:path=/b") == ["/a", "/b"]


def test_the_system_bus_is_where_the_specification_says_unless_the_environment_knows_better() -> (
    None
):
    assert socket_names("system", {}) == ["/run/dbus/system_bus_socket"]
    assert socket_names("system", {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/x"}) == ["/x"]


def test_the_session_bus_is_found_by_its_address_or_beside_the_run_time_files() -> None:
    assert socket_names("session", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/s"}) == ["/s"]
    assert socket_names("session", {"XDG_RUNTIME_DIR": "/run/user/7"}) == ["/run/user/7/bus"]


def test_a_session_bus_that_is_nowhere_is_said_to_be_so() -> None:
    with pytest.raises(BusFailed, match="no session bus"):
        socket_names("session", {})


@pytest.mark.parametrize("address", ["tcp:host=example.org,port=1", "unix:tmpdir=/tmp", "nonsense"])
def test_an_address_of_another_kind_is_refused_by_name(address: str) -> None:
    with pytest.raises(BusFailed, match=r"tcp|tmpdir|nonsense"):
        socket_names(address, {})

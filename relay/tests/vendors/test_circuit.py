"""When a vendor is asked no more, and when again; in virtual time."""

from mmid_relay.vendors.circuit import Circuit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_five_failures_in_a_row_open_it() -> None:
    circuit = Circuit(Clock())
    for _ in range(4):
        circuit.failed()
    circuit.succeeded()
    for _ in range(4):
        circuit.failed()
    assert circuit.admits()
    circuit.failed()
    assert circuit.is_open
    assert not circuit.admits()
    assert circuit.wait_s == 5


def test_after_five_seconds_one_request_finds_out() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    for _ in range(5):
        circuit.failed()
    clock.now = 5.0
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    circuit.failed()
    clock.now = 9.9
    assert not circuit.admits()
    clock.now = 10.0
    assert circuit.admits()
    circuit.succeeded()
    assert not circuit.is_open
    assert [circuit.admits() for _ in range(3)] == [True] * 3


def test_one_that_never_comes_back_does_not_keep_it_shut() -> None:
    clock = Clock()
    circuit = Circuit(clock)
    for _ in range(5):
        circuit.failed()
    for moment in (5.0, 10.0, 15.0):
        clock.now = moment
        assert circuit.admits()
        assert not circuit.admits()

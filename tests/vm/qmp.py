"""QEMU's own control channel, as far as the test speaks it: one question, one answer."""

import json
import socket
import time
from typing import Any

_PATIENCE_S = 120.0
_POLL_S = 0.05


class MonitorError(Exception):
    """QEMU refused, or is gone."""


class Monitor:
    """A client of the QEMU Machine Protocol (docs/interop/qmp-spec in QEMU's source).

    Args:
        wire: a connected socket; QEMU has the other end.
    """

    def __init__(self, wire: socket.socket) -> None:
        wire.settimeout(_PATIENCE_S)
        self._stream = wire.makefile("rw")
        self._answer("QMP")  # it introduces itself
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Give a command, return its answer.

        Raises:
            MonitorError: it was refused.
        """
        question = {"execute": command, "arguments": arguments}
        self._stream.write(json.dumps(question) + "\n")
        self._stream.flush()
        return self._answer("return")

    def wait(self, command: str, field: str, wanted: str) -> None:
        """Ask until a field of the answer has a value."""
        deadline = time.monotonic() + _PATIENCE_S
        while (state := self.execute(command).get(field)) != wanted:
            if state == "failed" or time.monotonic() > deadline:
                raise MonitorError(f"{command} says {state!r}, not {wanted!r}")
            time.sleep(_POLL_S)  # QEMU tells nobody who has not asked

    def _answer(self, wanted: str) -> Any:
        """Return what is said next, but for events."""
        while line := self._stream.readline():
            message = json.loads(line)
            if "error" in message:
                raise MonitorError(message["error"]["desc"])
            if wanted in message:
                return message[wanted]
        raise MonitorError("QEMU is gone")

"""What mmid is doing right now, to be shown: on D-Bus, and in systemd's status line.

The fields are the properties of the D-Bus interfaces in snake case; whoever
learns something new calls ``update``, and the observers hear which fields really
changed. Nobody decides by what stands here: the microphone's holder, the dialog
id and the work mode have their owners, who show them here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mmid import __version__
from mmid.events import State

Observer = Callable[[Mapping[str, Any]], None]


class LicenseState(StrEnum):
    """How far the device is on its way to a license."""

    UNPROVISIONED = "unprovisioned"
    UNREGISTERED = "unregistered"
    REGISTERED = "registered"
    AUTHORIZED = "authorized"
    REFUSED = "refused"


@dataclass(slots=True, eq=False, repr=False)
class Status:
    """The present state of dialog, device and audio."""

    # org.mmid1.Dialog
    state: State = State.OFFLINE
    connected: bool = False
    work_mode: str = "push2talk"
    voice: str = ""
    dialog_id: str = ""
    talker: str = ""
    # What went wrong last: code, message, remedy, time (Unix ms). Empty if nothing did.
    last_error: Mapping[str, str | int] = field(default_factory=dict)
    usage: Mapping[str, int | float] = field(default_factory=dict)
    # org.mmid1.Device
    cloud: str = ""
    app_id: str = ""
    device_name: str = ""
    registered: bool = False
    license_mode: str = "fully-managed"
    license_state: LicenseState = LicenseState.UNPROVISIONED
    # What the license service refuses now: code, message, remedy, since, next_attempt (Unix
    # ms, 0 for none by itself). Empty if nothing stands in the way.
    license_error: Mapping[str, str | int] = field(default_factory=dict)
    token_expiry: int = 0  # Unix ms, 0 if there is no token
    clock_synchronized: bool = False
    version: str = __version__
    # org.mmid1.Tools
    names: list[str] = field(default_factory=list)
    # org.mmid1.Audio
    volume: int = 100
    muted: bool = False
    capture_device: str = ""
    playback_device: str = ""
    capture_format: str = ""
    playback_format: str = ""
    recorder_overruns: int = 0
    player_underruns: int = 0
    speech_dropped_bytes: int = 0
    # Who has a tap on the microphone; a client is there once for each.
    listeners: list[str] = field(default_factory=list)
    listener_dropped_bytes: int = 0
    # state, erle_db, delay_ms, drift_ppm. Empty if no echo canceller is set.
    echo_cancellation: Mapping[str, str | float] = field(default_factory=dict)

    _observers: list[Observer] = field(default_factory=list, repr=False)

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` with the changed fields after each ``update`` that changed any."""
        self._observers.append(observer)

    def update(self, **values: Any) -> None:
        """Set fields; observers hear of those whose value is new, all in one call.

        Raises:
            AttributeError: there is no such field.
        """
        changed = {name: value for name, value in values.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        if changed:
            for observer in self._observers:
                observer(changed)

    def tell_again(self) -> None:
        """Call observers though no field changed: what they show beside the fields may have."""
        for observer in self._observers:
            observer({})

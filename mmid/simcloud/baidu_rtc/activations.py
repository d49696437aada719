"""Who was activated: what a licence of Baidu counts, and what it costs.

An activation belongs to the triple licence key, app and device, and nobody gives it back
(fact sheet, section 1). The list outlives the process, so that a test, and a person who
looks into the file, see when a device has used up a second one.
"""

import hmac
import json
import logging
from collections import Counter
from pathlib import Path

from mmid.errors import StorageFailed
from mmid.secrets import Secret
from mmid.simcloud.core.product import keep

Triple = tuple[str, str, str]

_log = logging.getLogger(__name__)


class ActivationRefused(Exception):
    """A device may not talk; the text is what FAILED says."""


class ActivationBook:
    """The activations of one licence and one app.

    Args:
        license_key: the licence.
        app_id: the app that it is bound to.
        quota: activations that the app was allotted; 0: any number.
        refusal: refuse everybody with this text; empty: nobody.
        state_file: where activations outlive the process, or None.

    Attributes:
        connected: how many connections each device has now.

    Raises:
        StorageFailed: the file is there and is none of ours.
    """

    def __init__(
        self,
        license_key: Secret,
        app_id: str,
        *,
        quota: int = 0,
        refusal: str = "",
        state_file: Path | None = None,
    ) -> None:
        self._license_key = license_key
        self._app_id = app_id
        self._quota = quota
        self._refusal = refusal
        self._state_file = state_file
        # Of every triple: how many connections it has made.
        self._connections = _load(state_file) if state_file else {}
        self.connected: Counter[str] = Counter()

    @property
    def used(self) -> int:
        """How many activations the app has used up."""
        ours = (self._license_key.reveal(), self._app_id)
        return sum(triple[:2] == ours for triple in self._connections)

    def enter(self, license_key: str, device_id: str) -> bool:
        """Authorize a connection; True: it has cost an activation.

        Raises:
            ActivationRefused: the device may not talk.
        """
        triple = (license_key, self._app_id, device_id)
        new = triple not in self._connections
        if self._refusal:
            raise ActivationRefused(self._refusal)
        if not hmac.compare_digest(license_key.encode(), self._license_key.reveal().encode()):
            raise ActivationRefused("no such license")
        if new and self._quota and self.used >= self._quota:
            raise ActivationRefused("no activations left")
        self._connections[triple] = self._connections.get(triple, 0) + 1
        if new:
            _log.warning("device %r has used up activation %d", device_id, self.used)
        if self._state_file is not None:
            entries = [_entry(*one) for one in self._connections.items()]
            keep(self._state_file, {"activations": entries})
        return new


def _entry(triple: Triple, connections: int) -> dict[str, str | int]:
    license_key, app_id, device_id = triple
    told: dict[str, str | int] = {"licKey": license_key, "appId": app_id, "devId": device_id}
    return {**told, "connections": connections}


def _load(state_file: Path) -> dict[Triple, int]:
    try:
        entries = json.loads(state_file.read_bytes())["activations"]
        return {
            (str(one["licKey"]), str(one["appId"]), str(one["devId"])): int(one["connections"])
            for one in entries
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StorageFailed(
            f"simcloud's list of activations {state_file} cannot be read "
            f"({type(error).__name__}): delete it, and every device is activated anew"
        ) from None

"""The vendor's own library as the codec: ``license.codec = "vendor:/PATH"``.

The library is the vendor's static one, linked with the functions that it calls
back (packaging/vendor-codec). Names and shapes are those of its published
header ``lib_c_license.h`` in both generations: 1.1, where the caller gives the
time, and 1.2 (``_v2``), where the library takes it from a function. It runs in
the license child only, so whatever it does cannot hurt the daemon.

What it keeps about a device (the DeviceSecret within) is one block of bytes that
it alone understands. mmid stores the block in the device record and gives it
back before every use.
"""

import ctypes
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmid.errors import LicenseCodecFailed, MalformedMessage, SettingsInvalid, StorageFailed
from mmid.secrets import Secret
from mmid.session.license.codec import DEFAULT, compact
from mmid.session.license.messages import (
    ExchangeRequest,
    Identity,
    Kind,
    Registration,
    TaskSignature,
    Token,
    Unopened,
)
from mmid.session.license.protocol import is_service_time, request_ip
from mmid.session.license.reply_body import as_text

# The vendor's samples take 500 or 1024 bytes for a request; its block has 176.
_TEXT_BYTES = 4096
_STATE_BYTES = 1024
_WORKSPACE_BYTES = 64
# What a new device is begun with: a block of 1.1.0's size (license section 6), empty.
_BLANK = bytes(176)

# Of two names, the first is that of generation 1.2, the second that of 1.1.
_REGISTER = ("c_license_gen_register_str_v2", "c_license_gen_register_str")
_GET_TOKEN = ("c_license_gen_get_token_str_v2", "c_license_gen_get_token_str")
_IS_TOKEN_VALID = ("c_license_is_token_expire_v2", "c_license_is_token_expire")
_ANALYZE = {
    Kind.REGISTER: "c_license_analyze_register_rsp",
    Kind.TOKEN: "c_license_analyze_get_token_rsp",
}
_NEEDED = (
    ("c_license_init",),
    ("c_license_set_app_id_str",),
    ("c_license_set_app_secret_str",),
    ("c_license_set_device_name",),
    *((name,) for name in _ANALYZE.values()),
    ("c_license_get_storage_data",),
    ("mmid_license_token",),
    *(_REGISTER, _GET_TOKEN, _IS_TOKEN_VALID),
)

_Now = ctypes.CFUNCTYPE(ctypes.c_int64)

_PR_SET_DUMPABLE = 4  # prctl(2)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _read_state(state: Secret) -> bytes:
    """Return the library's block, as ``VendorCodec`` wrote it for the device record."""
    if not re.fullmatch(rf"([0-9a-f]{{2}}){{1,{_STATE_BYTES}}}", state.reveal()):
        raise StorageFailed(
            f"the device record's codec_state is not 1 to {_STATE_BYTES} bytes in hexadecimal, so "
            "it does not go to the license codec: write the record back as it was, or reset the "
            "device in the console and erase it"
        )
    return bytes.fromhex(state.reveal())


class VendorCodec:
    """The library, told who this device is; has the methods of ``BuiltInCodec``.

    Raises:
        SettingsInvalid: the library cannot be loaded or lacks a function.
        LicenseCodecFailed: it does not take what it is told.
        StorageFailed: what the device record has for it is nothing that it gave.
    """

    def __init__(self, request: ExchangeRequest) -> None:
        self._request = request
        self._path = request.codec.removeprefix("vendor:")
        self._library = self._load()
        self._now = _Now(_now_ms)  # the library calls it as long as it lives
        self._sent: Unopened | None = None
        unopened = request.unopened
        state = unopened.codec_state if unopened else request.codec_state
        block = _read_state(state) if state else _BLANK
        # Kept, for the library may go on using it. With room behind it, for a library that
        # takes it for a block of its own size reads zeros then, and not the memory behind.
        self._block = ctypes.create_string_buffer(block, _STATE_BYTES)
        # The function of the time is there since 1.2; 1.1 does not look at it.
        self._call("c_license_init", self._block, len(block), self._now)
        self._introduce(request.identity, known=bool(state))

    def request_body(self) -> bytes:
        """Return the request's JSON.

        Raises:
            LicenseCodecFailed: the library refuses, or what it made is no request of ours.
        """
        if self._request.kind is Kind.REGISTER:
            text = self._text(_REGISTER)
        else:
            key = self._request.api_key
            text = self._text(_GET_TOKEN, key.reveal().encode() if key else None)
        body = self._object(text)
        named = (self._request.identity.app_id, self._request.identity.device_name)
        if (body.get("appId"), body.get("deviceName")) != named:
            raise self._nonsense("its request is not for this device")
        words = [body.get(name) for name in ("nonce", "requestTime", "signature")]
        if not all(isinstance(word, str) and re.fullmatch(r"[!-~]+", word) for word in words):
            raise self._nonsense("its request lacks nonce, requestTime or signature")
        time_ms = int(str(words[1])) if str(words[1]).isdecimal() else 0
        # Asked before anything is sent: it may fail, and must not do so over the answer.
        self._sent = Unopened(named[1], str(words[0]), time_ms, "", self._state())
        return text

    def unopened(self, body: bytes) -> Unopened:
        """Return an answer's body with all that is needed to open it in another process."""
        assert self._sent is not None  # noqa: S101 - it is the answer to what was built
        return replace(self._sent, data=as_text(body))

    def open_reply(self, data: Mapping[str, Any]) -> Registration | Token:
        """Have the library open an answer.

        Raises:
            MalformedMessage: it refuses.
            LicenseCodecFailed: it takes it, and then has nothing for us.
        """
        kind, name = self._request.kind, _ANALYZE[self._request.kind]
        if error := getattr(self._library, name)(ctypes.create_string_buffer(compact(data))):
            raise MalformedMessage(
                f"The license {kind} reply is not usable: {name} of {self._path} returned {error}"
            )
        response_ms = str(data.get("responseTime", ""))
        answered_ms = int(response_ms) if is_service_time(response_ms) else _now_ms()
        nonce = str(data.get("nonce", ""))
        if kind is Kind.TOKEN:
            expires_ms = answered_ms + DEFAULT.token_trust_s * 1000
            return Token(
                self._token(),
                expires_ms,
                nonce,
                answered_ms,
                self._workspace_id(),
                request_ip=request_ip(data),
            )
        return Registration(
            Secret(""),
            nonce,
            answered_ms,
            self._workspace_id(),
            request_nonce=(self._sent or self._request.unopened or self._request).nonce,
            codec_state=self._state(),
        )

    def task_signature(self) -> TaskSignature:
        """Have the library sign a connection.

        Raises:
            LicenseCodecFailed: it refuses, or what it made is no signature.
        """
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        now_ms, task_id = str(_now_ms()), self._request.task_id
        new = hasattr(self._library, _REGISTER[0])
        arguments = [task_id.encode()] if new else [now_ms.encode(), bytes.fromhex(task_id)]
        self._call("c_license_mmi_gen_signature", buffer, _TEXT_BYTES, *arguments)
        made = self._object(buffer.value)
        parts = [made.get(name) for name in ("license_info", "device_info")]
        if not all(isinstance(part, str) and part for part in parts):
            raise self._nonsense("its signature lacks license_info or device_info")
        timestamp = str(made.get("timestamp", now_ms))
        return TaskSignature(timestamp, str(parts[0]), str(parts[1]))

    def _load(self) -> ctypes.CDLL:
        setting = f"license.codec = {self._request.codec!r}"
        # If it crashes, no core file may hold the secrets.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        try:
            library = ctypes.CDLL(self._path)
        except OSError as error:
            raise SettingsInvalid(f"{setting}: cannot be loaded: {error}") from None
        lacking = [names for names in _NEEDED if not any(hasattr(library, one) for one in names)]
        if lacking:
            listed = ", ".join(" or ".join(names) for names in lacking)
            raise SettingsInvalid(
                f"{setting}: has no {listed}; packaging/vendor-codec says how it is linked"
            )
        library.c_license_get_storage_data.restype = ctypes.c_uint32
        return library

    def _introduce(self, identity: Identity, *, known: bool) -> None:
        """Tell the library who we are; its own block knows the rest if there is one."""
        self._call("c_license_set_app_id_str", identity.app_id.encode())
        if identity.app_secret:
            self._call("c_license_set_app_secret_str", identity.app_secret.reveal().encode())
        self._call("c_license_set_device_name", identity.device_name.encode())
        if identity.device_secret and not known:
            secret = identity.device_secret.reveal().encode()
            self._call("c_license_set_device_secret_str", secret)

    def _text(self, names: tuple[str, str], *after: bytes | None) -> bytes:
        """Have the library write a text by its new function, or by its old one."""
        new, old = names
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        if hasattr(self._library, new):
            self._call(new, buffer, _TEXT_BYTES, *after)
        else:
            self._call(old, buffer, _TEXT_BYTES, str(_now_ms()).encode(), *after)
        return buffer.value

    def _token(self) -> Secret:
        new, old = _IS_TOKEN_VALID
        if hasattr(self._library, new):
            valid = getattr(self._library, new)()
        else:
            valid = getattr(self._library, old)(ctypes.c_int64(_now_ms()))
        if not valid & 0xFF:  # "is_token_expire" says 1 while it is valid
            raise self._nonsense("the token it took is not valid")
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        self._call("mmid_license_token", buffer, _TEXT_BYTES)
        if not re.fullmatch(rb"[!-~]{1,1024}", buffer.value):
            raise self._nonsense("the token it has does not fit into an HTTP header")
        return Secret(buffer.value.decode("ascii"))

    def _state(self) -> Secret:
        buffer = (ctypes.c_uint8 * _STATE_BYTES)()
        size = self._library.c_license_get_storage_data(buffer, _STATE_BYTES)
        if not 0 < size <= _STATE_BYTES:
            raise self._nonsense(f"it has {size} bytes to be stored, not 1 to {_STATE_BYTES}")
        return Secret(bytes(buffer[:size]).hex())

    def _workspace_id(self) -> str:
        """Return the workspace if the library (1.2) knows it."""
        buffer = ctypes.create_string_buffer(_WORKSPACE_BYTES)
        found = getattr(self._library, "c_license_get_ws_id", lambda _: 1)(buffer) == 0
        text = buffer.value.decode("ascii", errors="replace")
        return text if found and re.fullmatch(r"[0-9A-Za-z_-]{1,64}", text) else ""

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns 0 if all is well."""
        function = getattr(self._library, name, None)
        if function is None:
            raise LicenseCodecFailed(f"the license codec {self._path} has no {name}")
        # Its texts are not const: it gets copies that it may write to.
        copies = [
            ctypes.create_string_buffer(one) if isinstance(one, bytes) else one for one in arguments
        ]
        if error := function(*copies):
            raise LicenseCodecFailed(
                f"the license codec {self._path} failed: {name} returned {error}"
            )

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise self._nonsense(f"{len(text)} bytes that are not JSON") from None
        if not isinstance(found, dict):
            raise self._nonsense("JSON that is not an object")
        return found

    def _nonsense(self, what: str) -> LicenseCodecFailed:
        return LicenseCodecFailed(f"the license codec {self._path} gave nonsense: {what}")

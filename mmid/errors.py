"""The error tree of mmid, and the one table of what each error means to whom.

    MmidError
    ├── CallerError      a D-Bus client asked for something that cannot be done now
    │   ├── NotReady         no dialog is connected and ready yet
    │   ├── Busy             somebody else is talking, or it is asked for too often
    │   ├── NotTalking       the caller does not hold the microphone
    │   ├── Unsupported      this work mode or protocol cannot do it
    │   └── InvalidArgument  the argument's shape or range is wrong
    ├── CloudError       the far side, or the way to it
    │   ├── CloudRefused     it answered, and the answer is no
    │   ├── ConnectionLost   the connection broke or never came to be
    │   ├── NetworkTooSlow   it takes less than speech comes to
    │   ├── TlsFailed        its certificate or its TLS is not acceptable
    │   ├── HttpFailed       the license service answered outside its protocol
    │   ├── MalformedMessage it sent what its protocol does not allow
    │   └── AudioFormatRefused it sent sound in a format that was not asked for
    ├── DeviceError      this board
    │   ├── AudioDeviceFailed the sound card cannot be opened, read or written
    │   ├── StorageFailed    the device record cannot be read or written
    │   ├── ToolFailed       a program of the board that is a tool gave no result
    │   ├── LicenseCodecFailed the vendor's license library crashed, hung or gave nonsense
    │   └── BusFailed        the message bus is not there, refuses us, or went away
    └── OperatorError    somebody who looks after the board must do something
        ├── SettingsInvalid  a key or value in the settings is wrong
        ├── NotProvisioned   no AppId, AppSecret or device name
        ├── NotRegistered    the device has no license triple yet
        ├── LicenseRefused   the license service refused, with its code
        ├── RegistrationUnreadable it registered us, and its answer cannot be opened
        └── ClockNotSet      the time is not known, nothing can be signed

The branch says who is to blame, and so who can mend it. This module imports
the standard library only: everything above it may raise and catch these.
"""

from mmid.frozen import frozen


@frozen
class Facts:
    """What one error is called in each of the places where people meet it.

    Attributes:
        dbus_name: last part of the D-Bus error name, after ``org.mmid1.Error.``.
        code: the word in the ``Error`` signal.
        exit_code: exit status of a command that ends with it (sysexits(3) where one fits).
        message_id: journal MESSAGE_ID, fixed for ever.
        remedy: what to do, as a sentence.
    """

    dbus_name: str
    code: str
    exit_code: int
    message_id: str
    remedy: str


class MmidError(Exception):
    """The root. Its text names what was wrong and where; never a secret.

    Args:
        message: the text.
        advice: what to do, if more is known than the row of the table says.
    """

    def __init__(self, message: str = "", *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    @property
    def facts(self) -> Facts:
        """The row of the table for this error, or for the leaf that it refines."""
        return next(TABLE[kind] for kind in type(self).__mro__ if kind in TABLE)

    @property
    def remedy(self) -> str:
        """What to do about it, as a sentence."""
        return self.advice or self.facts.remedy

    @property
    def code(self) -> str:
        """The word, or the far side's own code, for the ``Error`` signal."""
        return self.facts.code

    @property
    def journal_fields(self) -> dict[str, str]:
        """What a journal entry about it has besides its text: the ``extra`` of a log call."""
        return {"MESSAGE_ID": self.facts.message_id, "MMID_CODE": self.code}


class CallerError(MmidError):
    """A client asked for something that cannot be done now, or not like this."""


class NotReady(CallerError):
    """No dialog is connected and ready yet."""


class Busy(CallerError):
    """Somebody else is talking, or it is asked for too often."""


class NotTalking(CallerError):
    """The caller does not hold the microphone."""


class Unsupported(CallerError):
    """This work mode, cloud or board cannot do it."""


class InvalidArgument(CallerError):
    """An argument has the wrong shape or range."""


class CloudError(MmidError):
    """The far side, or the way to it, failed."""


class CloudRefused(CloudError):
    """The cloud answered with an error of its own.

    Args:
        message: what it said, and what it was asked.
        cloud_code: its name or code for it, as in the ``Error`` signal.
    """

    def __init__(self, message: str, cloud_code: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.cloud_code = cloud_code

    @property
    def code(self) -> str:
        """The cloud's own name or code."""
        return self.cloud_code


class ConnectionLost(CloudError):
    """The connection to the cloud broke, or could not be made in time."""


class NetworkTooSlow(CloudError):
    """The network takes less than speech comes to."""


class TlsFailed(CloudError):
    """The certificate, its host name or the TLS version is not acceptable."""


class HttpFailed(CloudError):
    """The license service answered outside its protocol."""


class MalformedMessage(CloudError):
    """The cloud sent a message that its protocol does not allow."""


class AudioFormatRefused(CloudError):
    """The cloud sent sound in another format than it was asked for."""


class DeviceError(MmidError):
    """This board failed."""


class AudioDeviceFailed(DeviceError):
    """A sound device cannot be opened, read or written."""


class StorageFailed(DeviceError):
    """The device record cannot be read or written."""


class LicenseCodecFailed(DeviceError):
    """The vendor's license library crashed, hung or gave nonsense."""


class ToolFailed(DeviceError):
    """A program of the board that is a tool gave no result."""


class BusFailed(DeviceError):
    """The message bus cannot be reached, refuses us, or went away."""


class OperatorError(MmidError):
    """Somebody who looks after the board must do something."""


class SettingsInvalid(OperatorError):
    """A setting of mmid is wrong."""


class NotProvisioned(OperatorError):
    """The board was never told which product it is."""


class NotRegistered(OperatorError):
    """The device has no license triple yet."""


class LicenseRefused(OperatorError):
    """The license service refused for good, or until somebody acts.

    Args:
        message: the code's meaning, and what was asked.
        license_code: the service's code as decimal text, such as ``"100007"``.
        remedy: what the operator should do about this code.
        meaning: what the code means, without the rest of the message.
    """

    def __init__(self, message: str, license_code: str, remedy: str, *, meaning: str = "") -> None:
        super().__init__(message, advice=remedy)
        self.license_code = license_code
        self.meaning = meaning or message

    @property
    def code(self) -> str:
        """The license service's own code."""
        return self.license_code


class RegistrationUnreadable(OperatorError):
    """The service registered the device, and its answer cannot be opened."""


class ClockNotSet(OperatorError):
    """The time is not known, so nothing can be signed."""


# X509_V_ERR_* of OpenSSL's x509_vfy.h: which of clock, settings and server can mend it.
_CERTIFICATE_ADVICE = {
    **dict.fromkeys((9, 10), "Check the board's clock; if it is right, the server needs another."),
    **dict.fromkeys(
        (18, 19, 20, 21),
        "Nobody whom mmid trusts has signed it: cloud.ca_file must hold the authority that did.",
    ),
    **dict.fromkeys((62, 64), "Correct the host in the URL: the certificate is for another."),
}


def certificate_advice(verify_code: int) -> str:
    """Return what to do about a certificate that OpenSSL refused with this code."""
    return _CERTIFICATE_ADVICE.get(
        verify_code,
        "Neither clock, nor host name, nor authority: whoever made the certificate, or that of its "
        "authority, must make it anew so that it conforms to RFC 5280.",
    )


def facts_of(code: str) -> Facts | None:
    """Return the first row with this code of the ``Error`` signal; None for a far side's own."""
    return next((facts for facts in TABLE.values() if facts.code == code), None)


# Laid out by hand: a row is one error, and the columns are read downwards.
# fmt: off
TABLE: dict[type[MmidError], Facts] = {
    NotReady: Facts(
        "NotReady", "not-ready", 69, "37824b786fc045e9be9533ba6782a617",
        "Wait until State is listening; mmictl status says what mmid is waiting for.",
    ),
    Busy: Facts(
        "Busy", "busy", 75, "608761817cf24e9b94ec169d51d074b8",
        "Try again in a moment; while somebody talks, Talker names who.",
    ),
    NotTalking: Facts(
        "NotTalking", "not-talking", 65, "e0ccf2e718f7417fad187321da3c81a8",
        "Call StartSpeech first, from the same bus connection.",
    ),
    Unsupported: Facts(
        "Unsupported", "unsupported", 69, "b558b1f359034980966bd14d3ebe5a37",
        "Choose a work mode or protocol that can do it.",
    ),
    InvalidArgument: Facts(
        "InvalidArgument", "invalid-argument", 64, "632f9a77dbba4134a273e01f4c7b5c69",
        "Correct the argument; the message names it.",
    ),
    CloudRefused: Facts(
        "Cloud", "cloud", 76, "1b7dabe73a404144a4756d9c17c67114",
        "Read the code in the message; it is the cloud's own.",
    ),
    ConnectionLost: Facts(
        "Cloud", "connection-lost", 69, "7a7e8c7264b64b90b73ff3664487379c",
        "Let mmid try again by itself; if that is in vain, check the way to the cloud's address.",
    ),
    NetworkTooSlow: Facts(
        "Cloud", "network-slow", 69, "a8fa4b51133244769dfff52943332e7a",
        "Check the board's network; raw-opus needs an eighth of what pcm does.",
    ),
    TlsFailed: Facts(
        "Cloud", "tls", 76, "af4d7ec5dbbe4521a9fa19e3a6a966e7",
        "Check that the address is one of TLS 1.2 or later; the message says what failed.",
    ),
    HttpFailed: Facts(
        "Cloud", "http", 76, "4d1399ffcaf34b5794b85eb066ccc37e",
        "Check cloud.license_url and any proxy between the board and the cloud.",
    ),
    MalformedMessage: Facts(
        "Cloud", "malformed-message", 76, "e864e5dc1d204f24b345d91ed088cae5",
        "Check that cloud.ws_url is the cloud's dialog address and cloud.protocol fits it.",
    ),
    AudioFormatRefused: Facts(
        "Cloud", "audio-format", 76, "505c18f038724789ad6b394430b417df",
        "Set dialog.downstream_mode to what the cloud, or the relay before it, really sends.",
    ),
    AudioDeviceFailed: Facts(
        "NotReady", "audio-device", 74, "8a6e7a7c12d84c9093254e79603a6c05",
        "Check audio.capture_device and audio.playback_device, and who else uses the card.",
    ),
    StorageFailed: Facts(
        "Storage", "storage", 74, "92b11f50f6d144969e0c9913d136a375",
        "Check storage.target: that it exists, belongs to mmid and is not full.",
    ),
    ToolFailed: Facts(
        "NotReady", "tool", 69, "bd7a87fb530540d29d2e844a65080577",
        "Read the message: it names the tool; its program's own log may tell more.",
    ),
    BusFailed: Facts(
        "NotReady", "bus", 69, "26d47392b2c94178a8848bd74d383033",
        "Check that the message bus runs and that this user may connect to it.",
    ),
    SettingsInvalid: Facts(
        "InvalidArgument", "settings", 2, "465110d8b021496190384b640e8b9fb2",
        "Correct the line that the message names; mmid.toml(5) lists every key.",
    ),
    NotProvisioned: Facts(
        "NotProvisioned", "not-provisioned", 78, "2d28f1c70f9548ffa399a3c61d6da71f",
        "Set license.app_id, license.app_secret and license.device_name.",
    ),
    NotRegistered: Facts(
        "NotRegistered", "not-registered", 78, "7ce63b43b8794816a01914d4e0757805",
        "Wait for the registration, or call Register on org.mmid1.Device.",
    ),
    LicenseRefused: Facts(
        "NotRegistered", "license-refused", 78, "14f939ab947f4057814cb11a9a2c584f",
        "Do what the message says for its code, then call Register.",
    ),
    RegistrationUnreadable: Facts(
        "Cloud", "registration-unreadable", 76, "4c59c01272f44678946e96e9490448d6",
        "Correct license.app_secret or license.codec and start mmid again; the message tells more.",
    ),
    LicenseCodecFailed: Facts(
        "NotRegistered", "license-codec", 70, "384a7806d6a1b1d022c5f9a07935bcfc",
        "Check the library that license.codec names; mmid keeps trying by itself.",
    ),
    ClockNotSet: Facts(
        "ClockNotSet", "clock", 75, "8f3a1373135d4ac7a081241c472a36d1",
        "Give the board its time (NTP or an RTC); mmid continues within a second of it.",
    ),
}
# fmt: on

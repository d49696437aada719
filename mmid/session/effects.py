"""What a dialect wants done: the only way a dialect acts on the world.

A dialect takes an input and returns a list of these; ``Conversation`` sends, closes and
notes, the gateway's board carries out the rest. So a dialect needs no I/O, and
a test reads its decisions as data.
"""

from collections.abc import Mapping
from enum import StrEnum

from mmid.errors import (
    MmidError,
    NotProvisioned,
    RegistrationUnreadable,
    SettingsInvalid,
    StorageFailed,
)
from mmid.events import Event, State
from mmid.frozen import frozen


class Next(StrEnum):
    """What to do after a connection was closed."""

    RETRY = "retry"  # with back-off
    LATER = "later"  # with the longest back-off at once
    HOURS = "hours"  # somebody may mend it from afar; look again now and then
    STOP = "stop"  # until somebody acts: Connect, or other settings


# What follows a failure, by the class of the error. An error that the cloud sent has a code of
# the cloud's, which its dialect knows (``Close`` carries it), and ``Access`` is asked first.
_FOLLOWS: dict[type[MmidError], Next] = {
    # Somebody must act: trying again would only meet the same.
    NotProvisioned: Next.STOP,
    RegistrationUnreadable: Next.STOP,
    SettingsInvalid: Next.STOP,
    # Flash that refuses is not worn out by trying: seldom, but for ever.
    StorageFailed: Next.LATER,
}


def what_follows(error: MmidError) -> Next:
    """Return what to do after an error: the table's, else another attempt with back-off."""
    return next((_FOLLOWS[kind] for kind in type(error).__mro__ if kind in _FOLLOWS), Next.RETRY)


@frozen
class Effect:
    """Something to do."""


@frozen
class Send(Effect):
    """Send a text frame."""

    text: str


@frozen
class SendAudio(Effect):
    """Send speech, after everything sent before; the link cuts it into frames.

    ``backlog``: it was recorded before the cloud listened, so it is exempt
    from the bound on what may wait for the network.
    """

    data: bytes
    backlog: bool = False


@frozen
class SpeechDropped(Effect):
    """So many bytes of speech waited too long for the cloud's permission, and are lost."""

    count: int


class Authorized(Effect):
    """The cloud has said that this device may use it."""


@frozen
class Unauthorized(Effect):
    """The cloud has said that this device may not use it; comes before anybody is told.

    Whoever hears the ``Error`` then finds the refusal in the status.
    """

    error: MmidError


@frozen
class Close(Effect):
    """Close the connection; nothing is sent after it.

    ``error`` is why, or None for a polite end.
    """

    error: MmidError | None
    next: Next


class StartRecorder(Effect):
    """Open the microphone now."""


class StopRecorder(Effect):
    """Close the microphone and release it from its holder."""


class StartPlayer(Effect):
    """A reply begins: open the loudspeaker."""


@frozen
class Play(Effect):
    """Play samples of the reply."""

    data: bytes


class FinishPlayer(Effect):
    """The reply has arrived whole: play it out and say when it was heard."""


class FlushPlayer(Effect):
    """Be silent now and forget the rest of the reply."""


@frozen
class SetLoudness(Effect):
    """Turn the loudspeaker, as somebody asked the cloud to.

    Attributes:
        volume: percent; None leaves it.
        change: what to add to it, percent.
        muted: mute or unmute; None leaves it.
    """

    volume: int | None = None
    change: int = 0
    muted: bool | None = None

    def applied(self, volume: int, muted: bool) -> tuple[int, bool]:
        """Return what these become by it; a volume is 0 to 100."""
        wanted = (volume if self.volume is None else self.volume) + self.change
        return min(100, max(0, wanted)), muted if self.muted is None else self.muted


@frozen
class Emit(Effect):
    """Tell the world."""

    event: Event


@frozen
class ToolCall(Effect):
    """The model calls a function: a program of the board is it, or else the world is told.

    Attributes:
        call_id: what ``Dialect.tool_result`` has to quote; empty: the cloud takes no result.
        name: of the function; ``domain/name`` where the cloud tells a domain.
        arguments: of the call, the JSON of an object as a rule.
        told: what the world is told if no program is this function.
    """

    call_id: str
    name: str
    arguments: str
    told: Event


@frozen
class Show(Effect):
    """The dialog's state is this now."""

    state: State


@frozen
class Spent(Effect):
    """What a turn cost, where a cloud tells or lets it be reckoned.

    Attributes:
        input_tokens: what the cloud counted of what went up, the turns before it too.
        output_tokens: what it counted of its reply.
        total_tokens: both.
        input_audio_s: speech of this turn, in seconds.
        output_audio_s: of the reply.
        images: pictures that went up.
        estimated_input_tokens: what went up in this turn alone, by the cloud's price list.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_audio_s: float = 0.0
    output_audio_s: float = 0.0
    images: int = 0
    estimated_input_tokens: int = 0

    def added_to(self, before: Mapping[str, float]) -> dict[str, float]:
        """Return the counts after this turn, by name."""
        return {
            name: before.get(name, 0) + getattr(self, name) for name in self.__dataclass_fields__
        }


@frozen
class SaveDialog(Effect):
    """The dialog has this id.

    Attributes:
        dialog_id: the id.
        resumable: the next connection can go on with it, so it is worth a write to flash.
    """

    dialog_id: str
    resumable: bool = True


@frozen
class Note(Effect):
    """Worth a line in the journal, for whoever looks for a fault."""

    text: str


@frozen
class Moved(Effect):
    """The dialect is in another stage: a line of the black box.

    Neither field ever holds what was said.

    Attributes:
        stage: the stage it is in now, one word of the dialect's table.
        cause: the input that moved it: a command (``start_speech``), an event of
            the cloud (``Listening``, ``SpeechEnded``), or ``deadline``.
    """

    stage: str
    cause: str


Effects = list[Effect]

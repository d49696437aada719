"""What ``qwen-realtime`` understands of a scenario file: its keys, moments and faults.

Its own table in the file, with the defaults (the fact sheet's sections in brackets):

    [qwen-realtime]
    life_s = 7200.0        # a session is closed after so long (11)
    idle_s = 300.0         # and after so long without a response of the model (11)
    key_s = 60.0           # a temporary key opens sessions for so long
    cancel_done = true     # a cancelled response gets its response.done (8; some saw none)
    finish = "finished"    # what session.finish brings: or an "error", or nothing: "silent" (13)
    odd_deltas = false     # cut the audio of replies in the middle of samples

and in a turn:

    [turn.qwen-realtime]
    transcription = "completed"  # or "failed", or "none"; "late": after the reply has begun
    status = "completed"   # of the response: or "failed", or "incomplete"

A fault's moment is the type of an event, the client's or the service's. Its own faults:

    error-event:TYPE:CODE:MESSAGE  an ``error``; the session stays open
    bad-base64                     a delta of audio that is no base64
    odd-base64                     a delta whose base64 has a wrong length
    dead-audio                     a delta of a response that was never created
    wrong-types                    events with lists, numbers and null for objects and strings
    unknown-event                  an event that no document names
"""

from dataclasses import dataclass
from typing import Literal

from mmid.simcloud.core.faults import Arguments, Vocabulary

# Appended audio is the moment SpeechAudio.
_CLIENT_EVENTS = (
    "session.update input_audio_buffer.commit input_audio_buffer.clear "
    "input_image_buffer.append conversation.item.create response.create response.cancel "
    "session.finish"
)
# A delta of audio is the moment ReplyAudio.
_SERVER_EVENTS = (
    "error session.created session.updated session.finished "
    "input_audio_buffer.speech_started input_audio_buffer.speech_stopped "
    "input_audio_buffer.committed input_audio_buffer.cleared conversation.item.created "
    "conversation.item.input_audio_transcription.delta "
    "conversation.item.input_audio_transcription.completed "
    "conversation.item.input_audio_transcription.failed "
    "response.created response.output_item.added response.output_item.done "
    "response.content_part.added response.content_part.done response.text.delta "
    "response.text.done response.audio_transcript.delta response.audio_transcript.done "
    "response.audio.done response.function_call_arguments.delta "
    "response.function_call_arguments.done response.done"
)

# Texts that were seen on the wire (section 13). A close says more by its reason than by its code.
_ERRORS = {
    "account": ("close:1007", "Access denied, please make sure your account is in good standing."),
    "free-tier": ("close:1007", "The free tier of the model has been exhausted."),
    "voice": ("close:1007", "Voice is not supported by the model."),
    "idle": ("close:1007", "no response was generated for 300 seconds"),
    "internal": ("error-event:server_error:COMMON_ERROR", "Internal service error: null"),
    "timeout": ("error-event:server_error:COMMON_ERROR", "ModelResponse timeout."),
    "active-response": (
        "error-event:invalid_request_error:invalid_value",
        "Conversation already has an active response",
    ),
}


@dataclass(frozen=True, slots=True)
class RealtimeRules:
    """The cloud's own table of a scenario file."""

    life_s: float = 7200.0
    idle_s: float = 300.0
    key_s: float = 60.0
    cancel_done: bool = True
    finish: Literal["finished", "error", "silent"] = "finished"
    odd_deltas: bool = False


@dataclass(frozen=True, slots=True)
class RealtimeTurn:
    """The cloud's own table of a turn."""

    transcription: Literal["completed", "failed", "none", "late"] = "completed"
    status: Literal["completed", "failed", "incomplete"] = "completed"


VOCABULARY = Vocabulary(
    coming=tuple(_CLIENT_EVENTS.split()),
    going=tuple(_SERVER_EVENTS.split()),
    calls=("temporary-key",),
    faults={
        "error-event": Arguments(3, 3),
        "bad-base64": Arguments(),
        "odd-base64": Arguments(),
        "dead-audio": Arguments(),
        "wrong-types": Arguments(),
        "unknown-event": Arguments(),
    },
    errors=_ERRORS,
    table=RealtimeRules,
    turn_table=RealtimeTurn,
)

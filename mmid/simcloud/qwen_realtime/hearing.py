"""What the service hears: the audio buffer, and what it understands of a speech.

With a detection of turns it tells by loudness when a speech begins and ends; without one
the client commits the buffer (fact sheet, sections 6, 7 and 9).
"""

from typing import Any

from mmid.simcloud.core.actions import Heard, JournalLine
from mmid.simcloud.core.scenario import ScenarioRun, ScriptedTurn, own_table
from mmid.simcloud.core.speech import LONGEST_S, SHORTEST_S, Speech
from mmid.simcloud.core.voice import growing
from mmid.simcloud.qwen_realtime import usage
from mmid.simcloud.qwen_realtime.outlet import RealtimeOutlet
from mmid.simcloud.qwen_realtime.session import InvalidRequest, Session, rate_hz
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeTurn

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_PREVIEW_S = 0.4  # one preview for so much speech
_LARGEST_IMAGE = 256 * 1024  # of its base64
_LONG_SIDE, _SHORT_SIDE = 1920, 1080  # of the largest picture (section 9)


class AudioBuffer:
    """The audio buffer of one session.

    Args:
        outlet: where the events go.
        run: the script.

    Attributes:
        script: the turn of the script that is being heard, or was heard last.
        heard: audio has come.
        tokens: what all that was heard and seen costs as input of a response.
        item_id: of the speech that is heard, or was last.
    """

    def __init__(self, outlet: RealtimeOutlet, run: ScenarioRun) -> None:
        self._outlet = outlet
        self._run = run
        self._speech: Speech | None = None
        self._half_sample = b""
        self._previews = 0
        self.script: ScriptedTurn = run.scenario.turns[0]
        self.heard = False
        self.tokens = 0
        self.item_id = ""

    @property
    def talking(self) -> bool:
        """A voice is being heard."""
        return self._speech is not None and self._speech.voiced

    @property
    def ended(self) -> bool:
        """The pause that ends a speech was heard."""
        return self._speech is not None and self._speech.paused

    def append(self, data: bytes, session: Session) -> bool:
        """Take audio; True: a voice begins in it."""
        self.heard = True
        if not self._outlet.strike("SpeechAudio"):
            return False
        data = self._half_sample + data
        whole = len(data) & ~1
        data, self._half_sample = data[:whole], data[whole:]
        detection = session["turn_detection"]
        if self._speech is None:
            pause_s = detection["silence_duration_ms"] / 1000 if detection else None
            self._speech = Speech(rate_hz(session, "input"), pause_s=pause_s)
        speech = self._speech
        silent = not (speech.voiced if detection else speech.data)
        speech.add(data)
        if speech.seconds > LONGEST_S:
            raise InvalidRequest(f"the speech is longer than {LONGEST_S:.0f} s", param="audio")
        if silent and (speech.voiced if detection else speech.data):
            self._outlet.put(JournalLine("speech-begin", self._outlet.now))
            return bool(detection)
        return False

    def append_image(self, base64_text: str, data: bytes, model: str) -> None:
        """Take a picture, which belongs to the audio around it."""
        if self._speech is None or not (self._speech.data or self._half_sample):
            raise InvalidRequest("Error append image before append audio.", param="image")
        if len(base64_text) > _LARGEST_IMAGE:
            raise InvalidRequest("The image is larger than 256 KB", param="image")
        try:
            width, height = usage.jpeg_size(data)
        except usage.NoJpeg as error:
            raise InvalidRequest(f"Invalid image: {error}", param="image") from error
        if max(width, height) > _LONG_SIDE or min(width, height) > _SHORT_SIDE:
            raise InvalidRequest(f"The image of {width}x{height} is over 1080p", param="image")
        self.tokens += usage.image_tokens(model, width, height)
        self._outlet.put(JournalLine("image", self._outlet.now, {"bytes": len(data)}))

    def begin_item(self, script: ScriptedTurn) -> None:
        """A speech is one more item of the conversation: the next turn of the script."""
        self.script, self._previews = script, 0
        self.item_id = f"item_{self._run.new_id()}"

    def preview(self) -> None:
        """Tell what is understood so far, if it is more than was told.

        The last word is not sure yet: it is ``stash``, and what is before it ``text``.
        """
        seconds = self._speech.seconds if self._speech else 0.0
        pieces = growing(self.script.transcript)[:-1][: int(seconds / _PREVIEW_S)]
        for piece in pieces[self._previews :]:
            text, space, stash = piece.rpartition(" ")
            self._outlet.event(
                f"{_TRANSCRIPTION}.delta", **self._where, text=text + space, stash=stash
            )
        self._previews = max(self._previews, len(pieces))

    def check_commit(self) -> None:
        """Refuse a commit of nothing."""
        if self._speech is None or self._speech.seconds < SHORTEST_S:
            raise InvalidRequest(
                "Error committing input audio buffer: buffer too small, or have no audio."
            )

    def end(self, how: str, session: Session) -> None:
        """The speech is over: tell what was understood."""
        if self._speech is not None:
            self.tokens += usage.audio_tokens(session["model"], self._speech.seconds)
        self._hand_over(how, voiced=False)
        item = {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio"}],
        }
        self._outlet.event("input_audio_buffer.committed", item_id=self.item_id)
        self._outlet.event("conversation.item.created", item=item)
        if self._how == "completed":
            self._outlet.event(f"{_TRANSCRIPTION}.completed", **self._transcript)
        if self._how == "failed":
            error = {"code": "asr_failed", "message": "nothing was understood", "param": None}
            self._outlet.event(f"{_TRANSCRIPTION}.failed", **self._where, error=error)

    def late_transcript(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what comes of a speech when its reply has begun already."""
        late = self.item_id and self._how == "late"
        return [(f"{_TRANSCRIPTION}.completed", self._transcript)] if late else []

    def drop(self, how: str, *, voiced: bool) -> None:
        """Throw away what is in the buffer; ``voiced``: silence is not worth an entry."""
        self._half_sample = b""
        self._hand_over(how, voiced=voiced)

    @property
    def _how(self) -> str:
        return own_table(self.script, RealtimeTurn).transcription

    @property
    def _where(self) -> dict[str, Any]:
        return {"item_id": self.item_id, "content_index": 0}

    @property
    def _transcript(self) -> dict[str, Any]:
        return {**self._where, "transcript": self.script.transcript}

    def _hand_over(self, how: str, *, voiced: bool) -> None:
        speech, self._speech = self._speech, None
        if speech is not None and speech.data and (speech.voiced or not voiced):
            self._outlet.put(Heard(bytes(speech.data), speech.seconds, how, self._outlet.now))

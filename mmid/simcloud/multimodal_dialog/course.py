"""The course of a simulated dialog: listening, thinking, responding.

``protocol`` decides whether the client may do something; this module knows what
then happens: which events a speech causes, when it ends, how a reply is laid out
in time, what a cut leaves behind.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from mmid.simcloud.core.actions import Heard, JournalLine, ReplyBegin, ReplyEnd, SendReplyAudio
from mmid.simcloud.core.codecs import OpusSpeech, UndecodableAudio
from mmid.simcloud.core.scenario import ScenarioRun, ScriptedTurn, own_table
from mmid.simcloud.core.speech import LONGEST_S, SHORTEST_S, Speech
from mmid.simcloud.core.voice import growing
from mmid.simcloud.multimodal_dialog.messages import ProtocolViolation
from mmid.simcloud.multimodal_dialog.outlet import DialogOutlet
from mmid.simcloud.multimodal_dialog.reply import Step, steps
from mmid.simcloud.multimodal_dialog.start import Start
from mmid.simcloud.multimodal_dialog.vocabulary import DialogRules

NEVER = float("inf")

# One interim text for so much speech.
_INTERIM_S = 0.4

# The audio of no reply that the real cloud was seen to send (section 13, step 14), in bytes.
_STRAY = (8000, 1788)


class Phase(StrEnum):
    """The state of the dialog, as the wire names it."""

    IDLE = "Idle"
    LISTENING = "Listening"
    THINKING = "Thinking"
    RESPONDING = "Responding"


@dataclass(slots=True)
class PresentTurn:
    """What the present turn has to remember.

    Attributes:
        script: what will be understood and answered.
        speech: what is arriving, None when nothing is.
        interim: how many interim texts were sent.
        replying: reply audio has begun and not ended.
        replied: RespondingEnded was sent.
        cut: the cloud ended the speech or the reply by itself; what the client
            sent before it could know is no mistake of the client.
    """

    script: ScriptedTurn
    speech: Speech | None = None
    interim: int = 0
    replying: bool = False
    replied: bool = False
    cut: bool = False


class Course:
    """The course of one connection's dialog, from Started on.

    Args:
        outlet: where the actions go.
        run: the script.
        start: what the client asked for.
    """

    def __init__(self, outlet: DialogOutlet, run: ScenarioRun, start: Start) -> None:
        self._outlet = outlet
        self._run = run
        self._rules = own_table(run.scenario, DialogRules)
        self._start = start
        self._now = PresentTurn(run.scenario.turns[0])
        self._plan: deque[tuple[float, Step]] = deque()
        self._audio_at = outlet.now
        self.phase = Phase.IDLE

    @property
    def mode(self) -> str:
        """The work mode."""
        return self._start.mode

    @property
    def video(self) -> bool:
        """Start said that frames of a video will be uploaded."""
        return self._start.video

    @property
    def hearing(self) -> bool:
        """A speech is arriving."""
        return self._now.speech is not None

    @property
    def replied(self) -> bool:
        """The whole reply was sent."""
        return self._now.replied

    @property
    def cut(self) -> bool:
        """The cloud cut the turn, and the client may not know yet."""
        return self._now.cut

    @property
    def may_be_late(self) -> bool:
        """What the loudspeaker tells may be about a reply that the cloud has cut already.

        In duplex a voice cuts replies whenever it likes, and on a slow network
        several turns may pass before the client's word about the first arrives.
        """
        return (self._now.cut and self.phase is not Phase.RESPONDING) or self.mode == "duplex"

    @property
    def step_at(self) -> float:
        """When the next part of the reply is due."""
        return self._plan[0][0] if self._plan else NEVER

    @property
    def audio_due(self) -> float:
        """When a missing upload becomes an error (section 7, the 20 s rule)."""
        needed = {
            "push2talk": self.hearing,
            "tap2talk": self.phase is Phase.LISTENING,
            "duplex": True,
        }
        return self._audio_at + self._rules.audio_s if needed[self.mode] else NEVER

    def listen(self) -> None:
        """Be ready for a speech."""
        self._audio_at = self._outlet.now
        self._enter(Phase.LISTENING)

    def open_speech(self) -> None:
        """The client's button is down."""
        self._now = PresentTurn(next(self._run.turns), self._new_speech())
        self._audio_at = self._outlet.now

    def hear(self, data: bytes) -> None:
        """Take a frame of speech."""
        self._audio_at = self._outlet.now
        if not self._outlet.strike("SpeechAudio"):
            return
        if len(data) % 2 and self._start.upstream_format == "pcm":
            raise ProtocolViolation(
                f"{len(data)} bytes of audio are no whole 16-bit samples",
                status=424,
                name="AudioFormatError",
            )
        if self.mode == "push2talk":
            self._hear_pushed(data)
        elif self.phase is Phase.LISTENING:
            self._hear_streamed(data)
        elif self.mode == "duplex":
            self._barge_in(data)

    def close_speech(self) -> None:
        """The client's button is up: recognise."""
        speech = self._now.speech
        if speech is None or speech.seconds < SHORTEST_S:
            self._finish_hearing("too-short")
            self._error(451, "NoSpeechRecognized", "nothing was said")
            self.listen()
            return
        self._recognised("stop")

    def cancel_speech(self) -> None:
        """Drop the speech under way, and go where the scenario says that this leads."""
        self.drop_speech("cancel")
        self._audio_at = self._outlet.now
        self._enter(Phase(self._rules.after_cancel))

    def drop_speech(self, how: str) -> None:
        """Forget the speech under way, if there is one; ``how`` is for the journal."""
        if self._now.speech is not None:
            self._finish_hearing(how)

    def think(self, script: ScriptedTurn) -> None:
        """Make the reply of a turn, and lay it out in time."""
        self._now = PresentTurn(script)
        self._enter(Phase.THINKING)
        if self._run.scenario.stray_audio:
            for size in _STRAY:
                self._outlet.put(SendReplyAudio(bytes(size), stray=True))
        samples = self._run.voice(script, self._start.downstream_hz)
        begin = self._outlet.now + self._run.scenario.thinking_ms / 1000
        pace, round_id = self._run.scenario.pace, self._run.new_id()
        timed = steps(script, samples, self._start, pace=pace, round_id=round_id)
        self._plan.extend((begin + step.after_s, step) for step in timed)

    def drop_reply(self) -> deque[bytes]:
        """Forget what is left of the reply, and return the audio of it."""
        if self._now.replying:
            self._outlet.put(ReplyEnd(cut=True))
        left = deque(step.audio for _, step in self._plan if step.audio)
        self._plan.clear()
        self._now.replying = False
        return left

    def send_stale(self, left: deque[bytes]) -> None:
        """Send a frame of a reply that was cut, if the scenario says so."""
        if left and self._run.scenario.stale_audio:
            self._outlet.put(SendReplyAudio(left.popleft(), stray=True))

    def step(self) -> None:
        """Send the next part of the reply."""
        _, step = self._plan.popleft()
        if step.audio:
            if not self._now.replying:
                self._outlet.put(ReplyBegin(self._start.reply_format.mode))
            self._now.replying = True
            # Not by ``put``: a fault may wait for the nth frame of a reply.
            self._outlet.audio(step.audio)
        elif step.event == "DialogStateChanged":
            state = Phase(step.fields["state"])
            self.listen() if state is Phase.LISTENING else self._enter(state)
        else:
            self._outlet.event(step.event, **step.fields)
        if step.event == "RespondingEnded":
            self._end_reply()

    def fail(self) -> None:
        """An error has ended the turn: listen again."""
        self.drop_speech("cut")
        self.drop_reply()
        self._now.cut = True
        self.listen()

    def lose(self) -> None:
        """The connection is gone: account for what was under way."""
        self.drop_speech("lost")

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._outlet.event("DialogStateChanged", state=phase.value)

    def _new_speech(self) -> Speech:
        rate_hz, coded = self._start.upstream_hz, self._start.upstream_format != "pcm"
        decode = OpusSpeech(rate_hz).decode if coded else None
        pause_s = None if self.mode == "push2talk" else self._run.scenario.pause_ms / 1000
        return Speech(rate_hz, pause_s=pause_s, decode=decode)

    def _hear_pushed(self, data: bytes) -> None:
        if self._now.speech is None:
            if self._now.cut:
                return  # it was on the way when we ended the turn
            raise ProtocolViolation(f"audio in {self.phase} without SendSpeech")
        first = not self._now.speech.data
        self._add(self._now.speech, data)
        if first and data:
            self._began()
        self._interim()

    def _hear_streamed(self, data: bytes) -> None:
        speech = self._now.speech
        if speech is None:
            speech = self._new_speech()
            self._now = PresentTurn(self._now.script, speech, cut=self._now.cut)
        silent = not speech.voiced
        self._add(speech, data)
        # Only a voice uses up a turn of the script; silence may go on for hours.
        if silent and speech.voiced:
            self._now.script = next(self._run.turns)
            self._began()
        if speech.voiced:
            self._interim()
        if speech.paused:
            self._recognised("silence")

    def _barge_in(self, data: bytes) -> None:
        """In duplex a voice interrupts the reply; silence and noise do not."""
        probe = self._new_speech()
        self._add(probe, data)
        if probe.voiced:
            self.drop_reply()
            self._now.cut = True
            self.listen()
            self._hear_streamed(data)

    def _add(self, speech: Speech, data: bytes) -> None:
        try:
            speech.add(data)
        except UndecodableAudio as error:
            raise ProtocolViolation(str(error), status=424, name="AudioFormatError") from error
        if speech.seconds > LONGEST_S:
            raise ProtocolViolation(f"the speech is longer than {LONGEST_S:.0f} s")

    def _began(self) -> None:
        self._outlet.put(JournalLine("speech-begin", self._outlet.now))
        self._outlet.event("SpeechStarted")

    def _interim(self) -> None:
        speech = self._now.speech
        # The last piece is the whole text, which comes when the speech has ended.
        pieces = growing(self._now.script.transcript)[:-1]
        if speech is None or "transcript" not in self._start.texts:
            return
        heard = int(speech.seconds / _INTERIM_S)
        while self._now.interim < min(heard, len(pieces)):
            piece = pieces[self._now.interim]
            self._now.interim += 1
            self._outlet.event("SpeechContent", text=piece, finished=False)

    def _recognised(self, how: str) -> None:
        self._finish_hearing(how)
        if "transcript" in self._start.texts:
            self._outlet.event("SpeechContent", text=self._now.script.transcript, finished=True)
        if self._rules.speech_ended:
            self._outlet.event("SpeechEnded")
        self.think(self._now.script)

    def _finish_hearing(self, how: str) -> None:
        speech, self._now.speech = self._now.speech, None
        if speech is not None and (speech.voiced or self.mode == "push2talk"):
            packets = tuple(speech.packets)
            heard = Heard(bytes(speech.data), speech.seconds, how, self._outlet.now, packets)
            self._outlet.put(heard)

    def _end_reply(self) -> None:
        self._now.replied = True
        if self._now.replying:
            self._outlet.put(ReplyEnd(cut=False))
        self._now.replying = False

    def _error(self, code: int, name: str, message: str) -> None:
        fields = {"error_code": code, "error_name": name, "error_message": message}
        self._outlet.event("Error", **fields)

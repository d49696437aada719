"""What the service hears of one client: presses, or by itself where a speech begins and ends.

It recognises nothing: a speech is told from silence by its loudness, and what was said
stands in the scenario.
"""

from mmid.simcloud.baidu_rtc.outlet import RtcOutlet
from mmid.simcloud.baidu_rtc.vocabulary import RtcRules, RtcTurn
from mmid.simcloud.core.actions import Heard, JournalLine
from mmid.simcloud.core.codecs import OpusSpeech, UndecodableAudio
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.core.speech import LONGEST_S, SHORTEST_S, Speech
from mmid.simcloud.core.voice import growing

_INTERIM_S = 0.4  # one interim transcript for so much speech


class RtcHearing:
    """The ear of one connection.

    Args:
        outlet: where the actions go.
        run: the script.
        rate_hz: of the samples, or of what Opus is decoded to.
        opus: audio comes as packets of Opus.

    Attributes:
        script: the turn that is heard, or was heard last.
        push_to_talk: the client says when a speech begins and ends.
    """

    def __init__(self, outlet: RtcOutlet, run: ScenarioRun, rate_hz: int, *, opus: bool) -> None:
        self._outlet = outlet
        self._run = run
        self._rate_hz = rate_hz
        self._opus = opus
        self._speech: Speech | None = None
        self._interim = 0
        self.script = run.scenario.turns[0]
        self.push_to_talk = False

    @property
    def recording(self) -> bool:
        """A press is being heard."""
        return self.push_to_talk and self._speech is not None

    @property
    def understandable(self) -> bool:
        """There is enough of a speech to be understood."""
        return self._speech is not None and self._speech.seconds >= SHORTEST_S

    @property
    def ended(self) -> bool:
        """The pause that ends a speech was heard, or it is longer than any."""
        speech = self._speech
        return speech is not None and (speech.paused or speech.seconds > LONGEST_S)

    def listen(self) -> Speech:
        """Begin to hear something."""
        decode = OpusSpeech(self._rate_hz).decode if self._opus else None
        pause_s = None if self.push_to_talk else self._run.scenario.pause_ms / 1000
        self._speech = Speech(self._rate_hz, pause_s=pause_s, decode=decode)
        return self._speech

    def add(self, data: bytes) -> bool:
        """Take a frame; True: a speech begins in it."""
        if not self._outlet.strike("SpeechAudio"):
            return False
        silent, speech = not self._begun, self._speech or self.listen()
        try:
            speech.add(data)
        except UndecodableAudio as error:
            self._outlet.refuse(str(error))
        if silent and self._begun:
            self.script, self._interim = next(self._run.turns), 0
            self._outlet.put(JournalLine("speech-begin", self._outlet.now))
            return True
        return False

    def tell_interim(self) -> None:
        """Tell what is understood so far, if it is more than was told."""
        if self._speech is None or not self._begun:
            return
        pieces = growing(self.script.transcript)[:-1][: int(self._speech.seconds / _INTERIM_S)]
        for piece in pieces[self._interim :]:
            self._outlet.message("[Q]:[M]", piece + self._suffix)
        self._interim = max(self._interim, len(pieces))

    def understand(self, how: str) -> None:
        """The speech is over: tell what was understood."""
        self.drop(how)
        turn, question = own_table(self.script, RtcTurn), self.script.transcript + self._suffix
        if turn.question != "none":
            self._outlet.message("[Q]", question)
        if turn.question == "twice":
            self._outlet.message("[Q]:[C]", question)
        if turn.continued:
            self._outlet.message("[Q]:[C]", turn.continued + self._suffix)

    def drop(self, how: str) -> None:
        """Forget what is heard; the journal gets a speech, and says why it ended."""
        speech, begun = self._speech, self._begun
        self._speech = None
        if speech is not None and begun:
            packets = tuple(speech.packets)
            self._outlet.put(
                Heard(bytes(speech.data), speech.seconds, how, self._outlet.now, packets)
            )

    @property
    def _begun(self) -> bool:
        if self._speech is None:
            return False
        return bool(self._speech.data) if self.push_to_talk else self._speech.voiced

    @property
    def _suffix(self) -> str:
        return own_table(self._run.scenario, RtcRules).suffix

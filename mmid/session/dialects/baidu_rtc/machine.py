"""What is remembered of a connection, and the moves between its stages.

What the service says (``server_messages``) and what people want (``talk``) are written in
these. Nothing is sent but through the ``PacedQueue``.
"""

from math import inf

from mmid.errors import Busy
from mmid.session.dialects.baidu_rtc import client_messages
from mmid.session.dialects.baidu_rtc.activation import Activation, ActivationIdentity
from mmid.session.dialects.baidu_rtc.messages import Said
from mmid.session.dialects.baidu_rtc.paced_queue import PacedQueue
from mmid.session.dialects.baidu_rtc.stages import STAGES
from mmid.session.dialects.baidu_rtc.turn import Question, SpokenReply
from mmid.session.dialects.stages import TurnStage
from mmid.session.dialects.turn_machine import TurnMachine
from mmid.session.effects import Effects, FlushPlayer
from mmid.settings import Dialog

# Nothing in a reply says which question it answers, and the cloud does not confirm an
# interruption. So what comes so soon after one is taken for the rest of the old reply [deduced]:
# the cloud takes a second at least to answer (section 6: chat 1.2 to 2 s, functions 1 to 1.8 s).
# The longer time is that of a reply which had begun to speak: of it TTS_END may come, too. A
# question that the cloud has understood ends both (``understood``).
_STALE_S, _STALE_VOICE_S = 0.5, 1.0

# Speech that waits, when the license is asked for late: as long as a press waits for a dialog.
_ROOM_S = 5

# Values of dialog.text_mode without the question's text.
_NO_QUESTION = {"llm", "none"}

# The stages in which the cloud works on a turn of ours.
_AT_WORK = frozenset({TurnStage.RECOGNISING, TurnStage.THINKING, TurnStage.RESPONDING})

# The stages in which a reply begins that nobody asked for.
RESTING = frozenset({TurnStage.LISTENING, TurnStage.PLAYING})


class RtcMachine(TurnMachine):
    """One connection's memory.

    Args:
        settings: how one talks.
        work_mode: push2talk, tap2talk or duplex.
        identity: who the device is to the cloud.
        ready_by: monotonic time by which the cloud must take speech.

    Attributes:
        activation: whether the cloud lets us in.
        outlet: what we send.
        calls: functions that were called: id -> when they must have answered.
        picture_wanted: the cloud asked for one, and has none yet.
        spoken_bytes: speech since the press.
        ignored: frames that meant nothing.
    """

    hearing: Question
    reply: SpokenReply

    def __init__(
        self, settings: Dialog, work_mode: str, identity: ActivationIdentity, *, ready_by: float
    ) -> None:
        super().__init__(STAGES, settings, work_mode, ready_by=ready_by)
        self.packets = settings.downstream_mode != "pcm"
        self.hearing, self.reply = Question(), SpokenReply(over=True)
        self.activation = Activation(identity)
        self.outlet = PacedQueue(_ROOM_S * settings.speech_bytes_per_s)
        self.calls: dict[str, float] = {}
        self.picture_wanted = False
        self.spoken_bytes = self.ignored = 0
        self._stale_until, self._stale_voice = -inf, False
        self._needs_question = False  # a reply before it may be of the turn that was cut

    # --- the turn -------------------------------------------------------------------------

    def new_turn(self, *, silent: bool = False) -> None:
        """Begin a turn; ``silent``: in writing."""
        untold = self.settings.text_mode in _NO_QUESTION
        self.hearing = Question(silent=silent, untold=untold)
        self.reply = SpokenReply(packets=self.packets)
        self.picture_wanted = False
        self.spoken_bytes = 0

    def listen(self, now: float) -> Effects:
        """The turn is over: be ready for the next; a reply that waits is not of this turn."""
        self.reply.over = self.reply.over or not self.reply.waits
        return super().listen(now)

    @property
    def _at_work(self) -> bool:
        """Whether the cloud still has something to say."""
        another = self.reply.begun and not self.reply.over  # while one is still played
        return self.stage in _AT_WORK or (self.stage is TurnStage.PLAYING and another)

    def cut_turn(self, now: float) -> Effects:
        """Leave the turn under way, and say so to the cloud if it still works on it."""
        if not self._at_work:
            return self.drop_turn(now)
        return [*self.outlet.text(client_messages.INTERRUPT, now=now), *self.drop_turn(now)]

    def drop_turn(self, now: float) -> Effects:
        """Leave the turn, without a word to the cloud: it knows, or has ended it."""
        if self._at_work:
            self.expect_stale(now, voice=self.reply.begun)
        effects = [*self.hearing.forget(), *self.reply.cut()]
        self.reply = SpokenReply(over=True)
        self.calls.clear()  # nobody waits for an answer any more
        self.picture_wanted = False
        return effects

    def leave_turn(self, now: float, *, silent: bool = False) -> Effects:
        """Begin a turn of one's own, whatever is under way."""
        silence: Effects = [FlushPlayer()]
        left = silence if self.stage is TurnStage.LISTENING else self.cut_turn(now)
        self.new_turn(silent=silent)
        return left

    def expect_stale(self, now: float, *, voice: bool = False) -> None:
        """Something that nobody wants may still come; ``voice``: its voice has begun."""
        self._stale_until = now + (_STALE_VOICE_S if voice else _STALE_S)
        self._stale_voice, self._needs_question = voice, True

    def understood(self) -> None:
        """The question of this turn came: what follows is of this turn."""
        self._stale_until, self._needs_question = -inf, False

    def is_stale(self, said: Said | None, now: float) -> bool:
        """Whether a part of a reply is of one that nobody wants; ``said`` None: its sound."""
        if self.stage is TurnStage.RECOGNISING:
            return self._needs_question
        if self.stage in {TurnStage.TALKING, TurnStage.TRAILING} or self.hearing.open:
            return True
        if now >= self._stale_until:
            return False
        begins = said is Said.TTS_BEGIN
        if self._stale_voice and (begins or said is Said.TTS_END):
            self._stale_until = -inf  # the old one has ended: a second beginning is the next's
        self._stale_voice = self._stale_voice or begins
        return not begins or self._stale_until > now

    # --- what may be done now -------------------------------------------------------------

    def check_room(self) -> None:
        """Raise if too many texts wait to leave."""
        if self.outlet.full:
            raise Busy("the cloud takes fewer than ten messages a second, and some still wait")

    def check_speech(self) -> None:
        """Raise if no speech can begin now, or it would wait behind too many texts."""
        super().check_speech()
        self.check_room()

    # --- functions ------------------------------------------------------------------------

    def answer(self, session_id: str, text: str, now: float, *, failed: bool) -> Effects:
        """Answer a call."""
        answer = client_messages.result(session_id, text, failed=failed)
        self.calls.pop(session_id, None)
        return self.outlet.text(answer, now=now)

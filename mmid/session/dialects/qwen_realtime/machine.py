"""The state machine's memory and its moves.

A move changes the stage and returns the effects that go with it. What the service says
(``server_events``) and what the board and its people want (``talk``) are written in these.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

from mmid.session.dialects.qwen_realtime.events import ClientEvents
from mmid.session.dialects.qwen_realtime.stages import STAGES
from mmid.session.dialects.qwen_realtime.turn import Dying, RealtimeRecognition, RealtimeReply
from mmid.session.dialects.qwen_realtime.usage import Sent
from mmid.session.dialects.stages import TURN_STAGES, TurnStage
from mmid.session.dialects.turn_machine import TurnMachine
from mmid.session.effects import Effects, Send, Spent
from mmid.settings import Dialog

UPSTREAM_HZ, DOWNSTREAM_HZ = 16_000, 24_000
SPEECH_BYTES_PER_S = 2 * UPSTREAM_HZ
REPLY_BYTES_PER_S = 2 * DOWNSTREAM_HZ

# Less is not committed (section 7): the service would refuse it.
LEAST_SPEECH_BYTES = SPEECH_BYTES_PER_S // 10

# A request for a response that brings none is made once more (section 7) [deduced].
_ASK_AGAIN_S = 3.0


class Request:
    """A response that was asked for and has not begun.

    Attributes:
        texts: what asks for it.
        waits: it is not sent yet, for another response has to end.
        again_at: when it is asked for once more; ``inf``: not.
    """

    def __init__(self, texts: list[str] | None = None) -> None:
        self.texts = texts or []
        self.waits = bool(texts)
        self.again_at = inf


class RealtimeMachine(TurnMachine):
    """What is remembered of a connection, and the moves between its stages.

    Args:
        settings: how one talks.
        work_mode: push2talk, tap2talk or duplex.
        events: writes what we send.
        session: the event that asks for the session.
        model: whose prices count.
        ready_by: monotonic time by which the session must be as we want it.

    Attributes:
        video_due: when the next frame of video may be sent.
        suspect_until: when the session is given up unless something comes.
        buffered: the service has sound that was neither committed nor cleared.
        waiting: what was shown beside a speech, and goes with the next.
        own_tools: the functions that the settings declare.
        tools: all that the session has, or will have after ``changes``.
        changes: fields of the session that the service has yet to be told.
    """

    hearing: RealtimeRecognition
    reply: RealtimeReply

    def __init__(
        self,
        settings: Dialog,
        work_mode: str,
        *,
        events: ClientEvents,
        session: str,
        model: str,
        ready_by: float,
    ) -> None:
        super().__init__(STAGES, settings, work_mode, ready_by=ready_by)
        self.events, self.session = events, session
        self.hearing, self.reply = RealtimeRecognition(), RealtimeReply(over=True)
        self.dying, self.request = Dying(), Request()
        self.sent, self.waiting, self.model = Sent(), Sent(), model
        self.own_tools: list[Any] = []
        self.tools: list[Any] = []
        self.changes: dict[str, Any] = {}
        self.video_due = -inf
        self.suspect_until = inf
        self.buffered = False

    # --- the turn -------------------------------------------------------------------------

    def new_turn(self) -> None:
        """Forget the last turn."""
        self.hearing, self.reply = RealtimeRecognition(), RealtimeReply(over=True)
        self.sent = Sent()
        self.request = Request()

    def listen(self, now: float) -> Effects:
        """The turn is over: be ready for the next."""
        self.request = Request()
        return super().listen(now)

    def ask(self, texts: list[str], now: float) -> Effects:
        """Ask for a response; it waits until one that was cancelled has ended."""
        self.request = Request(texts)
        moved = self.enter(TurnStage.RECOGNISING, now)
        return moved if self.dying.waits else [*moved, *self.send_request(now)]

    def send_request(self, now: float) -> Effects:
        """Send what asks for the response."""
        if not self.request.waits:
            return []
        self.request.waits, self.request.again_at = False, now + _ASK_AGAIN_S
        return [Send(text) for text in self.request.texts]

    def ask_again(self, _now: float) -> Effects:
        """Nothing came of the request: it is made once more, and no more than that."""
        self.request.again_at = inf
        return [Send(text) for text in self.request.texts]

    @property
    def rests(self) -> bool:
        """Whether nothing is under way: nobody talks, nobody waits."""
        return self.stage is TurnStage.LISTENING and not self.hearing.open

    def change(self, fields: Mapping[str, Any]) -> Effects:
        """Have the session changed: now, or else when the turn under way is over."""
        self.changes |= fields
        return self.send_changes() if self.rests else []

    def send_changes(self, _now: float = 0.0) -> Effects:
        """Send what of the session is to be another."""
        changes, self.changes = self.changes, {}
        return [Send(self.events.change(changes))]

    def response_ended(
        self, response_id: str, now: float, usage: Mapping[str, int] | None = None
    ) -> Effects:
        """A response that was cancelled has ended, or is thought to have; it is billed, too."""
        self.dying.ended(response_id)
        billed: Effects = [Spent(**usage)] if usage else []
        return billed if self.dying.waits else [*billed, *self.send_request(now)]

    def clear(self) -> Effects:
        """Have the service forget the sound that it was sent, and what was shown with it."""
        self.buffered, self.waiting = False, Sent()
        return [Send(self.events.clear())]

    def committed(self) -> None:
        """The service takes what it was sent; what waited goes with it."""
        self.sent.add(self.waiting)
        self.buffered, self.waiting = False, Sent()

    def cut_turn(self, now: float) -> Effects:
        """Leave the turn under way: silence, ends, and no more of its response."""
        effects: Effects = [*self.hearing.end(), *self.reply.cut()]
        for call_id in self.reply.calls:
            effects.append(Send(self.events.output(call_id, '{"error":"interrupted"}')))
        self.reply.calls.clear()
        unborn = self.stage is TurnStage.RECOGNISING and not self.request.waits
        if not self.reply.over or unborn:
            self.dying.cancel(self.reply.id, now, born=not unborn)
            self.reply.over = True
            effects.append(Send(self.events.cancel()))
        self.request = Request()
        return [*effects, *self.spend()]

    def shut(self, now: float, why: str = "") -> Effects:
        """Close what is open; a turn that is lost by it has gone up."""
        lost = self.spend() if self.stage in TURN_STAGES else []
        return [*super().shut(now, why), *lost]

    def end_turn(self, now: float) -> Effects:
        """The response is over: go on when it was heard, or when its calls are answered."""
        if self.reply.calls:
            return self.enter(TurnStage.CALLING, now)
        if self.reply.called:  # a quick program has answered before the response was over
            return self.ask(self.events.respond(), now)
        if self.reply.playing:
            return self.enter(TurnStage.PLAYING, now)
        return self.listen(now)

    def spend(self, usage: Mapping[str, int] | None = None) -> Effects:
        """Count what went up and came down since it was counted last, and what it cost."""
        sent, self.sent = self.sent, Sent()
        heard_bytes, self.reply.heard_bytes = self.reply.heard_bytes, 0
        spent = Spent(
            **(usage or {}),
            input_audio_s=sent.speech_s,
            output_audio_s=heard_bytes / REPLY_BYTES_PER_S,
            images=len(sent.images),
            estimated_input_tokens=sent.estimate(self.model),
        )
        return [spent] if spent != Spent() else []

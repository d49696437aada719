"""What follows an error and an end: every row of qwen-realtime section 13."""

import pytest

from mmid.errors import CloudRefused, ConnectionLost
from mmid.events import AsrComplete, AsrEnd, Error, SpeechPrepare
from mmid.session.dialects.qwen_realtime.failures import Following, after_error
from mmid.session.dialects.qwen_realtime.realtime import QwenRealtime
from mmid.session.effects import Close, Effects, Emit, Next, Play, Send
from tests.session.dialects.qwen_realtime.pair import realtime

OURS = "invalid_request_error"


def opened(mode: str = "push2talk") -> QwenRealtime:
    """Return a dialect whose session is as we want it, at the time 1."""
    dialect = realtime(mode)
    dialect.begin(0.0)
    dialect.receive_text('{"type": "session.created", "session": {"id": "s"}}', 1.0)
    dialect.receive_text('{"type": "session.updated", "session": {"id": "s"}}', 1.0)
    return dialect


def error(message: str, kind: str = OURS) -> str:
    return f'{{"type": "error", "error": {{"type": "{kind}", "message": "{message}"}}}}'


def told(effects: Effects) -> list[str]:
    return [
        effect.event.code
        for effect in effects
        if isinstance(effect, Emit) and isinstance(effect.event, Error)
    ]


def ending(effects: Effects) -> Close | None:
    return next((effect for effect in effects if isinstance(effect, Close)), None)


@pytest.mark.parametrize(
    ("kind", "message", "following"),
    [
        (OURS, "Conversation has none active response", Following.NOTHING),
        (OURS, "Conversation already has an active response", Following.WAIT),
        (
            OURS,
            "Error committing input audio buffer: buffer too small, or have no audio.",
            Following.EMPTY,
        ),
        (OURS, "Invalid event type: session.finish", Following.NOTHING),
        (OURS, "something else", Following.TELL),
        ("server_error", "Internal service error: null", Following.SUSPECT),
        ("", "Response timeout.", Following.SUSPECT),
    ],
)
def test_an_error_means_what_its_text_says(kind: str, message: str, following: Following) -> None:
    assert after_error(kind, message) is following


def test_an_error_that_leaves_the_connection_open_leaves_it_open() -> None:
    dialect = opened()
    for message in ("Conversation has none active response", "something else"):
        assert ending(dialect.receive_text(error(message), 2.0)) is None
    dialect.start_speech(3.0)


def test_an_error_before_the_session_is_ours_is_a_fault_of_the_settings() -> None:
    dialect = realtime("push2talk")
    dialect.begin(0.0)
    effects = dialect.receive_text(error("unknown voice"), 1.0)
    close = ending(effects)
    assert close is not None
    assert isinstance(close.error, CloudRefused)
    assert close.next is Next.HOURS
    assert told(effects) == [OURS]


@pytest.mark.parametrize("kind", ["server_error", ""])
def test_an_error_of_the_services_own_before_the_session_is_ours_is_soon_tried_again(
    kind: str,
) -> None:
    dialect = realtime("push2talk")
    dialect.begin(0.0)
    close = ending(dialect.receive_text(error("Internal service error: null", kind), 1.0))
    assert close is not None
    assert close.next is Next.RETRY


def test_a_request_that_came_too_early_is_made_again_when_the_other_response_has_ended() -> None:
    dialect = opened()
    dialect.ask("what", 2.0)
    dialect.receive_text(error("Conversation already has an active response"), 2.1)
    effects = dialect.receive_text('{"type": "response.done", "response": {"id": "old"}}', 2.5)
    assert Send('{"type":"response.create"}') in effects or Send(
        '{"type":"response.create"}'
    ) in dialect.tick(8.0)


@pytest.mark.parametrize("refused_at", [4.1, 4.6])
def test_a_request_that_was_made_twice_is_over_when_its_response_begins(refused_at: float) -> None:
    dialect = opened()
    dialect.ask("what", 1.0)
    assert Send('{"type":"response.create"}') in dialect.tick(4.0), "nothing came of it for 3 s"
    said = {4.5: '{"type": "response.created", "response": {"id": "r"}}'}
    said[refused_at] = error("Conversation already has an active response")
    for now, text in sorted(said.items()):
        dialect.receive_text(text, now)
    sound = '{"type": "response.audio.delta", "response_id": "r", "delta": "AQACAA=="}'
    assert Play(b"\1\0\2\0") in dialect.receive_text(sound, 5.0)
    dialect.receive_text('{"type": "response.done", "response": {"id": "r"}}', 6.0)
    assert [effect for effect in dialect.tick(20.0) if isinstance(effect, Send)] == []


def test_a_speech_of_which_nothing_arrived_ends_as_an_empty_turn() -> None:
    dialect = opened()
    dialect.start_speech(2.0)
    dialect.record(bytes(6400), 2.1)
    dialect.stop_speech(2.2)
    effects = dialect.receive_text(error("Error committing input audio buffer: no audio."), 2.3)
    events = [effect.event for effect in effects if isinstance(effect, Emit)]
    assert AsrComplete("") in events
    assert events[-2:] == [AsrEnd(), SpeechPrepare()]
    assert told(effects) == []


def test_an_error_of_the_services_own_ends_the_turn_and_soon_the_session() -> None:
    dialect = opened()
    dialect.ask("what", 2.0)
    effects = dialect.receive_text(error("Internal service error: null", "server_error"), 2.1)
    assert told(effects) == ["server_error"]
    assert ending(effects) is None
    assert dialect.deadline <= 12.1
    close = ending(dialect.tick(12.1))
    assert close is not None
    assert isinstance(close.error, ConnectionLost)
    assert close.next is Next.RETRY


def test_any_word_of_the_service_clears_the_suspicion() -> None:
    dialect = opened()
    dialect.receive_text(error("Response timeout.", ""), 2.0)
    dialect.receive_text('{"type": "response.dreamed"}', 3.0)
    assert ending(dialect.tick(12.5)) is None


@pytest.mark.parametrize(
    ("code", "reason", "following", "codes"),
    [
        (1007, "no response was generated for 300 seconds", Next.RETRY, []),
        (1007, "Access denied, your account is not in good standing", Next.HOURS, ["cloud"]),
        (1007, "The free tier of the model has been exhausted", Next.HOURS, ["cloud"]),
        (1007, "voice is not supported", Next.HOURS, ["cloud"]),
        (1011, "the session has reached its maximum duration", Next.RETRY, []),
        (1006, "", Next.RETRY, []),
        (None, "", Next.RETRY, []),
    ],
)
def test_an_end_means_what_its_reason_says(
    code: int | None, reason: str, following: Next, codes: list[str]
) -> None:
    effects = opened().closed(code, reason, 5.0)
    close = ending(effects)
    assert close is not None
    assert close.next is following
    assert told(effects) == codes


def test_a_response_that_was_cancelled_does_not_begin_again() -> None:
    dialect = opened()
    dialect.ask("what", 2.0)
    created = '{"type": "response.created", "response": {"id": "old"}}'
    dialect.receive_text(created, 2.1)
    dialect.interrupt(2.2)
    dialect.receive_text('{"type": "response.done", "response": {"id": "old"}}', 2.3)
    sound = '{"type": "response.audio.delta", "response_id": "old", "delta": "AAAA"}'
    assert dialect.receive_text(created, 2.4) == []
    assert dialect.receive_text(sound, 2.5) == []


def test_a_loss_in_a_turn_is_told_with_what_is_lost() -> None:
    dialect = opened()
    dialect.ask("what", 2.0)
    effects = dialect.closed(1006, "", 3.0)
    assert told(effects) == ["connection-lost"]
    assert dialect.closed(1006, "", 4.0) == []


def test_a_hundred_odd_messages_do_no_harm_and_one_more_ends_it() -> None:
    dialect = opened()
    for number in range(100):
        effects = (
            dialect.receive_text("nonsense", 2.0)
            if number % 2
            else dialect.receive_binary(b"\0\0", 2.0)
        )
        assert told(effects) == ["malformed-message"]
        assert ending(effects) is None
    assert ending(dialect.receive_text("nonsense", 2.0)) is not None

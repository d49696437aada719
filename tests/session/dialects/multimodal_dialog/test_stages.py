"""No stage holds the dialog for ever: each one has a deadline, and an exit that is taken."""

from math import inf

import pytest

from mmid.session.dialects.multimodal_dialog.stages import STAGES, TURN_STAGES, Exit, Stage
from tests.session.dialects.multimodal_dialog.trace import (
    CONNECT_TIMEOUT_S,
    CONNECTED,
    REPLYING,
    TALKED,
    THINKING,
    Rehearsal,
    follow,
)

# A way into each stage.
ROUTES = {
    Stage.STARTING: "open | > Start",
    Stage.LISTENING: CONNECTED,
    Stage.TALKING: f"{CONNECTED} press | flush player; > SendSpeech; SpeechStart",
    Stage.RECOGNISING: TALKED,
    Stage.THINKING: THINKING,
    Stage.RESPONDING: REPLYING,
    Stage.PLAYING: f"{REPLYING} < RespondingEnded | TtsEnd; finish player",
    Stage.RESUMING: f"""{REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingEnded
    """,
    Stage.IDLE: f"{CONNECTED} < state Idle | note; show idle",
    Stage.ASKING: f"{REPLYING} press | flush player; TtsEnd; > RequestToSpeak",
    Stage.CLOSED: f"{CONNECTED} drop | stop recorder; flush player; show offline",
}

GAVE_UP = "stop recorder; flush player; show offline; close retry: connection-lost"
# What happens when nothing happens; where somebody waits for an answer, it is an Error.
EXITS = {
    Stage.STARTING: GAVE_UP,
    Stage.TALKING: "stop recorder; > StopSpeech; Error not-talking",
    Stage.RECOGNISING: "Error cloud; flush player; AsrEnd; > RequestToSpeak",
    Stage.THINKING: "Error cloud; flush player; > RequestToSpeak",
    Stage.RESPONDING: "Error cloud; flush player; TtsEnd; > RequestToSpeak",
    Stage.PLAYING: "Error cloud; flush player; > RequestToSpeak",
    Stage.RESUMING: "note; flush player; > RequestToSpeak",
    Stage.IDLE: "note; flush player; > RequestToSpeak",
    Stage.ASKING: GAVE_UP.replace("show", "Error connection-lost; show"),
}
RESTFUL = {Stage.LISTENING, Stage.CLOSED}


def reach(stage: Stage) -> Rehearsal:
    """Return a rehearsal whose dialect is in the stage."""
    rehearsal = follow(ROUTES[stage])
    assert rehearsal.dialect.stage is stage
    return rehearsal


def deadline_s(stage: Stage) -> float:
    """Return how long a stage may last."""
    return CONNECT_TIMEOUT_S if stage is Stage.STARTING else STAGES[stage].deadline_s


def idle_away(rehearsal: Rehearsal, seconds: float) -> str:
    """Let time go by while the cloud answers heartbeats and nothing else."""
    came = []
    while seconds > 0:
        step = min(seconds, 30.0)
        came.append(rehearsal.act(f"{step} s later"))
        rehearsal.act("< HeartBeat")
        seconds -= step
    return "; ".join(filter(None, came))


def test_every_stage_is_in_the_table_and_in_this_test() -> None:
    assert set(STAGES) == set(ROUTES) == set(Stage)
    assert set(EXITS) == set(Stage) - RESTFUL


@pytest.mark.parametrize("stage", EXITS)
def test_every_stage_that_waits_has_a_deadline_an_exit_and_a_name_for_what_is_missing(
    stage: Stage,
) -> None:
    facts = STAGES[stage]
    assert 0 < deadline_s(stage) <= 120
    assert facts.exit is not Exit.NONE
    assert facts.waits_for


@pytest.mark.parametrize("stage", sorted(RESTFUL))
def test_a_stage_without_a_deadline_rests(stage: Stage) -> None:
    rehearsal = reach(stage)
    assert rehearsal.dialect.stage_deadline == inf
    assert idle_away(rehearsal, 3600) == ""
    assert rehearsal.dialect.stage is stage


@pytest.mark.parametrize("stage", EXITS)
def test_a_stage_is_left_at_its_deadline_and_not_before(stage: Stage) -> None:
    rehearsal = reach(stage)
    assert idle_away(rehearsal, deadline_s(stage) - 0.1) == ""
    assert rehearsal.dialect.stage is stage
    assert rehearsal.act("0.2 s later") == EXITS[stage]
    assert rehearsal.dialect.stage is not stage


@pytest.mark.parametrize("stage", sorted(TURN_STAGES | {Stage.TALKING}))
def test_whoever_waits_for_an_answer_is_told_by_an_error(stage: Stage) -> None:
    assert "Error" in EXITS[stage]


@pytest.mark.parametrize("stage", EXITS)
def test_a_cloud_that_only_answers_heartbeats_is_given_up(stage: Stage) -> None:
    rehearsal = reach(stage)
    came = idle_away(rehearsal, 300)
    assert came.endswith("close retry: connection-lost")
    assert rehearsal.dialect.stage is Stage.CLOSED
    assert rehearsal.dialect.deadline == inf


@pytest.mark.parametrize("stage", EXITS)
def test_a_cloud_that_listens_again_has_a_usable_dialog_again(stage: Stage) -> None:
    rehearsal = reach(stage)
    idle_away(rehearsal, deadline_s(stage))
    if rehearsal.dialect.stage is not Stage.CLOSED:
        rehearsal.act("< RequestAccepted")
        rehearsal.act("< state Listening")
        assert rehearsal.dialect.stage is Stage.LISTENING
        assert "> SendSpeech" in rehearsal.act("press")


def test_the_first_listening_must_come_by_the_time_the_connection_was_given() -> None:
    rehearsal = follow("open | > Start")
    assert rehearsal.dialect.deadline == CONNECT_TIMEOUT_S


@pytest.mark.parametrize("progress", ["<< one", "< RespondingContent partial it"])
def test_a_reply_that_goes_on_is_not_cut(progress: str) -> None:
    rehearsal = reach(Stage.RESPONDING)
    for _ in range(10):
        idle_away(rehearsal, 50)
        rehearsal.act(progress)
    assert rehearsal.dialect.stage is Stage.RESPONDING
    assert idle_away(rehearsal, 60) == EXITS[Stage.RESPONDING]


def test_a_tick_that_comes_late_does_all_that_is_due_at_once() -> None:
    rehearsal = reach(Stage.THINKING)
    rehearsal.now = 49.0
    assert rehearsal.act("0 s later") == "> HeartBeat"
    rehearsal.act("< HeartBeat")
    rehearsal.now = 100.0
    assert rehearsal.act("0 s later") == f"> HeartBeat; {EXITS[Stage.THINKING]}"


def test_a_tick_that_comes_early_does_nothing() -> None:
    for stage in Stage:
        rehearsal = reach(stage)
        assert rehearsal.dialect.tick(rehearsal.now) == []

"""No stage holds the dialog for ever: each one has a deadline, and an exit that is taken."""

from math import inf

import pytest

from mmid.hal_linux.audio.ring import ByteRing
from mmid.session.dialects.multimodal_dialog.stages import STAGES, TURN_STAGES, Stage
from mmid.session.dialects.stages import Exit
from tests.session.dialects.multimodal_dialog.stage_routes import MODES, ROUTES, reach
from tests.session.dialects.multimodal_dialog.trace import CONNECT_TIMEOUT_S, Rehearsal, follow

GAVE_UP = "stop recorder; flush player; show offline; close retry: connection-lost"
# What happens when nothing happens; where somebody waits for an answer, it is an Error.
EXITS = {
    Stage.STARTING: GAVE_UP,
    Stage.LISTENING: GAVE_UP,
    Stage.TALKING: "stop recorder; > StopSpeech; Error not-talking",
    Stage.TRAILING: "note",
    Stage.RECOGNISING: "Error cloud; flush player; AsrEnd; > RequestToSpeak",
    Stage.THINKING: "Error cloud; flush player; > RequestToSpeak",
    Stage.RESPONDING: "Error cloud; flush player; TtsEnd; > RequestToSpeak",
    Stage.PLAYING: "Error cloud; flush player; > RequestToSpeak",
    Stage.RESUMING: "note; flush player; > RequestToSpeak",
    Stage.IDLE: "note; flush player; > RequestToSpeak",
    Stage.ASKING: f"Error cloud; {GAVE_UP}",
}
# The same in the other modes, but for these.
EXCEPTIONS = {
    ("tap2talk", Stage.TALKING): "stop recorder; silence 64000; Error not-talking",
    ("duplex", Stage.RECOGNISING): "Error cloud; flush player; > RequestToSpeak",
    ("duplex", Stage.ASKING): GAVE_UP,  # it was an interruption: nothing is lost
}
WAITING = [(mode, stage) for mode in MODES for stage in ROUTES[mode] if stage is not Stage.CLOSED]


def deadline_s(stage: Stage) -> float:
    """Return how long a stage may last."""
    return CONNECT_TIMEOUT_S if stage is Stage.STARTING else STAGES[stage].deadline_s


def idle_away(rehearsal: Rehearsal, seconds: float, *, answered: bool = True) -> str:
    """Let time go by; tell what came of it but heartbeats, their echoes and silence sent."""
    came = []
    while seconds > 0:
        step = min(seconds, 4.0)
        done = rehearsal.act(f"{step} s later")
        came += [one for one in done.split("; ") if one not in {"", "> HeartBeat", "silence 3200"}]
        if answered and "HeartBeat" in done:
            rehearsal.act("< HeartBeat")
        seconds -= step
    return "; ".join(came)


def test_every_stage_is_in_the_table_and_in_this_test() -> None:
    assert set(STAGES) == set(Stage)
    assert {stage for routes in ROUTES.values() for stage in routes} == set(Stage)
    assert set(EXITS) == set(Stage) - {Stage.CLOSED}


@pytest.mark.parametrize("stage", EXITS)
def test_every_stage_has_a_deadline_an_exit_and_a_name_for_what_is_missing(stage: Stage) -> None:
    facts = STAGES[stage]
    assert 0 < facts.deadline_s <= (1200 if stage is Stage.PLAYING else 120)
    assert facts.exit is not Exit.NONE
    assert facts.waits_for


def test_what_a_player_keeps_of_a_reply_can_be_heard_whole() -> None:
    assert STAGES[Stage.PLAYING].deadline_s > ByteRing.READ_AHEAD_BYTES * 8 / 32_000


def test_only_the_end_has_no_exit() -> None:
    rehearsal = reach(Stage.CLOSED)
    assert rehearsal.dialect.machine.stage_deadline == rehearsal.dialect.deadline == inf
    assert idle_away(rehearsal, 3600) == ""


@pytest.mark.parametrize("mode", MODES)
def test_a_living_cloud_is_listened_to_for_ever(mode: str) -> None:
    rehearsal = reach(Stage.LISTENING, mode)
    assert idle_away(rehearsal, 3600) == ""
    assert rehearsal.dialect.machine.stage is Stage.LISTENING


def test_a_dead_cloud_is_noticed_within_70_s_while_nobody_talks() -> None:
    rehearsal = reach(Stage.LISTENING)
    assert idle_away(rehearsal, 57.9, answered=False) == ""
    assert idle_away(rehearsal, 0.2, answered=False) == GAVE_UP


@pytest.mark.parametrize(
    ("mode", "stage"), [one for one in WAITING if STAGES[one[1]].state != "connecting"]
)
def test_a_dead_cloud_is_noticed_in_time(mode: str, stage: Stage) -> None:
    rehearsal = reach(stage, mode)
    within = 20 if STAGES[stage].attended else 70
    came = idle_away(rehearsal, within, answered=False)
    assert GAVE_UP.rpartition(";")[2].strip() in came


@pytest.mark.parametrize(("mode", "stage"), WAITING)
def test_a_stage_is_left_at_its_deadline_and_not_before(mode: str, stage: Stage) -> None:
    rehearsal = reach(stage, mode)
    answered = stage is not Stage.LISTENING  # an answer is what it waits for
    assert idle_away(rehearsal, deadline_s(stage) - 0.1, answered=answered) == ""
    assert rehearsal.dialect.machine.stage is stage
    wanted = EXCEPTIONS.get((mode, stage), EXITS[stage])
    assert idle_away(rehearsal, 0.2) == wanted
    assert rehearsal.dialect.machine.stage is not stage


@pytest.mark.parametrize("stage", sorted(TURN_STAGES | {Stage.TALKING}))
def test_whoever_waits_for_an_answer_is_told_by_an_error(stage: Stage) -> None:
    assert "Error" in EXITS[stage]


@pytest.mark.parametrize(("mode", "stage"), WAITING)
def test_a_cloud_that_only_answers_heartbeats_ends_listening_or_given_up(
    mode: str, stage: Stage
) -> None:
    rehearsal = reach(stage, mode)
    came = idle_away(rehearsal, deadline_s(stage) + 180)
    if stage in {Stage.LISTENING, Stage.TRAILING} or (mode, stage) == ("tap2talk", Stage.TALKING):
        assert rehearsal.dialect.machine.stage is Stage.LISTENING
    else:
        assert came.endswith("close retry: connection-lost")
        assert rehearsal.dialect.machine.stage is Stage.CLOSED


@pytest.mark.parametrize(("mode", "stage"), WAITING)
def test_a_cloud_that_listens_again_has_a_usable_dialog_again(mode: str, stage: Stage) -> None:
    rehearsal = reach(stage, mode)
    idle_away(rehearsal, deadline_s(stage))
    if rehearsal.dialect.machine.stage is not Stage.CLOSED:
        rehearsal.act("< RequestAccepted")
        rehearsal.act("< state Listening")
        assert rehearsal.dialect.machine.stage is Stage.LISTENING
        assert "> RequestToRespond" in rehearsal.act("ask what")


def test_the_first_listening_must_come_by_the_time_the_connection_was_given() -> None:
    rehearsal = follow("open | > Start")
    assert rehearsal.dialect.deadline == CONNECT_TIMEOUT_S


def test_a_speech_may_last_as_long_as_the_setting_says() -> None:
    rehearsal = reach(Stage.TALKING, max_speech_s=30.0)
    assert idle_away(rehearsal, 29.9) == ""
    assert idle_away(rehearsal, 0.2) == EXITS[Stage.TALKING]


@pytest.mark.parametrize("progress", ["<< one", "< RespondingContent partial it"])
def test_a_reply_that_goes_on_is_not_cut(progress: str) -> None:
    rehearsal = reach(Stage.RESPONDING)
    for _ in range(10):
        idle_away(rehearsal, 50)
        rehearsal.act(progress)
    assert rehearsal.dialect.machine.stage is Stage.RESPONDING
    assert idle_away(rehearsal, 60) == EXITS[Stage.RESPONDING]


def test_a_tick_that_comes_late_does_all_that_is_due_at_once() -> None:
    rehearsal = reach(Stage.PLAYING)
    rehearsal.now = 49.0
    assert rehearsal.act("0 s later") == "> HeartBeat"
    rehearsal.act("< HeartBeat")
    rehearsal.now = deadline_s(Stage.PLAYING) + 1
    assert rehearsal.act("0 s later") == f"> HeartBeat; {EXITS[Stage.PLAYING]}"


@pytest.mark.parametrize("mode", MODES)
def test_a_tick_that_comes_early_does_nothing(mode: str) -> None:
    for stage in ROUTES[mode]:
        rehearsal = reach(stage, mode)
        assert rehearsal.dialect.tick(rehearsal.now) == []


LOSSES = {
    Stage.TALKING: "what was said is lost",
    Stage.RECOGNISING: "the answer is lost",
    Stage.THINKING: "the answer is lost",
    Stage.RESPONDING: "the rest of the reply is lost",
    Stage.PLAYING: "the rest of the reply is lost",
    Stage.ASKING: "what was said is lost",
}


@pytest.mark.parametrize("stage", Stage)
def test_a_loss_says_in_words_what_is_lost(stage: Stage) -> None:
    mode = "tap2talk" if stage is Stage.TRAILING else "push2talk"
    assert reach(stage, mode).dialect.machine.loss == LOSSES.get(stage, "")

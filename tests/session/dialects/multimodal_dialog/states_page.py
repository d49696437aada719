"""Writes docs/dialog-states.md from the dialect itself: every input in every stage, tried out.

    python -m tests.session.dialects.multimodal_dialog.states_page

The notation is ``trace``'s, so that the page and the tests read alike.
"""

from collections.abc import Iterator
from pathlib import Path

from mmid.session.dialects.heartbeat import SILENCE_S, TURN_SILENCE_S
from mmid.session.dialects.multimodal_dialog.stages import STAGES, Stage
from tests.session.dialects.multimodal_dialog.stage_routes import MODES, ROUTES, reach
from tests.session.dialects.multimodal_dialog.trace import render

PAGE = Path(__file__).parents[4] / "docs" / "dialog-states.md"

# What is tried -> what the page calls it.
INPUTS = {
    "press": "press",
    "mic one": "microphone records",
    "release": "release",
    "cancel": "cancel",
    "interrupt": "Interrupt",
    "ask what": "Ask",
    "say hello": "Say",
    "tell": "UpdateInfo",
    "mic fails": "microphone fails",
    "speaker starts": "loudspeaker starts",
    "speaker drained": "loudspeaker drained",
    "speaker fails": "loudspeaker fails",
    "< Started d-1": "← Started",
    "< state Listening": "← state Listening",
    "< state Thinking": "← state Thinking",
    "< state Responding": "← state Responding",
    "< state Idle": "← another state",
    "< RequestAccepted": "← RequestAccepted",
    "< SpeechStarted": "← SpeechStarted",
    "< SpeechContent partial hi": "← SpeechContent, partial",
    "< SpeechContent final hi": "← SpeechContent, final",
    "< SpeechEnded": "← SpeechEnded",
    "< RespondingStarted": "← RespondingStarted",
    "< RespondingContent partial so": "← RespondingContent, partial",
    "< RespondingContent final so": "← RespondingContent, final",
    "< RespondingEnded": "← RespondingEnded",
    "<< reply": "← audio",
    "< HeartBeat": "← HeartBeat",
    "< Error 500 LLMTimeoutError": "← turn error",
    "< fatal 433 BillingAuthError": "← fatal error",
    "< Stopped": "← Stopped",
    "< VideoStarted": "← unknown event",
    "< raw nonsense": "← malformed message",
    "leave": "Disconnect",
    "drop": "connection breaks",
}

HEAD = """# The states of a dialog

Made from the code by `python -m tests.session.dialects.multimodal_dialog.states_page`;
a test fails when this page and the code differ. Do not edit it.

A stage is what mmid does about what the cloud is doing. The public `State` is
coarser. In the tables an input of a person, of the board or of the cloud (`←`)
stands before what mmid does in answer, and the stage it goes to:

- `> NAME`: the directive is sent; `audio`, `backlog`, `silence N`: speech, speech
  that was recorded before the cloud listened, N bytes of silence are sent.
- `SpeechStart` and other names in capitals: the signal. `show`: the property `State`.
- `note`: a line in the journal. `save`: the dialog id is remembered.
- `refused NAME`: the caller gets this D-Bus error, and nothing changes.
- `close retry` (`later`, `hours`, `stop`): the connection is closed, and what follows.

What is not in a stage's table does nothing there.
"""

STAGES_HEAD = """
## How long each stage may last

No stage can hold the dialog for ever. A living cloud is asked for a sign of life
by a heartbeat after so much silence, and given up 10 s later.

| stage | State | longest stay | then | waits for | silence |
|---|---|---|---|---|---|
"""

# The deadlines that a setting moves.
SETTINGS = {
    Stage.STARTING: "`cloud.connect_timeout_s`",
    Stage.TALKING: "`dialog.max_speech_s`",
    Stage.LISTENING: "{:g} s without a text",
}


def page() -> str:
    """Return the whole page."""
    stages = "\n".join(_facts(stage) for stage in STAGES if stage is not Stage.CLOSED)
    modes = "".join(f"\n## {mode}\n{''.join(_tables(mode))}" for mode in MODES)
    return f"{HEAD}{STAGES_HEAD}{stages}\n{modes}"


def _facts(stage: Stage) -> str:
    facts = STAGES[stage]
    stay = SETTINGS.get(stage, "{:g} s").format(facts.deadline_s)
    state = facts.state or "as before"
    silence_s = TURN_SILENCE_S if facts.attended else SILENCE_S
    cells = (stage, state, stay, facts.exit, facts.waits_for, f"{silence_s:g} s")
    return f"| {' | '.join(cells)} |"


def _tables(mode: str) -> Iterator[str]:
    stages = {
        stage: list(_rows(mode, stage)) for stage in ROUTES[mode] if stage is not Stage.CLOSED
    }
    first, *others = stages.values()
    everywhere = [row for row in first if all(row in rows for rows in others)]
    yield _table("in every stage", everywhere)
    for stage, rows in stages.items():
        yield _table(stage, [row for row in rows if row not in everywhere])


def _table(title: str, rows: list[str]) -> str:
    return (
        f"\n### {title}\n\n| input | effects | goes to |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _rows(mode: str, stage: Stage) -> Iterator[str]:
    """Try every input in the stage; those that do nothing have no row."""
    for given, shown in INPUTS.items():
        rehearsal = reach(stage, mode)
        effects = rehearsal.act(given)
        after = rehearsal.dialect.machine.stage
        if effects or after is not stage:
            yield f"| {shown} | {effects} | {after if after is not stage else ''} |"
    rehearsal = reach(stage, mode)
    rehearsal.now = rehearsal.dialect.machine.stage_deadline
    rehearsal.dialect.machine.heartbeat.text_received(rehearsal.now)
    rehearsal.dialect.machine.upload.sent(rehearsal.now)
    effects = render(rehearsal.dialect.tick(rehearsal.now))
    yield f"| deadline | {effects} | {rehearsal.dialect.machine.stage} |"


if __name__ == "__main__":
    PAGE.write_text(page())

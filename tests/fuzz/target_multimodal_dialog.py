"""Whole dialogs with a cloud whose frames were bent: one connection, from start to end."""

import json
from random import Random
from typing import Any

from mmid.settings import Dialog
from tests.session.dialects.multimodal_dialog.stage_routes import MODES
from tests.session.dialects.multimodal_dialog.test_mutated_frames import (
    BEGINNING,
    DIALOG,
    check,
    frame,
)
from tests.session.dialects.multimodal_dialog.trace import Refused, Rehearsal, dialect


def invent(dice: Random) -> bytes:
    """Make a dialog: lines of ``trace``, and frames as they come."""
    lines = [*DIALOG[:BEGINNING], *dice.choices(DIALOG[BEGINNING:], k=dice.randrange(60))]
    if dice.random() < 0.5:
        lines = [*DIALOG[:BEGINNING], *(x for x in DIALOG[BEGINNING:] if dice.random() < 0.9)]
    steps: list[Any] = []
    for number, line in enumerate(lines):
        is_frame = number >= BEGINNING and (line == "command" or line.startswith("< "))
        steps.append({"frame": frame(line, dice)} if is_frame else line)
    return json.dumps(
        {"mode": dice.choice(MODES), "whole": dice.random() < 0.5, "steps": steps}
    ).encode()


async def take(data: bytes) -> None:
    """Live through it: all that is to be done afterwards can be done."""
    given = json.loads(data)
    settings = Dialog(work_mode=given["mode"], incremental_response=not given["whole"])
    rehearsal = Rehearsal(dialect(settings))
    for step in given["steps"]:
        if isinstance(step, str):
            effects = rehearsal.do("speaker starts" if step == "command" else step)
        else:
            effects = rehearsal.dialect.receive_text(step["frame"], rehearsal.now)
        for effect in effects:
            if not isinstance(effect, Refused):
                check(effect)
    rehearsal.do("leave")
    assert rehearsal.dialect.deadline == float("inf"), "it is over"

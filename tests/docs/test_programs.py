"""docs/programs.md is true: its lines are run one after the other, on a board on a desk."""

from pathlib import Path

from tests.docs.blocks import ANYWHERE, blocks
from tests.docs.desk import APP_ID, APP_SECRET, Desk
from tests.rig.processes import REPOSITORY

PAGE = REPOSITORY / "docs" / "programs.md"

SETTINGS = f"""\
[license]
app_id = "{APP_ID}"
app_secret = "{APP_SECRET}"
device_name = "desk-1"
[audio]
capture_device = "plughw:CARD=board"
playback_device = "plughw:CARD=board"
"""


async def test_every_line_succeeds_in_the_pages_order(tmp_path: Path) -> None:
    done = {}
    async with Desk(tmp_path, SETTINGS) as desk:
        await desk.start_mmid()
        for block in blocks(PAGE, ANYWHERE):
            for command in block.commands:
                result = await desk.run(command)
                assert result.status == 0, result
                done[command] = result.output
    assert len(done) == 12
    assert "is listening" in done["mmictl status"]
    assert "method" in done["busctl --system introspect org.mmid1 /org/mmid1 org.mmid1.Dialog"]
    assert "It is noon." in done['mmictl ask "What time is it?"']
    assert done["mmictl tool call thermometer"] == "21.5\n"
    assert (
        "exit status 64" in done['mmictl tool call fan || echo "there is no fan: exit status $?"']
    )

"""What the cloud wants done reaches the bus, and turns the board's volume."""

import json

from tests.end_to_end.conftest import MakeBoard, one_turn

SCENARIO = """\
thinking_ms = 50
pace = 0
[[turn]]
reply = "seventy, and a lamp, and nonsense"
reply_wav = "{short}"
commands = [
  { name = "VOLUME_SET", params = [{ name = "series", value = "70", normValue = "70" }] },
  { name = "lamp_on", params = [{ name = "where", value = "here", normValue = "kitchen" }] },
  { name = "set_volume", params = [{ name = "to", value = "loud", normValue = "loud" }] },
]
[[turn]]
reply = "a bit less"
reply_wav = "{short}"
commands = [{ name = "decrease_volume_default" }]
[[turn]]
reply = "hush"
reply_wav = "{short}"
commands = [{ name = "mute" }]
"""

AUDIO = "org.mmid1.Audio"


async def test_the_clouds_commands_reach_the_bus_and_turn_the_volume(
    make_board: MakeBoard,
) -> None:
    board = await make_board(scenario=SCENARIO)
    listener = await board.start()
    await one_turn(listener)
    await listener.wait_for(".Volume", 70)
    commands = [one.values for one in listener.heard if one.name == "Command"]
    assert [name for name, _ in commands] == ["VOLUME_SET", "lamp_on", "set_volume"]
    assert json.loads(commands[1][1]) == [
        {"name": "where", "value": "here", "normValue": "kitchen"}
    ]
    assert "set_volume: to is no number" in board.log()
    await one_turn(listener)
    await listener.wait_for(".Volume", 60)
    await one_turn(listener)
    await listener.wait_for(".Muted", True)
    assert await listener.client.get(AUDIO, "Volume") == 60


async def test_what_alsa_agreed_to_is_on_the_bus_once_it_was_opened(make_board: MakeBoard) -> None:
    board = await make_board()
    listener = await board.start()
    assert await listener.client.get(AUDIO, "CaptureFormat") == ""
    await one_turn(listener)
    formats = [await listener.client.get(AUDIO, f"{one}Format") for one in ("Capture", "Playback")]
    assert [text.partition(", ")[0] for text in formats] == [
        "16000 Hz mono S16_LE",
        "24000 Hz mono S16_LE",
    ]


async def test_a_device_that_does_not_work_says_so_on_the_bus(make_board: MakeBoard) -> None:
    board = await make_board(settings={"audio": {"playback_device": "hw:7"}})
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "can you hear me?")
    await listener.wait_for("Error", "audio-device")
    text = await listener.client.get(AUDIO, "PlaybackFormat")
    assert text.startswith("not working: the sound device 'hw:7' does not exist")

"""Reading a scenario file."""

import wave
from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.clouds import all_clouds
from mmid.simcloud.core.scenario import Fault, Scenario, load_scenario, own_table
from mmid.simcloud.multimodal_dialog.vocabulary import DialogRules, ReplyExtras

VOCABULARIES = {cloud.name: cloud.vocabulary for cloud in all_clouds()}


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    return load_scenario(path, VOCABULARIES)


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Scenario()


def test_every_key_is_read(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "hello.wav"), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
    scenario = load(
        tmp_path,
        """
        thinking_ms = 5
        stray_audio = true
        pace = 2
        [[turn]]
        transcript = "hello"
        reply = "hi"
        reply_wav = "hello.wav"
        commands = [{ name = "VOLUME_SET", params = [] }]
        [turn.multimodal-dialog]
        extra_in = "every"
        [[turn]]
        [[fault]]
        when = "Listening"
        do = "close:1011:later: perhaps"
        nth = 2
        [[fault]]
        when = "token"
        do = "refuse:200014"
        [multimodal-dialog]
        idle_s = 3.5
        audio_s = 3
        """,
    )
    assert (scenario.thinking_ms, scenario.stray_audio, scenario.pace) == (5, True, 2.0)
    assert scenario.turns[0].commands == ({"name": "VOLUME_SET", "params": []},)
    assert scenario.turns[0].reply_wav == str(tmp_path / "hello.wav")
    assert len(scenario.turns) == 2
    assert scenario.faults == (
        Fault("Listening", "close:1011:later: perhaps", 2),
        Fault("token", "refuse:200014"),
    )
    assert own_table(scenario, DialogRules) == DialogRules(idle_s=3.5, audio_s=3.0)
    assert own_table(scenario.turns[0], ReplyExtras) == ReplyExtras(extra_in="every")
    assert own_table(scenario.turns[1], ReplyExtras) == ReplyExtras()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "unknown key 'x'"),
        ("turns = []", "unknown key 'turns'"),
        ("thinking_ms = 1.5", "thinking_ms = 1.5 must be int"),
        ("thinking_ms = true", "must be int"),
        ("pace = -1", "must not be negative"),
        ("turn = 7", "turn must be a list"),
        ("turn = [7]", "[[turn]] must be a table"),
        ("[[turn]]\nspeach = 'x'", "[[turn]]: unknown key 'speach'"),
        ("[[turn]]\nreply = 7", "reply = 7 must be str"),
        ("[[turn]]\nreply_wav = 'none.wav'", "no such file"),
        ("[[turn]]\ncommands = [7]", "commands must be tables with a name"),
        ("[[fault]]\nwhen = 'Start'", "do missing"),
        ("fault = [7]", "do and when missing"),
        ("[[fault]]\nwhen = 'Lunch'\ndo = 'drop'", "when = 'Lunch'"),
        ("[[turn]]\nmultimodal-dialog.commands_form = 'xml'", "must be 'string' or 'array'"),
        ("[[turn]]\ntool_calls = [{}]", "tool_calls must be tables with a name"),
        ("[[turn]]\nmultimodal-dialog.extra_info = 7", "extra_info = 7 must be a table"),
        ("[[turn]]\nreply_s = 601", "reply_s must be 0 to 600"),
        ("multimodal-dialog.after_cancel = 'Thinking'", "must be 'Listening' or 'Idle'"),
        ("multimodal-dialog.interrupts = -1", "must not be negative"),
        ("[[fault]]\nwhen = 'Start'\ndo = 'drop'\narguments = []", "unknown key 'arguments'"),
        ("multimodal-dialog.lunch = 1", "[multimodal-dialog]: unknown key 'lunch'"),
        ("multimodal-dialog = 7", "[multimodal-dialog] must be a table"),
        ("license = 7", "unknown key 'license'"),
        ("[[turn]]\nmultimodal-dialog = 7", "[[turn]] [multimodal-dialog] must be a table"),
        ("[[fault]]\nwhen = 'token'\ndo = 'mute'", "do = 'mute': at token allowed"),
        ("x = ", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "scenario.toml"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"none\.toml"):
        load_scenario(tmp_path / "none.toml", VOCABULARIES)

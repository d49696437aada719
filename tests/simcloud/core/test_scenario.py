"""Reading a scenario file."""

import wave
from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.scenario import Fault, Scenario, load_scenario


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    return load_scenario(path)


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
        idle_s = 3.5
        [[turn]]
        transcript = "hello"
        reply = "hi"
        reply_wav = "hello.wav"
        commands = [{ name = "VOLUME_SET", params = [] }]
        [[turn]]
        [[fault]]
        when = "Listening"
        do = "close:1011:later: perhaps"
        nth = 2
        [license]
        drop_after = 1
        token_codes = ["200014"]
        """,
    )
    assert (scenario.thinking_ms, scenario.stray_audio, scenario.pace) == (5, True, 2.0)
    assert scenario.turns[0].commands == ({"name": "VOLUME_SET", "params": []},)
    assert scenario.turns[0].reply_wav == str(tmp_path / "hello.wav")
    assert len(scenario.turns) == 2
    assert scenario.faults == (Fault("Listening", "close", ("1011", "later: perhaps"), 2),)
    assert (scenario.license.drop_after, scenario.license.token_codes) == (1, ["200014"])


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
        ("[[turn]]\ncommands_form = 'xml'", "must be 'string' or 'array'"),
        ("[[turn]]\ntool_calls = [{}]", "tool_calls must be tables with a name"),
        ("[[turn]]\nextra_info = 7", "extra_info must be a table"),
        ("[[turn]]\nreply_s = 601", "reply_s must be 0 to 600"),
        ("after_cancel = 'Thinking'", "must be 'Listening' or 'Idle'"),
        ("interrupts = -1", "must not be negative"),
        ("[[fault]]\nwhen = 'Start'\ndo = 'drop'\narguments = []", "unknown key 'arguments'"),
        ("[license]\nlunch = 1", "[license]: unknown key 'lunch'"),
        ("[license]\ntoken_codes = [1]", "must be list[str]"),
        ("license = 7", "[license] must be a table"),
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
        load_scenario(tmp_path / "none.toml")

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.cli.doctor import exposure
from mmid.cli.doctor.exposure import check_files, exposures
from mmid.cli.doctor.finding import Verdict
from mmid.hal_linux.storage import open_store
from mmid.settings import Settings

SECRET = "0123456789abcdef" * 2


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A board where nothing is open: settings, a credential, a key, an authority, a record."""
    monkeypatch.setattr(exposure, "_CREDSTORE", tmp_path / "credstore")
    (tmp_path / "credstore").mkdir()
    plain = Settings()
    board = replace(
        plain,
        cloud=replace(plain.cloud, ca_file=f"{tmp_path}/ca.pem"),
        license=replace(plain.license, client_key=f"{tmp_path}/client.key"),
        storage=replace(plain.storage, target=f"file:{tmp_path}/device.bin"),
    )
    for name, mode in (
        ("mmid.toml", 0o640),
        ("credstore/mmid.api_key", 0o600),
        ("client.key", 0o600),
        ("ca.pem", 0o644),
    ):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    open_store(board.storage.target).save(b"payload")
    return board


def told(tmp_path: Path, settings: Settings) -> list[str]:
    return [one.text for one in exposures(tmp_path / "mmid.toml", settings)]


def test_a_board_where_nothing_is_open_is_fine(settings: Settings, tmp_path: Path) -> None:
    (finding,) = check_files(tmp_path / "mmid.toml", settings)
    assert finding.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("mmid.toml", 0o666, "is not root's alone to write"),
        ("mmid.toml", 0o660, "is not root's alone to write"),
        ("credstore/mmid.api_key", 0o644, "holds secrets"),
        ("client.key", 0o640, "holds secrets"),
        ("ca.pem", 0o664, "others may write it"),
        ("device.bin", 0o644, "holds secrets"),
        ("device.bin.copy", 0o620, "holds secrets"),
    ],
)
def test_each_file_that_is_open_is_named_with_its_mode_and_a_remedy(
    settings: Settings, tmp_path: Path, name: str, mode: int, words: str
) -> None:
    path = tmp_path / name
    path.chmod(mode)
    (finding,) = check_files(tmp_path / "mmid.toml", settings)
    assert finding.verdict is Verdict.WARNING
    assert finding.text.startswith(f"{path} ")
    assert words in finding.text
    assert f"{mode:04o} " in finding.text
    assert "chmod " in finding.remedy
    assert finding.remedy.endswith(f" {path}")


def test_a_secret_in_settings_that_the_programs_of_the_board_may_read_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    config = tmp_path / "mmid.toml"
    config.write_text(f'[license]\napp_secret = "{SECRET}"\napp_id = "mm_1"\n')
    (text,) = told(tmp_path, settings)
    assert f"{config} holds license.app_secret, and the group " in text
    assert SECRET not in text
    config.chmod(0o644)
    assert "everybody may read it" in told(tmp_path, settings)[0]
    config.chmod(0o600)
    assert told(tmp_path, settings) == []


def test_drop_ins_are_looked_at_too(settings: Settings, tmp_path: Path) -> None:
    directory = tmp_path / "mmid.toml.d"
    directory.mkdir()
    (directory / "site.toml").touch()
    (directory / "site.toml").chmod(0o646)
    (text,) = told(tmp_path, settings)
    assert text.startswith(f"{directory}/site.toml ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_settings_of_the_daemons_user_are_told_because_roots_tools_act_on_them(
    settings: Settings, tmp_path: Path
) -> None:
    os.chown(tmp_path / "mmid.toml", 4711, 4712)
    (text,) = told(tmp_path, settings)
    assert "is not root's alone to write (0640 4711:4712)" in text


def test_what_is_not_there_is_not_open(settings: Settings, tmp_path: Path) -> None:
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "mmid.toml":
            path.unlink()
    assert told(tmp_path, settings) == []
    assert told(tmp_path / "elsewhere", settings) == []

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mmid.errors import SettingsInvalid
from mmid.settings import load, proven, sources
from mmid.settings.proven import load_proven
from mmid.settings.sources import Layer, read_layers
from tests.rig.script import run_script

SECRET = "0123456789abcdef" * 2
TOML = f"""
[license]
app_id = "mm_0123456789abcdef"
app_secret = "{SECRET}"
device_name = "lamp-1"
[dialog]
volume = 40
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mmid.toml"
    path.write_text(TOML)
    return path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service's state directory."""
    for name in [name for name in os.environ if name.startswith("MMID_")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "state"
    directory.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", f"{directory}:/var/lib/another")
    return directory


@pytest.fixture
def services_state() -> Iterator[Path]:
    """A directory of another user, as the service's is, which pytest's own keep him from."""
    with TemporaryDirectory() as name:
        user = pwd.getpwnam("daemon")
        os.chown(name, user.pw_uid, user.pw_gid)
        yield Path(name)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows whenever pydantic is asked."""
    times: list[Any] = []
    judge = load.judge

    def counted(layers: list[Layer]) -> Any:
        times.append(layers)
        return judge(layers)

    monkeypatch.setattr(load, "judge", counted)
    return times


def test_what_was_good_is_not_judged_again_and_is_the_same(
    config: Path, state: Path, judged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMID_CLOUD__CONNECT_TIMEOUT_S", "7.5")
    (config.parent / "mmid.toml.d").mkdir()
    (config.parent / "mmid.toml.d" / "10-quiet.toml").write_text("[dialog]\nvolume = 30\n")
    first = load_proven(config)
    assert first == load.judge(read_layers(config))
    assert [load_proven(config) for _ in range(3)] == [first] * 3
    assert first["dialog"]["volume"] == 30
    assert first["cloud"]["connect_timeout_s"] == 7.5
    assert len(judged) == 2, "by the first start, and by the test itself"
    assert [path.name for path in state.iterdir()] == ["settings.proven"]


@pytest.mark.usefixtures("state")
def test_every_kind_of_change_is_judged(
    config: Path, judged: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_proven(config)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "api_key").write_text("key-0123456789")
    drop_ins = tmp_path / "mmid.toml.d"
    drop_ins.mkdir()
    changes: tuple[Callable[[], object], ...] = (
        lambda: config.write_text(f"{TOML}speech_rate = 60\n"),
        lambda: monkeypatch.setenv("MMID_DIALOG__VOLUME", "41"),
        lambda: monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials)),
        lambda: (drop_ins / "a.toml").write_text("[dialog]\nvolume = 42\n"),
        lambda: monkeypatch.setattr(proven, "__version__", "9.9"),
    )
    for number, change in enumerate(changes, start=2):
        change()
        load_proven(config)
        assert len(judged) == number
        load_proven(config)
        assert len(judged) == number


@pytest.mark.usefixtures("state")
def test_a_change_for_the_worse_is_refused_as_ever(config: Path) -> None:
    load_proven(config)
    config.write_text("[audio]\nperiod_ms = 5\n")
    for _ in range(2):
        with pytest.raises(SettingsInvalid, match="a whole number from 10 to 100"):
            load_proven(config)


def test_without_a_state_directory_every_start_is_judged(
    config: Path, judged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    load_proven(config)
    load_proven(config)
    assert len(judged) == 2


def test_to_check_is_to_judge_whatever_was_found_before(
    config: Path, state: Path, judged: list[Any]
) -> None:
    load_proven(config)
    assert load_proven(config, anew=True) == load_proven(config)
    assert len(judged) == 2
    assert [path.name for path in state.iterdir()] == ["settings.proven"]


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has tools for the service")


@as_root
def test_what_root_has_checked_need_not_be_judged_by_the_service(
    config: Path, judged: list[Any], monkeypatch: pytest.MonkeyPatch, services_state: Path
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(sources, "SERVICE_STATE", services_state)
    monkeypatch.setattr(sources, "DEFAULT_FILE", config)
    monkeypatch.setattr(proven, "_become_owner", lambda _: None)
    load_proven(None, anew=True)
    load_proven(None)
    assert len(judged) == 1, "another tool of root finds the proof"
    load_proven(config)
    assert len(judged) == 2, "a file that root names is not the service's"
    monkeypatch.setenv("STATE_DIRECTORY", str(services_state))
    load_proven(None)
    assert len(judged) == 2


@as_root
def test_the_proof_is_written_by_the_owner_of_its_directory(services_state: Path) -> None:
    run_script(
        "from pathlib import Path; from mmid.settings import proven, sources\n"
        f"sources.SERVICE_STATE = Path({str(services_state)!r})\n"
        "sources.DEFAULT_FILE = Path('/no/such/mmid.toml')\n"
        "proven.load_proven(None, anew=True)",
        STATE_DIRECTORY="",
    )
    kept = services_state / "settings.proven"
    assert kept.owner() == services_state.owner() == "daemon"


@pytest.mark.usefixtures("judged")
def test_a_pipe_in_place_of_the_proof_holds_nobody_up(config: Path, state: Path) -> None:
    os.mkfifo(state / "settings.proven")
    load_proven(config)
    assert (state / "settings.proven").is_file()


@pytest.mark.parametrize("kept", [b"", b"nonsense", bytes(48)])
def test_a_digest_that_is_damaged_only_costs_time(
    config: Path, state: Path, judged: list[Any], kept: bytes
) -> None:
    (state / "settings.proven").write_bytes(kept)
    load_proven(config)
    load_proven(config)
    assert len(judged) == 1


def test_a_state_directory_that_cannot_be_written_is_no_error(
    config: Path, state: Path, judged: list[Any]
) -> None:
    (state / "settings.proven.new").mkdir()
    load_proven(config)
    load_proven(config)
    assert len(judged) == 2


def test_what_is_kept_tells_no_secret_and_is_written_once(config: Path, state: Path) -> None:
    load_proven(config)
    stamp = state / "settings.proven"
    before = stamp.read_bytes(), stamp.stat().st_mtime_ns
    load_proven(config)
    assert (stamp.read_bytes(), stamp.stat().st_mtime_ns) == before
    assert stamp.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in before[0]
    assert len(before[0]) == 48


def test_where_pydantic_would_change_a_value_nothing_is_kept(
    config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "judge", lambda _: {"dialog": {"volume": 50.0}})
    load_proven(config)
    assert list(state.iterdir()) == []


def test_a_library_that_stumbles_over_the_settings_is_not_quoted(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(_: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(load, "judge", stumble)
    assert proven.main(config) == 1
    told = capsys.readouterr().err
    assert told.startswith("settings: ValueError at ")
    assert SECRET not in told


def printed(script: str, **environment: Path) -> str:
    """Run a script in a process of its own, which has imported nothing yet."""
    return run_script(script, **environment).stdout.strip()


def test_a_start_with_settings_as_before_does_without_pydantic(config: Path, state: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from mmid.settings import proven\n"
        f"proven.load_proven(Path({str(config)!r})); print('pydantic' in sys.modules)"
    )
    lines = [printed(script, STATE_DIRECTORY=state) for _ in range(2)]
    assert lines == ["True", "False"]


def test_no_plugin_of_pydantics_has_a_part_in_the_judgement(config: Path, tmp_path: Path) -> None:
    about = tmp_path / "meddler-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: meddler\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pydantic]\nmeddler = meddler:plugin\n")
    (tmp_path / "meddler.py").write_text("plugin = None\n")
    script = (
        "import sys; from pathlib import Path; from mmid.settings import proven\n"
        f"proven.load_proven(Path({str(config)!r}))\n"
        "print('pydantic' in sys.modules, 'meddler' in sys.modules)"
    )
    assert printed(script, PYTHONPATH=tmp_path) == "True False"


def test_pydantic_does_not_judge_what_it_made_itself(config: Path) -> None:
    """Its checker of schemas takes 4 MiB; releases after Debian 13's leave it out themselves."""
    script = (
        "import pydantic_core; from pathlib import Path; from mmid.settings import proven\n"
        "pydantic_core.validate_core_schema = lambda schema, **_: print('judged') or schema\n"
        f"print(len(proven.load_proven(Path({str(config)!r}))) > 5)"
    )
    assert printed(script) == "True"


def test_what_the_judgement_does_not_use_is_not_loaded(config: Path) -> None:
    config.write_text('[cloud]\nws_url = "wss://cloud.example/ws"\n')
    script = (
        "import sys; from pathlib import Path; from mmid.settings import proven\n"
        f"proven.load_proven(Path({str(config)!r}))\n"
        "idle = {'asyncio.events', 'dotenv.main', 'email.message', 'shutil', 'unicodedata'}\n"
        "print(*sorted(idle & sys.modules.keys()), 'pydantic_settings' in sys.modules)"
    )
    assert printed(script) == "True"

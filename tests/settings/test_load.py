import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.child import from_plain
from mmid.errors import SettingsInvalid
from mmid.settings import Settings, sources
from mmid.settings.load import judge
from mmid.settings.option import is_url
from mmid.settings.sources import Tables, read_layers

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef0123456789abcdef"

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def no_other_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No source but those of the test, and children that find this checkout."""
    for name in os.environ:
        if name.startswith("MMID_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sources, "DEFAULT_FILE", tmp_path / "default.toml")
    monkeypatch.setattr(sources, "CREDENTIAL_FILES", ())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str, name: str = "mmid.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write_file


def load(path: Path | None) -> Tables:
    return judge(read_layers(path))


def complaint(path: Path | None) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


# --- sources and their order ----------------------------------------------------------------


def test_without_any_source_all_is_default() -> None:
    assert from_plain(Settings, load(None)) == Settings()


def test_a_config_file_that_is_named_must_exist(tmp_path: Path) -> None:
    assert complaint(tmp_path / "no.toml") == f"{tmp_path}/no.toml: there is no such file"


def test_every_source_overrides_the_ones_below_it(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write('[dialog]\nvolume = 1\nspeech_rate = 91\n[license]\napi_key = "file"\n')
    write("[dialog]\nvolume = 2\npitch_rate = 92\n", "mmid.toml.d/10-a.toml")
    write("[dialog]\nvolume = 3\n", "mmid.toml.d/20-b.toml")
    write("not TOML at all", "mmid.toml.d/20-b.toml.dpkg-old")
    dialog = load(path)["dialog"]
    assert (dialog["volume"], dialog["speech_rate"], dialog["pitch_rate"]) == (3, 91, 92)

    write("from-credential\n", "credentials/api_key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert load(path)["license"]["api_key"] == "from-credential"

    monkeypatch.setenv("MMID_LICENSE__API_KEY", "from-environment")
    monkeypatch.setenv("MMID_DIALOG__VOLUME", "4")
    tables = load(path)
    assert tables["license"]["api_key"] == "from-environment"
    assert tables["dialog"]["volume"] == 4


def test_the_storage_key_is_a_credential_too(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(f"{'5a' * 32}\n", "credentials/storage_key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert from_plain(Settings, load(None)).storage.key.reveal() == "5a" * 32
    write("too short\n", "credentials/storage_key")
    assert complaint(None) == (
        "credential storage_key: storage.key = ***: must be 64 hexadecimal digits, or empty"
    )


KEY_IN_A_COMMENT = f"# the key of the lamps\nsk-{SECRET}\n"


@pytest.mark.parametrize(
    "name", ["app_secret", "api_key", "storage_key", "license_headers", "baidu_license_key"]
)
@pytest.mark.parametrize(
    "text",
    [
        KEY_IN_A_COMMENT,
        f"sk-{SECRET}\n\n",
        f" sk-{SECRET}",
        f"sk-{SECRET} \n",
        f'"sk-{SECRET}"\n',
        f"'{SECRET}'",
        f"{SECRET}\u00a0",
        f"\ufeff\ufeff{SECRET}",
        f"{SECRET}\x00",
        f"Bearer\t{SECRET}",
    ],
)
def test_a_credential_that_is_more_than_its_secret_is_refused_and_no_part_of_it_is_shown(
    name: str, text: str, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(text, f"credentials/{name}")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    line = complaint(None)
    table, key = sources.CREDENTIALS[name]
    assert line.startswith(f"credential {name}: {table}.{key} = ***: must be ")
    assert not any(part in line for part in (SECRET[:8], "lamps", "sk-"))


@pytest.mark.parametrize("text", ["{}", "{}\n", "{}\r\n", "\ufeff{}\r\n"])
def test_a_byte_order_mark_and_the_end_of_the_line_are_no_part_of_a_credential(
    text: str, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {
        "app_secret": SECRET,
        "api_key": f"sk-{SECRET}",
        "storage_key": SECRET * 2,
        "license_headers": "X-Relay-Key: swordfish",
        "baidu_license_key": f"lic-{SECRET}",
    }
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    for name, secret in secrets.items():
        write("", f"credentials/{name}").write_bytes(text.format(secret).encode())
        table, key = sources.CREDENTIALS[name]
        assert load(None)[table][key] == secret


def test_a_byte_order_mark_before_the_settings_is_read_over(write: Write) -> None:
    path = write("\ufeff[dialog]\nvolume = 7\n")
    assert load(path)["dialog"]["volume"] == 7
    path.write_bytes(b"\xef\xbb\xbf[cloud]\n\xff")
    assert complaint(path) == f"{path}: not UTF-8 text at line 2"


def test_a_tool_by_hand_has_the_credentials_of_the_service(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    places = (f"{tmp_path}/given/{{}}", f"{tmp_path}/credstore/mmid.{{}}")
    monkeypatch.setattr(sources, "CREDENTIAL_FILES", places)
    write("to-be-given\n", "credstore/mmid.api_key")
    assert load(None)["license"]["api_key"] == "to-be-given"
    write("given\n", "given/api_key")
    assert load(None)["license"]["api_key"] == "given"
    # The service itself has what systemd gave it, and nothing else.
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load(None)["license"]["api_key"] == ""


def test_credentials_that_a_user_may_not_read_are_not_there(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("secret\n", "api_key")
    monkeypatch.setattr(sources, "CREDENTIAL_FILES", (str(path.with_name("{}")),))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read whatever its mode
    assert load(None)["license"]["api_key"] == ""


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("CLOCK__REQUIRE_SYNC", "false", False),
        ("CLOUD__CONNECT_TIMEOUT_S", "2.5", 2.5),
        ("DIALOG__US_SAMPLE_RATE", "8000", 8000),
        ("DIALOG__WORK_MODE", "tap2talk", "tap2talk"),
        ("LICENSE__APP_SECRET", "1" * 32, "1" * 32),
    ],
)
def test_a_variable_has_the_type_of_its_key(
    variable: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MMID_{variable}", text)
    table, key = variable.lower().split("__")
    assert load(None)[table][key] == value


def test_variables_of_no_table_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMID_DEMO", "1")
    monkeypatch.setenv("MMID_DEMO__KEEP", "1")
    assert from_plain(Settings, load(None)) == Settings()


# --- what is wrong, in one line -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[audio]\nperiod_ms = 5", "audio.period_ms = 5: must be a whole number from 10 to 100"),
        ('[audio]\nperiod_ms = "20"', 'audio.period_ms = "20": must be a whole number'),
        ("[cloud]\nconnect_timeout_s = nan", "must be a number from 1 to 120"),
        ('[cloud]\nws_url = "ws://h/p"', 'cloud.ws_url = "ws://h/p": must be a wss:// URL'),
        ("[clock]\nrequire_sync = 1", "clock.require_sync = 1: must be true or false"),
        ('[dialog]\ntext_mode = "all"', 'must be one of "both", "asr", "llm", "none"'),
        ("[dialog]\nus_sample_rate = 44100", "must be one of 0, 8000, 16000, 24000, 48000"),
        (f'[dialog]\nvoice = "{"x" * 65}"', "...: must be text of at most 64 characters"),
        ("[dialog]\nvoice = {a = 1}", "dialog.voice = a table: must be text"),
        ("[audio]\nperod_ms = 5", "audio.perod_ms: unknown key; did you mean period_ms?"),
        ("[clock]\nzone = 1", "clock.zone: unknown key; there are: require_sync"),
        ("[adio]\nperiod_ms = 5", "[adio]: unknown table; did you mean audio?"),
        ("audio = 5", "[audio]: must be a table"),
        ("[audio]\nperiod_ms = ", "not TOML: Invalid value (at line 2"),
        ("x = [\n1,", "(at line 2, the end of the file)"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "1" * 5000, "a number too long"),
        ('[cloud]\nca_file = "/no/ca.pem"', '"/no/ca.pem": cannot be read: No such file'),
        ('[license]\nmode = "semi-managed"', "needs license.register_url and license.token_url"),
        ('[license]\nmode = "pay-as-you-go"', "cloud.workspace_id is empty (and 1 more problem)"),
        ('[dialog]\ncoordinates = "30.2"', 'dialog.coordinates = "30.2": must be such as "30.2741'),
        (
            '[dialog]\nbiz_params_file = "/no.json"',
            "dialog.biz_params_file: /no.json: cannot be read: No such file",
        ),
        (
            '[dialog]\nreplace_words_file = "/dev/null"',
            "dialog.replace_words_file: /dev/null: cannot be read: it is a pipe, a device or",
        ),
        ("[audio]\na = 1\nb = 2\nperiod_ms = 1", "(and 2 more problems)"),
        ('[license]\ncodec = "vendor:x.so"', 'license.codec = "vendor:x.so": must be built-in or'),
        ('[license]\ncodec = "vendor:/no.so"', 'license.codec = "/no.so": cannot be read: No such'),
        ('[license]\nclient_cert = "/no.pem"', 'license.client_cert = "/no.pem": cannot be read'),
        ('[audio]\necho_reference = "channel"', "must be playback, or channel:N"),
        ('[audio]\necho_canceller = "webrtc"', "audio.echo_canceller"),
        ("[audio]\necho_tail_ms = 20", "audio.echo_tail_ms = 20: must be"),
        (
            '[audio]\necho_canceller = "speex"\necho_reference = "channel:0"',
            "audio.echo_reference: is the microphone's own channel",
        ),
        ('[license]\nclient_key = "/no.pem"', "license.client_key: needs license.client_cert"),
        ('[license]\nheaders = "no colon"', "license.headers = ***: must be lines 'Name: value'"),
        ("[license.headers]\nX-Seven = 7", "license.headers = ***: must be lines 'Name: value'"),
        ('[license.headers]\nX-Two = "a\\nb"', "license.headers = ***: must be lines"),
        ('[license.headers]\nHost = "h"', "license.headers: Host is set by mmid itself"),
    ],
)
def test_a_problem_is_one_line_with_place_value_and_what_is_allowed(
    text: str, said: str, write: Write
) -> None:
    path = write(text)
    line = complaint(path)
    assert line.startswith(f"{path}: ")
    assert said in line


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('register_url = "https://h/r"', "register_url"),
        ('token_url = "https://h/t"', "token_url"),
        ('headers = "X-A: b"', "headers"),
        ("sign_tasks = true", "sign_tasks"),
    ],
)
def test_pay_as_you_go_has_no_license_service_to_be_told_of(
    line: str, key: str, write: Write
) -> None:
    path = write(
        '[cloud]\nworkspace_id = "llm-1"\n'
        f'[license]\nmode = "pay-as-you-go"\napi_key = "sk-1234567"\n{line}\n'
    )
    assert complaint(path) == (
        f'{path}: license.{key}: license.mode = "pay-as-you-go" has no license service; '
        "remove the key, or set another mode"
    )


def test_headers_are_a_table_or_lines_and_secret(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write('[license.headers]\nX-Relay-Key = "swordfish"\nX-Group = "scullery-9"\n')
    headers = from_plain(Settings, load(path)).license.headers
    assert headers.reveal().splitlines() == ["X-Relay-Key: swordfish", "X-Group: scullery-9"]
    assert "swordfish" not in repr(from_plain(Settings, load(path)))

    write("X-Relay-Key: octopus\n", "credentials/license_headers")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert from_plain(Settings, load(path)).license.headers.reveal() == "X-Relay-Key: octopus"


@pytest.mark.parametrize(
    "url",
    [
        "wss://h:9x/p",
        "wss://[::1/p",
        "wss://h/p#part",
        "wss:///p",
        "wss://h:443443/",
        "wss://h:65536",
        "wss://relay..example",
        "wss://.example/p",
        "wss://[1:2]/",
        "wss://h\u2100.example",
        "wss://h\u3002\u3002x",
        "h",
    ],
)
def test_what_is_no_url_is_refused(url: str, write: Write) -> None:
    path = write(f'[cloud]\nws_url = "{url}"\n')
    assert complaint(path).startswith(f'{path}: cloud.ws_url = "{url}": must be a wss:// URL')


@pytest.mark.parametrize(
    "url",
    [
        "wss://h",
        "wss://[::1]:9/p?a=b",
        "wss://a-b.c:443/p/q?x",
        "wss://h:65535/",
        "wss://\u00f6.example",
    ],
)
def test_what_is_a_url_is_taken(url: str, write: Write) -> None:
    assert load(write(f'[cloud]\nws_url = "{url}"\n'))["cloud"]["ws_url"] == url


def test_a_label_of_a_host_has_at_most_63_characters() -> None:
    label = "a" * 63
    assert is_url(f"wss://h.{label}.{label}./")
    assert not is_url(f"wss://{label}a.example")
    assert not is_url(f"wss://example.{label}a")


def test_the_password_and_the_query_of_a_url_are_not_shown(write: Write) -> None:
    path = write(f'[cloud]\nws_url = "ws://lamp:{SECRET}@h/p?key={SECRET}"\n')
    assert complaint(path).startswith(f'{path}: cloud.ws_url = "ws://***@h/p?***": must be')


@pytest.mark.parametrize(
    ("key", "value"),
    [("cloud.ca_file", "{}"), ("license.client_cert", "{}"), ("license.codec", "vendor:{}")],
)
def test_a_pipe_where_a_file_is_named_is_refused_and_not_waited_for(
    key: str, value: str, write: Write, tmp_path: Path
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    path = write(f'{key} = "{value.format(pipe)}"\n')
    assert (
        complaint(path)
        == f'{path}: {key} = "{pipe}": cannot be read: it is a pipe, a device or a socket'
    )


def test_the_variable_is_named_when_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMID_AUDIO__PERIOD_MS", "soon")
    assert complaint(None).startswith('MMID_AUDIO__PERIOD_MS: audio.period_ms = "soon": must')
    monkeypatch.setenv("MMID_AUDIO__PERIOD_MS", "20")
    monkeypatch.setenv("MMID_CLOUD__TYPO", "1")
    assert complaint(None).startswith("MMID_CLOUD__TYPO: cloud.typo: unknown key")


def test_the_drop_in_is_named_when_it_is_wrong(write: Write) -> None:
    path = write("[audio]\nperiod_ms = 20")
    drop_in = write("[audio]\nperiod_ms = 1", "mmid.toml.d/a.toml")
    assert complaint(path).startswith(f"{drop_in}: audio.period_ms = 1:")


def test_a_value_in_a_table_s_place_is_told_though_a_drop_in_has_the_table(write: Write) -> None:
    path = write("dialog = 3")
    write("[dialog]\nvolume = 40", "mmid.toml.d/a.toml")
    assert complaint(path) == f"{path}: [dialog]: must be a table"


def test_a_dangling_drop_in_is_not_passed_over(write: Write, tmp_path: Path) -> None:
    path = write("")
    (tmp_path / "mmid.toml.d").mkdir()
    (tmp_path / "mmid.toml.d/a.toml").symlink_to("nowhere")
    assert complaint(path).endswith("a.toml: there is no such file")


def test_the_credential_is_named_and_its_value_masked(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("hunter2-hunter2", "credentials/app_secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    line = complaint(None)
    assert line == "credential app_secret: license.app_secret = ***: must be 32 hexadecimal digits"


def test_what_is_not_text_or_not_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mmid.toml"
    path.write_bytes(b'[cloud]\nmodel = "\xff"')
    assert complaint(path) == f"{path}: not UTF-8 text at line 2"
    assert complaint(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
    assert complaint(Path("/dev/zero")) == "/dev/zero: longer than 1048576 bytes: not settings"


@pytest.mark.parametrize("key", ["ak", "sk", "access_key", "secret_key", "secret_access_key"])
def test_keys_that_do_not_belong_on_a_board_are_refused_with_a_sentence(
    key: str, write: Write
) -> None:
    line = complaint(write(f'[baidu]\n{key} = "{SECRET}"\n'))
    assert f"baidu.{key}: AK and SK open the whole account" in line
    assert SECRET not in line

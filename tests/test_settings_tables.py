import math
import re
from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from mmid.child import from_plain
from mmid.secrets import Secret
from mmid.settings import RAW_OPUS_BITS_PER_S, Dialog, Settings

CONTRACT = {
    "cloud": "protocol ws_url license_url ca_file connect_timeout_s workspace_id model",
    "license": "mode app_id app_secret api_key device_name register_url token_url user_id",
    "storage": "target",
    "clock": "require_sync",
    "audio": "capture_device playback_device mixer_device mixer_control period_ms",
    "dialog": "work_mode text_mode voice upstream_mode downstream_mode us_sample_rate "
    "ds_sample_rate recorder_rb_size player_rb_size volume speech_rate pitch_rate "
    "transmit_rate_limit frame_size bit_rate vocabulary_id",
    "dbus": "bus",
    "log": "level wire",
}


def options() -> Iterator[tuple[str, Field[Any], Any]]:
    """Each option: its full name, the field, and its type."""
    for table, kind in get_type_hints(Settings).items():
        for option in fields(kind):
            yield f"{table}.{option.name}", option, get_type_hints(kind)[option.name]


def test_the_tables_hold_every_key_of_the_contract() -> None:
    hints = get_type_hints(Settings)
    assert set(CONTRACT) <= set(hints)
    for table, keys in CONTRACT.items():
        assert set(keys.split()) <= {option.name for option in fields(hints[table])}


def test_an_option_has_help_and_a_bound() -> None:
    for name, option, hint in options():
        assert re.fullmatch(r"\S.*\.", option.metadata["help"]), name
        limits = option.metadata["limits"]
        if hint in (int, float):
            assert set(limits) == {"ge", "le"}, name
        elif hint in (str, Secret) and option.name != "ca_file":
            assert len({"pattern", "max_length"} & set(limits)) == 1, name
        assert bool(option.metadata["form"]) == ("pattern" in limits), name


def test_a_default_is_allowed_itself() -> None:
    for name, option, hint in options():
        default: Any = option.default
        limits = option.metadata["limits"]
        if get_origin(hint) is Literal:
            assert default in get_args(hint), name
        else:
            assert isinstance(default, hint), name
        if hint in (int, float):
            assert limits["ge"] <= default <= limits["le"], name
            assert math.isfinite(limits["le"]), name
        if "pattern" in limits:
            text = default.reveal() if isinstance(default, Secret) else default
            assert re.search(limits["pattern"], text), name


def test_plain_tables_become_settings_with_their_secrets_wrapped() -> None:
    settings = from_plain(
        Settings, {"license": {"api_key": "not-for-eyes"}, "dialog": {"volume": 7}}
    )
    assert settings.license.api_key == Secret("not-for-eyes")
    assert settings.dialog.volume == 7
    assert "not-for-eyes" not in repr(settings)


def test_plain_tables_with_a_strange_key_are_refused() -> None:
    with pytest.raises(TypeError, match="strange"):
        from_plain(Settings, {"dialog": {"strange": 7}})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().dialog.volume = 7  # type: ignore[misc]


def test_five_seconds_of_speech_are_as_many_bytes_as_the_codec_makes_of_them() -> None:
    assert Dialog(us_sample_rate=8000).speech_bytes_per_s == 16_000
    opus = Dialog(us_sample_rate=48000, upstream_mode="raw-opus")
    assert opus.speech_bytes_per_s == RAW_OPUS_BITS_PER_S / 8 == 4000

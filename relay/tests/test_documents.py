"""docs/relay.md names every setting, every refusal and every metric, as they are."""

import re
from pathlib import Path

from prometheus_client import REGISTRY

import mmid_relay.metrics
from mmid_relay.__main__ import main
from mmid_relay.problems import Kind
from mmid_relay.settings import Settings, load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "relay.md").read_text()
TABLES = {
    # Of what may be missing, such as ``Alibaba | None``, the first.
    name: next(iter(getattr(field.annotation, "__args__", [field.annotation])))
    for name, field in Settings.model_fields.items()
}
# Table cells that name a setting, such as `server.listen`.
KEYS = re.findall(rf"`((?:{'|'.join(TABLES)})\.\w+)`", PAGE.partition("## Who asks")[0])


def rows(section: str) -> list[str]:
    return [line for line in PAGE.partition(section)[2].splitlines() if line.startswith("| `")]


def test_every_setting_is_told_with_its_default() -> None:
    told = set(KEYS)
    there = {f"{name}.{key}" for name, table in TABLES.items() for key in table.model_fields}
    assert told == there
    for name, table in TABLES.items():
        for key, field in table.model_fields.items():
            if isinstance(field.default, str | int | float) and field.default:
                (row,) = [one for one in rows("## Settings") if one.startswith(f"| `{name}.{key}`")]
                assert str(field.default).removesuffix(".0") in row, row


def test_the_example_of_the_settings_can_be_loaded(tmp_path: Path) -> None:
    example = PAGE.partition("```toml relay\n")[2].partition("```")[0]
    for name in re.findall(r"mmid-relay\.service/(\w+)", example):
        secret = f"2026 {'0a' * 32}" if name == "fleet_keys" else f"secret-{name}"
        (tmp_path / name).write_text(secret)
    config = tmp_path / "relay.toml"
    config.write_text(example.replace("/run/credentials/mmid-relay.service", str(tmp_path)))
    settings = load(config)
    assert settings.devices.signing_key == "2026"
    assert settings.alibaba
    assert settings.alibaba.token_key.get_secret_value() == "secret-token_key"
    assert settings.dashscope
    assert settings.baidu


def test_the_lines_server_needs_the_keys_of_tokens_only(tmp_path: Path) -> None:
    example = PAGE.partition("its `line.toml` is")[2].partition("```toml relay\n")[2]
    keys = tmp_path / "fleet_keys"
    keys.write_text(f"2026 {'0a' * 32}\n")
    config = tmp_path / "line.toml"
    config.write_text(example.partition("```")[0].replace("/etc/mmid-relay/fleet_keys", str(keys)))
    assert main(["device-token", "--config", str(config), "SN-000123"]) == 0


def test_every_refusal_is_told_with_its_status() -> None:
    table = "\n".join(rows("## What a board hears"))
    for kind in Kind:
        assert re.search(rf"`{kind.slug}`[^|]*\| {int(kind.status)} \|", table), kind.slug


def test_every_metric_that_is_told_is_one() -> None:
    there = {metric.name for metric in REGISTRY.collect()}
    assert mmid_relay.metrics.REQUESTS
    for name in re.findall(r"mmid_relay_\w+", PAGE):
        assert re.sub(r"_(total|bucket)$", "", name) in there, name

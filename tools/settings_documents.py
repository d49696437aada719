"""Writes what ``mmid.settings`` says in other places: run ``python -m tools.settings_documents``.

* ``packaging/mmid.toml``, which is installed as /etc/mmid/mmid.toml: every key with
  its help, commented out at its default;
* ``docs/man/mmid.toml.keys.rst``, the part of mmid.toml(5) that lists the keys.

A test fails while one of them is not what this would write.
"""

import inspect
import json
import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from mmid.secrets import Secret
from mmid.settings.load import allowed
from mmid.settings.option import TakesEffect
from mmid.settings.sources import CREDENTIALS, TABLES

_ROOT = Path(__file__).parents[1]
_WIDTH = 88

# When a changed key counts; mmid(8) says under SIGHUP what a reload is.
_WHEN = {
    TakesEffect.NOW: "Reload: at once.",
    TakesEffect.CONNECTION: "Reload: with another connection.",
    TakesEffect.START: "Needs a restart.",
}

_CONFFILE_HEAD = """\
# Settings of mmid, the voice gateway. mmid.toml(5) explains; `mmid check` says what
# would be used, or what is wrong, in one line.
#
# A key stands here at its default; take away the # to change it. Files in
# /etc/mmid/mmid.toml.d/ whose names end in .toml are read after this one and win over
# it: an image should rather bring such a file than change this one.
#
# Every program of the group mmid may read this file: keep secrets as systemd credentials,
# in /etc/credstore (mode 0600 of root):
"""


def conffile() -> str:
    """Return the text of /etc/mmid/mmid.toml."""
    lines = [
        f"#   {f'/etc/credstore/mmid.{credential}':<32}  {table}.{key}"
        for credential, (table, key) in CREDENTIALS.items()
    ]
    for table, kind in TABLES.items():
        lines += ["", "", f"# {_help(kind)}", f"[{table}]"]
        for option in fields(kind):
            lines += ["", *_comment(option.metadata["help"]), *_comment(_range(table, option))]
            lines.append(f"#{option.name} = {_toml(option.default)}")
    return _CONFFILE_HEAD + "\n".join(lines) + "\n"


def keys_page() -> str:
    """Return the keys as a part of mmid.toml(5), in reStructuredText."""
    return "".join(_page_lines())


def _page_lines() -> Iterator[str]:
    yield ".. Written by tools/settings_documents.py from mmid/settings; change it there.\n"
    for table, kind in TABLES.items():
        title = f"[{table}]"
        yield f"\n{title}\n{'~' * len(title)}\n\n{_help(kind)}\n"
        for option in fields(kind):
            yield f"\n**{option.name}** = ``{_toml(option.default)}``\n"
            when = _WHEN[option.metadata["takes_effect"]]
            texts = (option.metadata["help"], f"{_range(table, option)} {when}")
            yield "\n".join(_indented(_plain(text)) for text in texts)


def _help(kind: Any) -> str:
    return inspect.getdoc(kind) or ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _range(table: str, option: Field[Any]) -> str:
    """What the key may be, as a sentence."""
    return f"Allowed: {allowed(table, option.name)}."


def _indented(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ") + "\n"


def _toml(value: Any) -> str:
    return json.dumps(value.reveal() if isinstance(value, Secret) else value)


def _plain(text: str) -> str:
    r"""The text with what would be markup in reStructuredText made plain."""
    marked = "".join(f"\\{sign}" if sign in "\\*`_|" else sign for sign in text)
    return marked.replace("://", "\\://")


DOCUMENTS = {
    _ROOT / "packaging" / "mmid.toml": conffile,
    _ROOT / "docs" / "man" / "mmid.toml.keys.rst": keys_page,
}


def main() -> None:
    """Write the documents."""
    for path, render in DOCUMENTS.items():
        path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()

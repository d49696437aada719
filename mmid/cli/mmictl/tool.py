"""``mmictl tool``: see which programs are tools of the model, try one, or be one with a script."""

import json
import re
from argparse import Namespace
from typing import NoReturn

from mmid.child import Child
from mmid.cli.mmictl import show
from mmid.cli.streams import escaped
from mmid.dbus.client import Client
from mmid.dbus.failures import standard
from mmid.dbus.interface import TOOLS
from mmid.errors import InvalidArgument

_PATH = "/org/mmid1/mmictl"

# mmid waits as long for a tool.
_LONGEST_S = 10.0


async def tool(client: Client, options: Namespace) -> None:
    """List the tools, call one, or register a program as one."""
    if options.action == "list":
        names = await client.get(TOOLS, "Names")
        if options.json:
            show.in_json(names)
        else:
            print(*names, sep="\n", end="\n" if names else "")
        return
    if not options.name:
        raise InvalidArgument(f"tool {options.action} needs the tool's name")
    if options.action == "call":
        [result] = await client.call(TOOLS, "Call", "ss", options.name, options.arguments)
        # In one line: tabs and line ends stand only between the parts of JSON, never in a string.
        print(escaped(re.sub(r"[\t\r\n]", " ", result)))
    else:
        await _register(client, options)


async def _register(client: Client, options: Namespace) -> None:
    """Be a tool until mmid or we end."""
    if options.exec is None:
        raise InvalidArgument("tool register needs --exec PROGRAM")

    async def run(name: str, arguments: str) -> str:
        return await _run(options.exec, name, arguments)

    await client.listen()
    client.answer_calls(_PATH, run)
    what = (_PATH, options.name, options.description, options.schema)
    await client.call(TOOLS, "Register", "osss", *what)
    print(f"{show.printable(options.name)} is a tool of the model", flush=True)
    async for _ in client.signals():
        pass  # it ends when mmid leaves the bus


async def _run(program: str, name: str, arguments: str) -> str:
    """Run a program for one call: arguments on its standard input, the result on its output.

    What it prints is JSON, or else it is taken for a text.

    Raises:
        CallFailed: it does not start, fails, or takes too long.
    """
    try:
        ended = await Child.run([program, name], arguments.encode()).finished(_LONGEST_S)
    except OSError as error:
        raise standard("Failed", f"{program} cannot be run: {error.strerror}") from None
    if ended.status != 0:
        how = "took too long" if ended.status is None else f"ended with {ended.status}"
        raise standard("Failed", ended.last_words or f"{program} {how}")
    text = ended.output.decode(errors="replace").strip()
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
    return text


def _refuse(constant: str) -> NoReturn:
    """Say that NaN and Infinity are no JSON, which Python takes and mmid does not."""
    raise ValueError(constant)

"""The programs of the board that are tools of the model.

A program registers a function by its name and is called on its own connection to the bus, as
BlueZ calls its agents. The model always gets an answer in bounded time: what the program
returned, or an error text in its place.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any

from mmid.errors import Busy, CallerError, InvalidArgument, MmidError, ToolFailed
from mmid.frozen import frozen
from mmid.json_text import read_json, written
from mmid.session.conversation import Conversation
from mmid.session.dialects.dialect import Function
from mmid.session.effects import ToolCall
from mmid.status import Status

# The model reads every declaration with every request.
MOST_TOOLS = 32
# A sentence asks for one or two; who hangs must not take all of the board's memory.
_MOST_CALLS = 8
# A program gone wild that registers without a pause must not storm the cloud.
_OFFER_EVERY_S = 0.2
# Somebody waits for an answer that is to be spoken.
_CALL_S = 10.0
_LONGEST_RESULT_BYTES = 65536
_LONGEST_DESCRIPTION = 1024
_LONGEST_SCHEMA = 16384

# What the clouds allow in a function's name, and before it a skill's.
_NAME = re.compile(r"([A-Za-z0-9_.-]{1,64}/)?[A-Za-z0-9_-]{1,64}")

# Types of JSON schema that are none of a text: what they are here.
_KINDS: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
}

# Calls a program, given its unique name on the bus, its object, and the function's name and
# arguments; returns what it answers. Raises ToolFailed.
CallProgram = Callable[[str, str, str, str], Awaitable[str]]


@frozen
class Tool:
    """A function, and the program that is it.

    Attributes:
        owner: the program's unique name on the bus.
        path: the object that is called.
        function: what the model knows of it.
    """

    owner: str
    path: str
    function: Function


class Tools:
    """Who is which tool; ``call_program`` is set once by the composition root.

    Args:
        conversation: returns the connection to the cloud, if there is one.
        status: shows the tools' names.
        tell: tells of a tool that failed.
    """

    call_program: CallProgram

    def __init__(
        self,
        conversation: Callable[[], Conversation | None],
        status: Status,
        tell: Callable[[MmidError], None],
    ) -> None:
        self._conversation = conversation
        self._status = status
        self._tell = tell
        self._tools: dict[str, Tool] = {}
        self._loop = asyncio.get_running_loop()
        self._offered_at = -inf
        self._offering: asyncio.TimerHandle | None = None
        self._under_way = 0
        self._serving: set[asyncio.Task[None]] = set()

    # --- what programs want ---------------------------------------------------------------

    def register(self, owner: str, path: str, function: Function) -> None:
        """Make a program a tool; again with the same name: it is another function now.

        Raises:
            Busy: another program is the tool of this name, or there are too many.
            InvalidArgument: the name, the description or the schema is none.
        """
        name = function.name
        _check(function)
        there = self._tools.get(name)
        if there is not None and there.owner != owner:
            raise Busy(f"{there.owner} is the tool {name}")
        if there is None and len(self._tools) >= MOST_TOOLS:
            raise Busy(f"there are {MOST_TOOLS} tools already")
        self._tools[name] = Tool(owner, path, function)
        self._changed()

    def unregister(self, owner: str, name: str) -> None:
        """End a tool of the program's own.

        Raises:
            InvalidArgument: it is none.
        """
        tool = self._tools.get(name)
        if tool is None or tool.owner != owner:
            raise InvalidArgument(f"{name[:80]!r} is no tool of {owner}")
        del self._tools[name]
        self._changed()

    def left(self, client: str) -> None:
        """A client left the bus, and its tools with it."""
        kept = {name: tool for name, tool in self._tools.items() if tool.owner != client}
        if len(kept) < len(self._tools):
            self._tools = kept
            self._changed()

    @property
    def owners(self) -> frozenset[str]:
        """The programs that are tools, by their unique names."""
        return frozenset(tool.owner for tool in self._tools.values())

    async def call(self, name: str, arguments: str) -> str:
        """Call a tool as the model would, and return its result.

        Raises:
            InvalidArgument: there is no such tool.
            ToolFailed: it gave no result; the text tells why.
        """
        tool = self._find(name)
        if tool is None:
            raise InvalidArgument(f"no program is the tool {name[:80]!r}")
        return await self._result(tool, arguments)

    # --- what the model wants -------------------------------------------------------------

    def offer(self) -> None:
        """Tell the cloud which functions there are; a new connection knows of none."""
        if self._offering is not None:
            self._offering.cancel()
        self._offering, self._offered_at = None, self._loop.time()
        conversation = self._conversation()
        if conversation is not None and conversation.ready:
            conversation.offer_functions([tool.function for tool in self._tools.values()])

    def called(self, call: ToolCall) -> bool:
        """Have a call of the model answered; return whether a program is this tool."""
        tool = self._find(call.name)
        if tool is None:
            return False
        task = asyncio.create_task(self._serve(tool, call), name="mmid-tool")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return True

    async def _serve(self, tool: Tool, call: ToolCall) -> None:
        try:
            result = await self._result(tool, call.arguments)
        except ToolFailed as error:
            self._tell(error)
            result = written({"error": str(error)})
        conversation = self._conversation()
        if conversation is None or not call.call_id:
            return
        # If nobody waits (the turn was interrupted, the connection is another), nothing is told.
        with suppress(CallerError):
            try:
                conversation.tool_result(call.call_id, result)
            except InvalidArgument as error:  # perhaps too long for this cloud: it is told so
                conversation.tool_result(call.call_id, written({"error": str(error)}))
                self._tell(ToolFailed(f"the tool {tool.function.name}: {error}"))

    async def _result(self, tool: Tool, arguments: str) -> str:
        name = tool.function.name
        arguments = _checked(tool.function, arguments.strip() or "{}")
        if self._under_way >= _MOST_CALLS:
            raise ToolFailed(f"the tool {name}: {_MOST_CALLS} calls are under way already")
        self._under_way += 1
        try:
            async with asyncio.timeout(_CALL_S):
                result = await self.call_program(tool.owner, tool.path, name, arguments)
        except TimeoutError:
            raise ToolFailed(f"the tool {name}: no answer within {_CALL_S:g} s") from None
        finally:
            self._under_way -= 1
        if len(result.encode()) > _LONGEST_RESULT_BYTES:
            raise ToolFailed(f"the tool {name}: a result of over {_LONGEST_RESULT_BYTES} bytes")
        try:
            read_json(result)
        except ValueError:
            raise ToolFailed(f"the tool {name}: a result that is not JSON") from None
        return result

    def _find(self, name: str) -> Tool | None:
        """Return the tool of a name; one without a domain is that of every domain."""
        return self._tools.get(name) or self._tools.get(name.rpartition("/")[2])

    def _changed(self) -> None:
        self._status.update(names=sorted(self._tools))
        due = self._offered_at + _OFFER_EVERY_S
        if self._loop.time() >= due:
            self.offer()
        elif self._offering is None:
            self._offering = self._loop.call_at(due, self.offer)


def _check(function: Function) -> None:
    """Refuse what no cloud takes."""
    if not _NAME.fullmatch(function.name):
        raise InvalidArgument(
            f"{function.name[:80]!r} is no name of a tool: 1 to 64 of A-Z a-z 0-9 _ -, "
            "with its domain before a slash if it has one"
        )
    if len(function.description) > _LONGEST_DESCRIPTION:
        raise InvalidArgument(f"a description has at most {_LONGEST_DESCRIPTION} characters")
    schema = function.parameters
    if len(written(dict(schema))) > _LONGEST_SCHEMA:
        raise InvalidArgument(f"a schema has at most {_LONGEST_SCHEMA} characters")
    required = schema.get("required", [])
    named = isinstance(required, list) and all(isinstance(one, str) for one in required)
    if schema.get("type", "object") != "object" or not named:
        raise InvalidArgument('a schema is that of an object, with an array of names as "required"')


def _checked(function: Function, arguments: str) -> str:
    """Return the arguments of a call as the schema has them.

    Raises:
        ToolFailed: the program could make no sense of them.
    """
    name = function.name
    try:
        given: Any = read_json(arguments)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ToolFailed(f"the tool {name} was called with what is no JSON object")
    missing = [one for one in function.parameters.get("required", []) if one not in given]
    if missing:
        raise ToolFailed(f"the tool {name} was called without {', '.join(missing)}")
    properties = function.parameters.get("properties")
    types = properties if isinstance(properties, dict) else {}
    return written({key: _typed(value, types.get(key)) for key, value in given.items()})


def _typed(value: Any, declared: Any) -> Any:
    """Return a value as its declaration wants it: some clouds say everything as a text."""
    kind = declared.get("type") if isinstance(declared, dict) else None
    # A schema may also list several types. A text stays a text then: it may be meant as one.
    kinds = _KINDS.get(kind) if isinstance(kind, str) else None
    if kinds is None or not isinstance(value, str):
        return value
    try:
        meant = read_json(value.strip().lower())
    except ValueError:
        return value
    return meant if type(meant) in kinds else value

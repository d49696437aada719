"""What each method and each writable property of ``org.mmid1`` does.

Tables from the contract's names to the application's commands. The shape of
texts, JSON and images is checked here; what a value may be, the application knows.
"""

import asyncio
import json
import logging
import re
import unicodedata
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from mmid.dbus.application import Application
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.image import ImageReader
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, TOOLS
from mmid.dbus.wire import Variant, plain
from mmid.errors import Busy, InvalidArgument, NotTalking
from mmid.json_text import read_json

_log = logging.getLogger(__name__)

# Gets the caller's unique name and the arguments; returns nothing or what to await.
Handler = Callable[..., Any]

# How long a press may want to be; the settings' limit holds as well.
_SHORTEST_MS, _LONGEST_MS = 100, 600_000
# As much as is kept of what taps heard.
_LONGEST_PREROLL_MS = 2000
_LONGEST_REASON = 64
# Longer than any question of a person, short enough for any cloud.
_TEXT_LIMIT = 4096
# Parameters are for the cloud's agents; whoever needs more has the wrong channel.
_OBJECT_LIMIT = 65536

# What an escape such as \ud83d leaves in a text if its other half is missing.
_HALF = re.compile("[\ud800-\udfff]")

# Bytes of the longest call that can be lawful: two such objects of letters of four bytes each,
# and for each what D-Bus adds to a text.
LONGEST_CALL = 2 * (4 * _OBJECT_LIMIT + 8)


def methods(
    application: Application,
    user_of: Callable[[str], Awaitable[int]],
    holder: Callable[[], Awaitable[str]],
) -> dict[str, dict[str, Handler]]:
    """Return the methods of each interface.

    Args:
        application: carries out the commands.
        user_of: finds the Unix user of a client; negative if it cannot be known.
        holder: says who holds the microphone, for people; empty if nobody does.
    """

    async def reset(client: str) -> None:
        if await user_of(client) != 0:
            raise CallFailed(ACCESS_DENIED, "only root may erase the device record")
        await application.reset()

    async def open_microphone(client: str) -> int:
        return application.open_microphone(client)

    start_speech = _start_speech(application, holder)
    dialog: dict[str, Handler] = {
        "Connect": lambda _: application.connect(),
        "Disconnect": lambda _: application.disconnect(),
        "StartSpeech": start_speech,
        "StartSpeechWith": lambda client, options: start_speech(client, **_press(options)),
        "StopSpeech": application.stop_speech,
        "CancelSpeech": application.cancel_speech,
        "Interrupt": lambda _: application.interrupt(),
        **_questions(application),
        "GetTimeline": lambda _: application.timeline(),
        "NewDialog": lambda _: application.new_dialog(),
    }
    device: dict[str, Handler] = {
        "GetHistory": lambda _: [list(one) for one in application.history()],
        "Register": lambda _: application.register(),
        "Reset": reset,
    }
    audio: dict[str, Handler] = {
        "OpenMicrophone": open_microphone,
        "PlayPrompt": lambda _, name: application.play_prompt(name),
    }
    return {DIALOG: dialog, DEVICE: device, TOOLS: _tools(application), AUDIO: audio}


def _tools(application: Application) -> dict[str, Handler]:
    """Return the methods by which programs become tools of the model."""

    def register(client: str, path: str, name: str, description: str, schema: str) -> None:
        parameters = _checked_object("Register", "parameters_schema", schema)
        application.register_tool(client, path, name, description, parameters)

    return {
        "Register": register,
        "Unregister": application.unregister_tool,
        "Call": lambda _, name, arguments: application.call_tool(name, arguments),
    }


def _start_speech(application: Application, holder: Callable[[], Awaitable[str]]) -> Handler:
    pressing: list[str] = []  # the client of each call that waits until its press is accepted

    def start_speech(client: str, **meant: Any) -> Awaitable[None] | None:
        # The microphone is taken here and now: a StopSpeech may be right behind.
        try:
            pressed = application.start_speech(client, **meant)
        except Busy as error:
            return busy(error)
        if pressed is None:
            return None
        waiting = asyncio.ensure_future(accepted(pressed))
        pressing.append(client)
        waiting.add_done_callback(partial(ended, client))
        return waiting

    def ended(client: str, waiting: asyncio.Future[None]) -> None:
        pressing.remove(client)
        # The service cancels a call that is one too many. The press that it began would record
        # for nobody, unless the client began it by another call, which still waits.
        if waiting.cancelled() and client not in pressing:
            with suppress(NotTalking):
                application.cancel_speech(client)

    async def accepted(pressed: Awaitable[None]) -> None:
        try:
            await pressed
        except Busy as error:
            await busy(error)

    async def busy(error: Busy) -> None:
        if who := await holder():
            raise Busy(f"{who} holds the microphone") from error
        raise error

    return start_speech


def _press(options: dict[str, Variant]) -> dict[str, Any]:
    """Return how a press is meant: the options of StartSpeechWith."""
    if unknown := sorted(options.keys() - {"max_ms", "preroll_ms", "reason"}):
        raise InvalidArgument(f"StartSpeechWith: there is no option {unknown[0][:40]!r}")
    reason = plain(options.get("reason", ""))
    if not (isinstance(reason, str) and len(reason) <= _LONGEST_REASON and reason.isprintable()):
        text = f"reason has at most {_LONGEST_REASON} characters of one line"
        raise InvalidArgument(f"StartSpeechWith: {text}")
    meant: dict[str, Any] = {}
    if "max_ms" in options:
        meant["max_s"] = _milliseconds(options, "max_ms", _SHORTEST_MS, _LONGEST_MS) / 1000
    if "preroll_ms" in options:
        meant["preroll_ms"] = _milliseconds(options, "preroll_ms", 0, _LONGEST_PREROLL_MS)
    if reason:
        _log.info("a press because of %s", reason)
    return meant


def _milliseconds(options: dict[str, Variant], name: str, least: int, most: int) -> int:
    value = plain(options[name])
    if type(value) is not int or not least <= value <= most:
        raise InvalidArgument(f"StartSpeechWith: {name} is {least} to {most}, not {value!r}")
    return value


def _questions(application: Application) -> dict[str, Handler]:
    """Return the methods that put something to the cloud in writing or in pictures."""
    images = ImageReader()

    async def ask_about_image(_: str, text: str, mime: str, descriptor: int) -> None:
        _checked_letters("AskAboutImage", text)
        asked = application.ask_about_image(text, await images.read(descriptor, mime))
        if asked is not None:
            await asked

    async def send_video_frame(_: str, mime: str, descriptor: int) -> None:
        application.send_video_frame(await images.read(descriptor, mime))

    def ask_with(_: str, text: str, parameters: str) -> Awaitable[None] | None:
        _checked_letters("AskWith", text)
        return application.ask_with(text, _checked_object("AskWith", "parameters", parameters))

    def update_info(_: str, status: str, parameters: str) -> None:
        application.update_info(
            _checked_object("UpdateInfo", "status", status),
            _checked_object("UpdateInfo", "parameters", parameters),
        )

    def tool_result(_: str, call_id: str, result: str) -> None:
        if len(result.encode()) > _OBJECT_LIMIT:
            raise InvalidArgument(f"ToolResult: a result has at most {_OBJECT_LIMIT} bytes")
        application.tool_result(call_id, result)

    return {
        "Ask": lambda _, text: application.ask(_checked_text("Ask", text)),
        "AskAboutImage": ask_about_image,
        "AskWith": ask_with,
        "UpdateInfo": update_info,
        "ForgetInfo": lambda _: application.forget_info(),
        "SendVideoFrame": send_video_frame,
        "ToolResult": tool_result,
        "Say": lambda _, text: application.say(_checked_text("Say", text)),
    }


def setters(application: Application) -> dict[str, Handler]:
    """Return what setting a property does; these get the new value only."""
    return {
        "WorkMode": application.set_work_mode,
        "Voice": application.set_voice,
        "Volume": application.set_volume,
        "Muted": application.set_muted,
    }


def _checked_text(method: str, text: str) -> str:
    if not text.strip():
        raise InvalidArgument(f"{method}: the text is empty")
    _checked_letters(method, text)
    return text


def _checked_letters(method: str, text: str) -> None:
    if len(text) > _TEXT_LIMIT:
        raise InvalidArgument(
            f"{method}: the text has {len(text)} characters; at most {_TEXT_LIMIT} are allowed"
        )
    for place, character in enumerate(text):
        if character not in "\n\t" and unicodedata.category(character) == "Cc":
            raise InvalidArgument(
                f"{method}: character {place + 1} is the control character "
                f"U+{ord(character):04X}; of these only newline and tab are allowed"
            )


def _checked_object(method: str, argument: str, text: str) -> dict[str, Any]:
    """Return what a JSON object says; an empty text is an empty one."""
    if len(text) > _OBJECT_LIMIT:
        raise InvalidArgument(
            f"{method}: {argument} has {len(text)} characters; at most {_OBJECT_LIMIT} are allowed"
        )
    try:
        value = read_json(text or "{}")
    except ValueError as error:
        raise InvalidArgument(f"{method}: {argument} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArgument(f"{method}: {argument} is JSON, but not an object")
    # The text itself has whole characters, or it was no message of D-Bus: halves are escapes.
    if _HALF.search(json.dumps(value, ensure_ascii=False)):
        raise InvalidArgument(f"{method}: {argument} has half a surrogate pair, which is no letter")
    return value

"""The volume commands of ``multimodal-dialog`` (section 9): what each one wants of the loudspeaker.

Both vocabularies: the protocol page's ``VOLUME_SET`` and the instruction list's
``increase_volume`` and so on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmid.errors import InvalidArgument
from mmid.session.effects import SetLoudness

# "A bit louder": the device's own step.
_STEP = 10

# How the C SDK writes "a bit" as a number.
_A_BIT = 0x7FFFFFFF


def loudness(name: str, params: Sequence[Any]) -> SetLoudness | None:
    """Return what a command wants; None if it is no volume command.

    Which loudness is meant (parameter ``for``: system, media, call) makes no
    difference: a board has one loudspeaker.

    Args:
        name: the command's name.
        params: objects with ``name``, ``value`` and ``normValue``; others are ignored.

    Raises:
        InvalidArgument: it is a volume command, but its parameters make no sense.
    """
    wanted = _COMMANDS.get(name.lower())
    return wanted and wanted(_Parameters(name, params))


class _Parameters:
    """The parameters of one command, by name."""

    def __init__(self, command: str, listed: Sequence[Any]) -> None:
        self._command = command
        self._values = {
            str(one.get("name")): spoken(one) for one in listed if isinstance(one, dict)
        }

    def percent(self, *names: str) -> int | None:
        """Return the first of these parameters that is given; None if none is, or "a bit"."""
        name = next((one for one in names if one in self._values), None)
        if name is None:
            return None
        text = str(self._values[name]).strip().removesuffix("%").strip()
        try:
            number = round(float(text))
        except (ValueError, OverflowError) as error:
            raise InvalidArgument(f"{self._command}: {name} is no number") from error
        if number < 0:
            raise InvalidArgument(f"{self._command}: {name} is {number}")
        return None if number == _A_BIT else number


def spoken(parameter: Mapping[str, Any]) -> Any:
    """Return a parameter's value: the normalised one, else as it was said."""
    normalised = parameter.get("normValue")
    return parameter.get("value") if normalised is None or normalised == "" else normalised


def _set(parameters: _Parameters) -> SetLoudness:
    percent = parameters.percent("series", "to", "number")
    if percent is None:
        raise InvalidArgument("a command to set the volume does not say to what")
    return SetLoudness(percent, muted=False)


def _increase(parameters: _Parameters) -> SetLoudness:
    target = parameters.percent("to")  # who wants it louder wants to hear it
    if target is not None:
        return SetLoudness(target, muted=False)
    return SetLoudness(change=parameters.percent("number", "series") or _STEP, muted=False)


def _decrease(parameters: _Parameters) -> SetLoudness:
    target = parameters.percent("to")
    if target is not None:
        return SetLoudness(target)
    return SetLoudness(change=-(parameters.percent("number", "series") or _STEP))


_COMMANDS: dict[str, Callable[[_Parameters], SetLoudness]] = {
    "volume_set": _set,
    "set_volume": _set,
    "increase_volume": _increase,
    "increase_volume_default": _increase,
    "decrease_volume": _decrease,
    "decrease_volume_default": _decrease,
    "mute": lambda _: SetLoudness(muted=True),
    "unmute": lambda _: SetLoudness(muted=False),
    # Not in any document; the other half of VOLUME_SET's vocabulary (unconfirmed).
    "volume_up": _increase,
    "volume_down": _decrease,
    "volume_mute": lambda _: SetLoudness(muted=True),
    "volume_unmute": lambda _: SetLoudness(muted=False),
}

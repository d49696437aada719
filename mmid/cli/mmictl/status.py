"""``mmictl status``: the whole board on one screen, for a person.

What is wrong stands last, with its remedy, where the eye ends up. Colours on a
terminal only, so what is piped or logged stays plain.
"""

import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mmid.cli.mmictl import show
from mmid.cli.mmictl.show import coloured, moment, printable
from mmid.dbus.client import Client
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, TOOLS

_LABEL_WIDTH = 11

_BOLD, _RED, _GREEN, _YELLOW = 1, 31, 32, 33
_STATE_COLOURS = {"offline": _RED, "connecting": _YELLOW}

# What mmid waits for by itself where it names no time for its next attempt.
_AWAITED = {"fix-clock": "tries again when the clock was set", "retry": "tries again soon"}

# Where a key is all that proves who we are, nothing is registered for a product.
_BY_A_KEY = {"api-key", "temporary-key"}

Values = Mapping[str, Any]


async def status(client: Client, options: Namespace) -> None:
    """Print what mmid is doing on one screen, or what it did last; as JSON, all properties."""
    if options.history:
        [transitions] = await client.call(DEVICE, "GetHistory")
        print_history(transitions, as_json=options.json)
        return
    values = {name: await client.get_all(name) for name in (DIALOG, DEVICE, AUDIO, TOOLS)}
    if options.json:
        show.properties(values, as_json=True)
        return
    if talker := values[DIALOG]["Talker"]:
        values[DIALOG]["Talker"] = await client.description_of(talker)
    print_status(*values.values())


def print_status(dialog: Values, device: Values, audio: Values, tools: Values) -> None:
    """Print the properties of the interfaces as a screen."""
    state, version = printable(dialog["State"]), printable(device["Version"])
    shown = coloured(state, _STATE_COLOURS.get(state, _GREEN))
    print(f"{coloured(f'mmid {version}', _BOLD)} is {shown}")
    rows = [*_device(device), *_link(dialog, device["Cloud"]), *_audio(audio)]
    if names := tools["Names"]:
        rows.append(("tools", ", ".join(names)))
    for label, text in rows:
        print(f"  {label:<{_LABEL_WIDTH}}{printable(text)}")
    for label, text, remedy in _problems(dialog, device):
        print(f"  {coloured(f'{label:<{_LABEL_WIDTH}}', _RED)}{printable(text)}")
        if remedy:
            print(f"  {'':<{_LABEL_WIDTH}}-> {printable(remedy)}")


def _device(device: Values) -> Iterator[tuple[str, str]]:
    name, app_id = device["DeviceName"] or "no name", device["AppId"] or "no AppId"
    registered = "registered" if device["Registered"] else "not registered"
    licensed = "" if device["LicenseMode"] in _BY_A_KEY else f", {app_id}, {registered}"
    yield "device", f"{name}{licensed}"
    expiry = device["TokenExpiry"]
    token = f", token until {moment(expiry)}" if expiry else ""
    yield "license", f"{device['LicenseMode']}, {device['LicenseState']}{token}"
    yield "clock", "set" if device["ClockSynchronized"] else "not set: mmid waits for it"


def _link(dialog: Values, cloud: str) -> Iterator[tuple[str, str]]:
    connected = f"connected to {cloud}" if dialog["Connected"] else f"not connected to {cloud}"
    name = f", dialog {dialog['DialogId']}" if dialog["DialogId"] else ""
    yield "link", f"{connected}{name}"
    talker = dialog["Talker"]
    yield "dialog", f"{dialog['WorkMode']}, {f'{talker} talks' if talker else 'nobody talks'}"
    if usage := dialog["Usage"]:
        spoken, heard = usage["input_audio_s"], usage["output_audio_s"]
        counted = (
            f"{usage['total_tokens']} tokens, {usage['input_tokens']} of them for what was sent"
        )
        yield "usage", f"{counted}; {spoken:.0f} s of speech, {heard:.0f} s of replies"


def _audio(audio: Values) -> Iterator[tuple[str, str]]:
    for label, overruns in (("Capture", "RecorderOverruns"), ("Playback", "PlayerUnderruns")):
        negotiated = audio[f"{label}Format"] or "not used yet"
        word = "overruns" if label == "Capture" else "underruns"
        count = f"; {audio[overruns]} {word}" if audio[overruns] else ""
        yield label.lower(), f"{audio[f'{label}Device']}: {negotiated}{count}"
    if echo := audio["EchoCancellation"]:
        yield "echo", echo_text(echo)
    if lost := audio["SpeechDroppedBytes"]:
        yield "network", f"too slow for speech: {lost} bytes of it were lost"
    if listeners := audio["Listeners"]:
        lost = audio["ListenerDroppedBytes"]
        slow = f"; {lost} bytes were lost by who does not read" if lost else ""
        yield "listeners", f"{', '.join(listeners)}{slow}"
    yield "volume", f"{audio['Volume']} %{', muted' if audio['Muted'] else ''}"


def echo_text(echo: Values) -> str:
    """Say how the echo canceller gets on."""
    if echo["state"] == "off":
        return "off: the microphone is not open beside replies"
    figures = (
        f"{echo['erle_db']:.0f} dB taken out, delay {echo['delay_ms']:.1f} ms, "
        f"drift {echo['drift_ppm']:.0f} ppm"
    )
    return f"{echo['state']}; {figures}"


def _problems(dialog: Values, device: Values) -> Iterator[tuple[str, str, str]]:
    """What stands in the way now, and what went wrong last."""
    if refused := device["LicenseError"]:
        then = refused["next_attempt"]
        awaited = _AWAITED.get(refused["remedy"], "waits for mmictl device register")
        again = f"; next attempt {moment(then)}" if then else f"; {awaited}"
        meaning, _, advice = refused["message"].partition(". ")
        text = f"{refused['code']} {meaning} (since {moment(refused['since'])}{again})"
        yield "no license", text, f"{refused['remedy']}: {advice}" if advice else refused["remedy"]
    last = dialog["LastError"]
    if last and last["code"] != (refused or {}).get("code"):
        age = _age(time.time() - last["time"] / 1000)
        yield "last error", f"{last['code']}: {last['message']} ({age})", last["remedy"]


def _age(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{max(0, seconds):.0f} seconds ago"


def print_history(transitions: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    """Print transitions, oldest first: time, how long the state lasted, state, cause."""
    if as_json:
        names = ("unix_ms", "state", "cause")
        show.in_json([dict(zip(names, one, strict=True)) for one in transitions])
        return
    ends_ms = [one[0] for one in transitions[1:]]
    for (unix_ms, state, cause), end_ms in zip_longest(transitions, ends_ms):
        lasted = "now" if end_ms is None else f"{(end_ms - unix_ms) / 1000:.3f} s"
        when = moment(unix_ms, "milliseconds")
        print(f"{when}  {lasted:>11}  {printable(state):<16}  {printable(cause)}".rstrip())

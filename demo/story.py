"""Reads what happened in the demo, as a person would tell it, and judges it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.rig.board import Board
from tests.rig.listener import Listener
from tests.rig.relay import SERVER_SECRETS, RelayBoard

_RATE_HZ, _SAMPLE_BYTES = 16000, 2

# The SDK's order of one push-to-talk dialog. ASR_INCOMPLETE and the texts of
# the reply may come any number of times; the reply's texts run beside its audio.
_ORDER = re.compile(
    r"(DataInit )?SpeechReady SpeechPrepare SpeechStart "
    r"AsrStart (AsrIncomplete )*AsrComplete AsrEnd "
    r"TtsStart (LlmIncomplete )*LlmComplete TtsEnd SpeechPrepare( DataDeinit)?"
)

# LicenseMode where no license is -> what the credential is.
_KEYS = {
    "api-key": "the API key is the credential",
    "temporary-key": "a temporary key is the credential",
}

# What a polite end sends, in each protocol.
_GOODBYES = ("Stop", "session.finish")


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement."""

    good: bool
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon said of the dialog before it was stopped.

    Attributes:
        turn: the latest of ``GetTimeline``.
        usage: the property ``Usage``, empty where nothing is counted.
        mode: the property ``LicenseMode``.
    """

    turn: Mapping[str, float]
    usage: Mapping[str, float]
    mode: str


class Story:
    """What a board, its cloud and a client saw of one dialog.

    Args:
        board: where it happened; the daemon has stopped.
        listener: the client on the bus.
        told: what the daemon said at the end, of its turns and of what they cost.
        pressed: when StartSpeech was called, ``time.monotonic``.
        released: when StopSpeech was called.
    """

    def __init__(
        self, board: Board, listener: Listener, told: Told, *, pressed: float, released: float
    ) -> None:
        self._board = board
        self._heard = listener.heard
        self._told = told
        self._pressed = pressed
        self._released = released

    def trace(self) -> str:
        """Tell the events, one a line: seconds from the press, what, and its text."""
        rows = sorted(
            [
                *self._rows(),
                (self._pressed, "", "-- the button is pressed --"),
                (self._released, "", "-- the button is released --"),
            ]
        )
        return "\n".join(
            f"{at - self._pressed:9.3f} s  {name:<15} {text}".rstrip() for at, name, text in rows
        )

    def registration(self, *, known_before: bool) -> Finding:
        """Judge that the device was registered once in its life, or activated once."""
        if self._told.mode == "activation":
            return self._activation(known_before=known_before)
        count = len(self._board.journal("register"))
        if self._told.mode in _KEYS:
            return Finding(count == 0, f"{_KEYS[self._told.mode]}: nobody was registered")
        if known_before:
            return Finding(
                count == 0, f"known device: {count} registrations, the triple was stored"
            )
        return Finding(count == 1, f"new device: {count} registration, the triple is stored")

    def _activation(self, *, known_before: bool) -> Finding:
        count, used = len(self._board.journal("activation")), len(self._board.activations())
        text = f"activations by this run: {count}, of the licence in all: {used}"
        if known_before:
            return Finding((count, used) == (0, 1), f"known device: {text}")
        return Finding(used == 1, f"new device: {text}, its name is stored")

    def order(self) -> Finding:
        """Judge the order of the events."""
        names = " ".join(one.name for one in self._heard if not one.name.startswith("."))
        return Finding(bool(_ORDER.fullmatch(names)), "all events came, in the SDK's order")

    def heard_by_cloud(self, microphone: bytes) -> Finding:
        """Judge that the cloud got the microphone's bytes from the first after the press."""
        said = self._file("speech-0001.pcm")
        same = bool(said) and said == microphone[: len(said)]
        seconds = len(said) / _RATE_HZ / _SAMPLE_BYTES
        # The microphone is open from the call to the call: a period less or
        # more is the scheduler, a syllable would be a fault.
        whole = abs(seconds - (self._released - self._pressed)) < 0.1
        text = f"the cloud heard {seconds:.2f} s, {len(said)} bytes"
        return Finding(same and whole, f"{text}: the microphone's, from the first sample on")

    def played_by_loudspeaker(self) -> Finding:
        """Judge that the loudspeaker got the reply's bytes."""
        sent, played = self._file("reply-0001.pcm"), self._board.played()
        text = f"the loudspeaker played {len(played)} bytes, the cloud sent {len(sent)}: equal"
        return Finding(bool(sent) and sent == played, text)

    def latency(self) -> Finding:
        """Measure both directions with the cloud's own clock readings."""
        first_audio = self._at("speech-begin") - self._pressed
        heard = (self._told.turn["heard"] - self._told.turn["reply-audio"]) / 1000
        text = (
            f"press to first audio at the cloud {first_audio * 1000:.1f} ms, "
            f"reply audio to loudspeaker {heard * 1000:.1f} ms"
        )
        return Finding(first_audio > 0 and heard >= 0, text)

    def cost(self) -> Iterator[Finding]:
        """Judge what the turn cost, if the cloud counts."""
        usage = self._told.usage
        if usage:
            counts = ", ".join(f"{name} {usage[name]:g}" for name in sorted(usage))
            yield Finding(usage["total_tokens"] > 0, f"usage: {counts}")

    def end(self, status: int, seconds: float) -> Finding:
        """Judge how the daemon stopped."""
        last = self._board.journal("directive")[-1]["name"]
        if self._told.mode == "activation":  # there the end is the close, and then the instance's
            stopped = [one["known"] for one in self._board.journal("stop-instance")]
            polite, last = stopped == [True], "goodbye, the instance is stopped"
        else:
            polite = last in _GOODBYES
        good = status == 0 and seconds < 2 and polite
        return Finding(good, f"SIGTERM: said {last}, exit status {status} after {seconds:.2f} s")

    def secrets(self) -> Finding:
        """Judge that no secret reached a log."""
        log = self._board.log()
        names = ("app_secret", "api_key", "baidu_license_key")
        secrets = [self._board.cloud[name] for name in names]
        good = bool(log) and not any(secret in log for secret in secrets)
        return Finding(good, f"no secret in the {len(log.splitlines())} lines of the log")

    def relay(self) -> Iterator[Finding]:
        """Judge what the vendor's server did, if there is one, and that it kept its secrets."""
        board = self._board
        if not isinstance(board, RelayBoard):
            return
        audit = board.audit_file.read_text()
        asked = [json.loads(line)["path"] for line in audit.splitlines()]
        yield Finding(bool(asked), f"the relay was asked for {', '.join(asked)}")
        told = audit + board.log("relay")
        kept = [*(board.cloud[name] for name in SERVER_SECRETS), board.token]
        configured = (board.directory / "mmid.toml").read_text()
        good = not any(secret in told for secret in kept)
        good = good and not any(board.cloud[name] in configured for name in SERVER_SECRETS)
        yield Finding(good, "no key of the server is on the board, no secret in the relay's logs")

    def _rows(self) -> Iterator[tuple[float, str, str]]:
        for one in self._heard:
            if not one.name.startswith("."):
                yield one.at, one.name, " ".join(str(value) for value in one.values)
            elif one.name == ".State":
                yield one.at, "", f"[{one.values[0]}]"

    def _file(self, name: str) -> bytes:
        path = self._board.directory / "heard" / name
        return path.read_bytes() if path.exists() else b""

    def _at(self, kind: str) -> float:
        times = [float(entry["t"]) for entry in self._board.journal(kind)]
        return times[0] if times else float("nan")

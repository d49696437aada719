"""What the kernel says about its sound cards under ``/proc/asound``, where a sandbox lets us look.

Only to tell people more: who holds a card, and what a card really runs at
behind alsa-lib's conversions. Where there is nothing to read (no card, a unit
with ``ProcSubset=pid``) the answer is "not known", never an error.
"""

from pathlib import Path

_PROC = Path("/proc")


def holders(playback: bool, proc: Path = _PROC) -> list[str]:
    """Name the processes that have a PCM of a card open, as ``name (process 123)``.

    Args:
        playback: which direction; a card may play for one and record for another.
        proc: where procfs is mounted.
    """
    direction = "p" if playback else "c"
    found = []
    for status in sorted(proc.glob(f"asound/card*/pcm*{direction}/sub*/status")):
        owner = _fields(status).get("owner_pid", "")
        if owner.isdecimal():
            name = _text(proc / owner / "comm").strip() or "a process"
            found.append(f"{name} (process {owner})")
    return list(dict.fromkeys(found))


def hardware_format(
    card: int, device: int, subdevice: int, playback: bool, proc: Path = _PROC
) -> tuple[int, int, str] | None:
    """Return rate, channels and format at which an open PCM of a card runs, if it says so."""
    direction = "p" if playback else "c"
    place = f"asound/card{card}/pcm{device}{direction}/sub{subdevice}/hw_params"
    fields = _fields(proc / place)
    rate, channels = fields.get("rate", "").partition(" ")[0], fields.get("channels", "")
    if not rate.isdecimal() or not channels.isdecimal():
        return None  # closed, or not to be seen
    return int(rate), int(channels), fields.get("format", "")


def _fields(path: Path) -> dict[str, str]:
    """Read lines such as ``owner_pid   : 123``."""
    split = (line.partition(":") for line in _text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in split}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

"""What the codecs share: how a shared library is loaded, and how much is done at once."""

import ctypes

from mmid.errors import SettingsInvalid

__all__ = ["SLICE_BYTES", "load"]

# A decoder looks at so many bytes of a stream, then gives way: bytes that are
# nothing at all are searched in Python.
SLICE_BYTES = 1024


def load(soname: str, setting: str, packages: str) -> ctypes.CDLL:
    """Load a library by the name that its ABI has.

    Args:
        soname: such as ``libopus.so.0``.
        setting: key and value that ask for it, for the message.
        packages: where it is to be had, for the message.

    Raises:
        SettingsInvalid: it is not installed.
    """
    try:
        return ctypes.CDLL(soname)
    except OSError as error:
        raise SettingsInvalid(
            f"{setting} needs {soname}, which cannot be loaded ({error}): install {packages}; "
            "it is no Python package, pip does not have it. Or set the key to 'pcm'"
        ) from error

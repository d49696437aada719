"""A small file that the settings name: read whole, and never quoted when it cannot be.

It must be a regular file, as all that the settings name: a pipe could hold the server for ever.
"""

import os
import stat
import tomllib
from pathlib import Path

_LIMIT = 64 * 1024


def why_unread(error: Exception) -> str:
    """Say why a file cannot be read without what stands in it."""
    if isinstance(error, OSError):
        return os.strerror(error.errno or 0)
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__


def require_regular_file(path: str | Path) -> os.stat_result:
    """Return the status of a file that can be opened and read without waiting.

    Raises:
        ValueError: it is a pipe, a device, a socket or a directory.
        OSError: there is no such file.
    """
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    return status


def read_file(key: str, path: object) -> str:
    """Return a small file's text without the white space around it.

    Raises:
        ValueError: it cannot be read, is empty or too long.
    """
    try:
        require_regular_file(str(path))
        with Path(str(path)).open(encoding="utf-8") as file:
            text = file.read(_LIMIT + 1).strip()
    except OSError as error:
        raise ValueError(f"{key}: {path} cannot be read: {why_unread(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{key}: {path} is no text") from None
    except ValueError as error:
        raise ValueError(f"{key}: {path}: {error}") from None
    if not text or len(text) > _LIMIT:
        raise ValueError(f"{key}: {path} is empty or longer than 64 KiB")
    return text

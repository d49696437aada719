"""A small file that the settings name: read whole, and never quoted when it cannot be."""

import os
import tomllib
from pathlib import Path

_LIMIT = 64 * 1024


def why_unread(error: Exception) -> str:
    """Say why a file cannot be read without what stands in it."""
    if isinstance(error, OSError):
        return os.strerror(error.errno or 0)
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__


def read_file(key: str, path: object) -> str:
    """Return a small file's text without the white space around it.

    Raises:
        ValueError: it cannot be read, is empty or too long.
    """
    try:
        with Path(str(path)).open(encoding="utf-8") as file:
            text = file.read(_LIMIT + 1).strip()
    except OSError as error:
        raise ValueError(f"{key}: {path} cannot be read: {why_unread(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{key}: {path} is no text") from None
    if not text or len(text) > _LIMIT:
        raise ValueError(f"{key}: {path} is empty or longer than 64 KiB")
    return text

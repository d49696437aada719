"""Removes from a board's root what of Python no program on a board imports.

    python3 packaging/buildroot/slim_python.py ROOT

ROOT has Python in usr/lib/python3.*, as Buildroot lays it out. mmid.mk runs this on the copy
that an image is made of, if BR2_PACKAGE_MMID_SLIM says so.

What goes is listed, not what stays: a list of what stays would have to know what C modules
import, and would break the board's other programs. tests/packaging/test_slim_python.py tries it.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# In the standard library; a name is a module, a package, or an extension in lib-dynload.
_LIBRARY = (
    # For developers: tests, documentation, debuggers, windows, shells, installers.
    *("test", "unittest", "doctest", "pydoc", "pydoc_data", "idlelib", "lib2to3", "turtledemo"),
    *("pdb", "bdb", "cmd", "trace", "profile", "cProfile", "pstats", "timeit", "pickletools"),
    *("tkinter", "turtle", "curses", "_pyrepl", "ensurepip", "venv", "config-3*"),
    # Protocols and data bases that no part of mmid speaks.
    *("dbm", "sqlite3", "shelve", "ftplib", "imaplib", "mailbox", "poplib", "smtplib"),
    *("multiprocessing", "wsgiref", "xmlrpc", "webbrowser"),
    # Python stand-ins of C modules that every build has.
    *("_pydatetime", "_pyio"),
    # Extensions of the above, and Python's tests of itself. Buildroot builds few of them.
    *("_curses", "_curses_panel", "_dbm", "_gdbm", "_sqlite3", "_tkinter", "readline", "_lsprof"),
    *("_multiprocessing", "_posixshmem", "_ctypes_test", "_test*", "_xxtestfuzz", "xxlimited*"),
    *("xxsubtype", "_codecs_*", "_multibytecodec"),
)
# Of the encodings these stay: the others are tables of single countries and old machines.
# Python itself wants idna for each name that it looks up, zipfile cp437, tarfile latin_1.
_ENCODINGS = (
    *("__init__", "aliases", "ascii", "charmap", "cp437", "idna", "latin_1", "punycode"),
    *("raw_unicode_escape", "unicode_escape", "utf_8", "utf_8_sig", "utf_16", "utf_16_be"),
    *("utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "__pycache__"),
)
# Of the libraries: second interfaces, what builds and checks them, what their packages say about
# themselves. cryptography selects cffi, and imports no more than _cffi_backend of it.
_SITE = (
    *("*.dist-info", "*.egg-info", "pip", "setuptools", "pkg_resources", "_distutils_hack"),
    *("wheel", "cffi", "pycparser", "pydantic/mypy", "pydantic/v1", "systemd/test"),
    *("websockets/cli", "websockets/legacy", "websockets/sync"),
)


def _found(directory: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield what is there of these modules, packages and extensions."""
    for name in names:
        for form in ("", ".py", ".pyc", ".so", ".*.so"):
            yield from directory.glob(name + form)


def slim(library: Path) -> None:
    """Remove it from one Python.

    Args:
        library: its usr/lib/python3.*.
    """
    extensions = library / "lib-dynload"
    gone = [*_found(library, _LIBRARY), *_found(extensions, _LIBRARY)]
    gone += _found(library / "site-packages", _SITE)
    encodings = (library / "encodings").iterdir()
    gone += [path for path in encodings if path.name.partition(".")[0] not in _ENCODINGS]
    if any(extensions.glob("_decimal.*")):
        gone += _found(library, ("_pydecimal",))  # the stand-in where mpdecimal was left out
    for path in set(gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    libraries = [path.parent for path in Path(sys.argv[1]).glob("usr/lib/python3*/encodings")]
    if not libraries:
        sys.exit(f"slim_python: there is no Python in {sys.argv[1]}/usr/lib")
    for found in libraries:
        slim(found)

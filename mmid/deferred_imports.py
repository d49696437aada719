"""Has a module loaded when something of it is used, not when it is imported.

A library may import more than its caller ever touches: websockets could read its
own version through ``importlib.metadata``, and looks for proxies with
``urllib.request``. Between them they bring ``email``, ``http.client``, ``zipfile``
and 30 modules more: 2.4 MiB of a resident daemon, and an eighth of its start. pydantic and
pydantic-settings import as idly, a third of their time, which a start after a change waits for.

Nothing is replaced or left out, only put off. ``importlib.util.LazyLoader`` would
do the same, but every import statement wakes what it made.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_loading = threading.RLock()


def defer_import(name: str, *functions: str, **known: Callable[..., Any]) -> None:
    """Put off the loading of a module to the first use of anything in it.

    Call it before the first import of whatever imports the module.

    Args:
        name: its full name. One that is loaded already, or is not there, is left alone.
        functions: those of its functions that are taken out of it by ``from NAME import``,
            which is a use; with these it is the first call. Of a package only: what is none is
            asked by that statement for its ``__path__``, and so loaded.
        known: functions of it that are asked while something is imported, with what gives the
            same answer without the module.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    module = importlib.util.module_from_spec(spec)
    for function in functions:
        setattr(module, function, _put_off(module, function))
    for function, answer in known.items():
        setattr(module, function, answer)
    module.__class__ = _Deferred
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:  # as an import statement does
        setattr(sys.modules[parent], child, module)


class _Deferred(ModuleType):
    """A module without its contents; they come with the first attribute that is missing."""

    def __getattr__(self, name: str) -> Any:
        _load(self)
        # Not getattr, which would come here again without end for what is still missing: while
        # the module is being loaded, its own code may ask it for a name that it has yet to make.
        return ModuleType.__getattribute__(self, name)


class _Loading(_Deferred):
    """A module that is being loaded: another thread that misses a name waits until it is."""


def _load(module: ModuleType) -> None:
    with _loading:
        if type(module) is not _Deferred:
            return
        module.__class__ = _Loading
        loader = module.__spec__ and module.__spec__.loader
        try:
            if loader:
                loader.exec_module(module)
        except BaseException:
            module.__class__ = _Deferred  # the next use tries again, and is told why it fails
            raise
        module.__class__ = ModuleType  # type: ignore[assignment]


def _put_off(module: ModuleType, name: str) -> Callable[..., Any]:
    """Return what stands for a function until the module is there, and calls it then."""

    def call(*arguments: Any, **named: Any) -> Any:
        _load(module)
        return getattr(module, name)(*arguments, **named)

    return call

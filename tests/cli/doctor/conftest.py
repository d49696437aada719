"""A sound card without a sound card, as the tests of the HAL have it."""

from tests.hal_linux.conftest import compile_plugin, define

__all__ = ["compile_plugin", "define"]

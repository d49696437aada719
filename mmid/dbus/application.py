"""What the D-Bus front asks of mmid: the commands, as a ``Protocol``.

The gateway implements it. Commands without ``async`` return at once, and what
they lead to is seen in ``Status`` and in events; each may raise an
``MmidError``, which the caller gets as a D-Bus error.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Any, Protocol


class Application(Protocol):
    """The commands. ``client`` is the caller's unique name on the bus."""

    def connect(self) -> None:
        """Connect now, or again after ``disconnect``."""

    def disconnect(self) -> None:
        """End the session and stay offline until ``connect``."""

    def start_speech(
        self, client: str, max_s: float = 0.0, preroll_ms: int = 0
    ) -> Awaitable[None] | None:
        """Give the microphone to a client and record; it may take a moment to be accepted.

        ``max_s``: end the speech by itself after so many seconds; 0: as the settings say.
        ``preroll_ms``: what a tap heard so long before belongs to it.
        """

    def stop_speech(self, client: str) -> None:
        """End the client's speech; the cloud answers it."""

    def cancel_speech(self, client: str) -> None:
        """Forget the client's speech."""

    def client_left(self, client: str) -> None:
        """Take the microphone, and its tools, from a client that has left the bus."""

    def interrupt(self) -> None:
        """Silence the reply, also one that has yet to begin."""

    def ask(self, text: str) -> Awaitable[None] | None:
        """Ask in writing; it may take a moment until there is a dialog to ask in."""

    def ask_about_image(self, text: str, image: bytes) -> Awaitable[None] | None:
        """Ask about a JPEG or PNG image; the text may be empty."""

    def ask_with(self, text: str, parameters: Mapping[str, Any]) -> Awaitable[None] | None:
        """Ask with parameters for the cloud's agents."""

    def update_info(self, status: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        """Tell the cloud about this board."""

    def forget_info(self) -> None:
        """Tell the cloud of none of these parameters on connections to come."""

    def send_video_frame(self, image: bytes) -> None:
        """Show the cloud what the camera sees."""

    def tool_result(self, call_id: str, result: str) -> None:
        """Hand the cloud what a function returned that its model called."""

    def register_tool(
        self, client: str, path: str, name: str, description: str, schema: Mapping[str, Any]
    ) -> None:
        """Make an object of a client a tool of the model; ``schema`` is of its parameters."""

    def unregister_tool(self, client: str, name: str) -> None:
        """End a tool of the client."""

    def call_tool(self, name: str, arguments: str) -> Awaitable[str]:
        """Call a tool as the model would; it answers in its time."""

    def tool_owners(self) -> Collection[str]:
        """Return the clients that are tools: whose leaving ``client_left`` is to tell."""

    def say(self, text: str) -> Awaitable[None] | None:
        """Have the cloud speak a text."""

    def new_dialog(self) -> None:
        """Forget what was said so far."""

    def set_work_mode(self, mode: str) -> None:
        """Change the work mode."""

    def set_voice(self, voice: str) -> None:
        """Have replies spoken by another voice."""

    def history(self) -> Sequence[tuple[int, str, str]]:
        """Return the last transitions, oldest first: Unix milliseconds, state, cause."""

    def set_volume(self, percent: int) -> None:
        """Change the volume of the replies."""

    def set_muted(self, muted: bool) -> None:
        """Silence the loudspeaker, or not."""

    def play_prompt(self, name: str) -> Awaitable[None]:
        """Play a file of the board's own prompts; return when it is being played."""

    def open_microphone(self, client: str) -> int:
        """Let a client hear the microphone; return the reading end of a pipe, to be closed."""

    def level(self) -> int:
        """How loud the microphone is now, 0 to 100; 0 while nobody talks."""

    def timeline(self) -> list[dict[str, float]]:
        """When what happened in the last turns: milliseconds by name."""

    async def register(self) -> None:
        """Try to register the device again; ``LicenseState`` tells what came of it."""

    async def reset(self) -> None:
        """Erase the device record; the caller was found to be root."""

"""What other programs of the board say, if they are there and answer."""

import asyncio

__all__ = ["output_of"]

_LONGEST_S = 20.0


async def output_of(command: str) -> str:
    """Return what a command prints, on both streams; or why it printed nothing."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command.split(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return f"{command}: {error.strerror}\n"
    try:
        async with asyncio.timeout(_LONGEST_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"{command}: no answer within {_LONGEST_S:g} s\n"
    return output.decode(errors="replace")

"""Nothing that was found once is found again, and a few inputs more find nothing new."""

import asyncio
import logging
from random import Random

import pytest

from mmid.errors import MalformedMessage
from tests.fuzz.harness import FOLDER, fuzz, mutated, names

# A second or two of each: some write to a disk, shake hands, or decode seconds of sound.
INPUTS = {"sound": 60, "record": 80, "websocket": 60}


@pytest.mark.parametrize("name", names())
async def test_a_target_withstands_its_corpus_and_a_few_inputs_more(
    name: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))  # where the inputs are kept
    assert await fuzz(name, seed=1, inputs=INPUTS.get(name, 400)) == []


def test_every_corpus_is_of_a_target() -> None:
    assert {folder.name for folder in (FOLDER / "corpus").iterdir()} <= set(names())


class Clumsy:
    """A target that does all that is looked for."""

    def invent(self, dice: Random) -> bytes:
        return dice.choice([b"raises", b"logs", b"loop", b"tells", b"well"])

    async def take(self, data: bytes) -> None:
        match data:
            case b"raises":
                raise KeyError("x")
            case b"logs":
                try:
                    [].pop()
                except IndexError:
                    logging.getLogger("mmid.some").exception("what")
            case b"loop":
                asyncio.get_running_loop().call_soon(lambda: 1 // 0)
                await asyncio.sleep(0)
            case b"tells":
                raise MalformedMessage("z")


async def test_what_is_looked_for_is_found(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr("importlib.import_module", lambda _: Clumsy())
    found = await fuzz("clumsy", seed=1, inputs=40)
    assert len(found) == 10
    for word in ("KeyError('x')", "IndexError('pop from empty list') was logged", "ZeroDivision"):
        assert any(word in one for one in found)
    assert not any("MalformedMessage" in one for one in found)


def test_an_input_of_a_seed_is_always_the_same_one() -> None:
    one, again = (mutated(b"abc" * 50, Random("1")) for _ in range(2))  # noqa: S311
    assert one == again

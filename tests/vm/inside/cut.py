"""The real power cut: the host pulls the plug while records are being saved."""

import threading
from itertools import count
from pathlib import Path

from mmid.hal_linux.storage import open_store
from tests.vm.inside.channel import report, words
from tests.vm.inside.devices import block2mtd, partition, run

_FLASH_NAME = "power"


def save_until_the_power_is_cut(place: Path) -> str:
    """Save in all stores that outlive a cut, and tell the host of each save that is done."""
    run("flash_erase", block2mtd("cut-flash", _FLASH_NAME), "0", "0")
    targets = _targets()
    for store, target in targets.items():
        arguments = (store, target, len(targets))
        threading.Thread(target=_save_for_ever, args=arguments, daemon=True).start()
    threading.Event().wait()
    return ""


def what_was_saved_before_the_cut_is_there(place: Path) -> str:
    """The last record that was told to be durable, or the one after it; the next save works."""
    block2mtd("cut-flash", _FLASH_NAME)
    told = words()
    found = []
    for store, target in _targets().items():
        payload = open_store(target).load()
        assert payload is not None, target
        number, durable = int(payload.split()[1]), int(told[f"saved-{store}"])
        assert payload == _payload(number), payload
        assert durable <= number <= durable + 1, (store, durable, number)
        open_store(target).save(b"after the cut")
        assert open_store(target).load() == b"after the cut"
        found.append(f"{store} had told {durable}, has {number}")
    return "; ".join(found)


def _targets() -> dict[str, str]:
    return {"block": f"block:{partition('cut-block')}", "mtd": f"mtd:name={_FLASH_NAME}"}


def _save_for_ever(store: str, target: str, stores: int) -> None:
    for number in count(1):
        open_store(target).save(_payload(number))
        report("saved", store=store, number=number, stores=stores)


def _payload(number: int) -> bytes:
    return f"payload {number} ".encode() * 120

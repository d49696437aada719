"""What a fault run showed: the numbers for people, and the verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.fault_runs.devices import Result
from tests.fault_runs.fault_run import Finished
from tests.fault_runs.person import Ending

# Once each device has held a few dialogs, Python's heap may breathe, not grow.
FLAT = 1.05
SETTLED = 200


def memory_ratio(result: Result) -> float:
    """Return the memory at the end, divided by that when the devices were warm."""
    return result.pss_kib[-1] / result.pss_kib[0]


def faults(result: Result, dialogs: int) -> list[str]:
    """Return what is wrong, in words; empty if nothing is."""
    wrong = [
        f"a {one['kind']} dialog was {one['ending']} after {one['seconds']:.0f} s: {one['code']}"
        for one in result.outcomes
        if one["ending"] in {Ending.HUNG, Ending.LOST}
    ]
    if len(result.outcomes) != dialogs:
        wrong.append(f"{len(result.outcomes)} of {dialogs} dialogs were held")
    if dialogs >= SETTLED and result.pss_kib and memory_ratio(result) > FLAT:
        wrong.append(f"memory grew: {result.pss_kib} KiB")
    wrong += [f"left behind: {one}" for one in result.left]
    wrong += result.unbalanced + result.complaints
    return wrong


def lines(finished: Finished) -> Iterator[str]:
    """Yield the numbers as lines."""
    result = finished.result
    endings = Counter(str(one["ending"]) for one in result.outcomes)
    codes = Counter(one["code"] for one in result.outcomes if one["ending"] == Ending.ERROR)
    kinds = Counter(one["kind"] for one in result.outcomes)
    seconds = sorted(one["seconds"] for one in result.outcomes)
    yield f"dialogs      {len(result.outcomes)} in {result.seconds:.0f} s: {_show(kinds)}"
    yield f"ended        {_show(endings)}"
    yield f"errors       {_show(codes) or 'none'}"
    yield f"network      {finished.connections} connections: {_show(finished.harms)}"
    if seconds:
        middle, late = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
        yield f"duration     median {middle:.2f} s, 99 % {late:.2f} s, longest {seconds[-1]:.2f} s"
    if result.pss_kib:
        first, last = result.pss_kib[0], result.pss_kib[-1]
        ratio = f"{memory_ratio(result):.3f} x"
        yield f"memory       {ratio} (PSS {first} KiB when warm, {last} KiB at the end)"
    yield f"left behind  {', '.join(result.left) or 'no task, no thread, no descriptor'}"


def _show(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in Counter(dict(counts)).most_common())

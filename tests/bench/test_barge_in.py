"""What ``python -m bench.barge_in`` prints; tests/end_to_end/test_duplex.py measures with it."""

import sys

import pytest

from bench import barge_in


def test_the_least_the_median_and_the_most_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, int]] = []

    async def measure(protocol: str, times: int) -> tuple[list[float], list[float]]:
        asked.append((protocol, times))
        return [94.2, 92.4, 93.0], [135.0, 14.4, 131.0]

    monkeypatch.setattr(barge_in, "measure_barge_ins", measure)
    monkeypatch.setattr(sys, "argv", ["barge_in", "qwen-realtime", "--times", "3"])
    barge_in.main()
    assert asked == [("qwen-realtime", 3)]
    assert capsys.readouterr().out.splitlines() == [
        "voice to cloud: 92 ms at least, 93 median, 94 at most",
        "cloud to silence: 14 ms at least, 131 median, 135 at most",
    ]

"""What machines are told of the relay's state."""

from pathlib import Path

from tests.rig import Board, Vendor, relay_for, settings_for


async def test_a_process_that_answers_is_healthy(board: Board) -> None:
    answer = await board.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_it_is_ready_before_anything_was_asked(board: Board) -> None:
    answer = await board.http.get("/readyz")
    vendors = {"alibaba": "ok", "dashscope": "ok", "baidu": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "vendors": vendors})


async def test_with_every_vendor_away_it_is_not_ready_and_says_which(ca_file: Path) -> None:
    settings = settings_for(Vendor(port=1), ca_file, baidu=None, alibaba=None)
    async with relay_for(settings) as board:
        for _ in range(5):
            await board.post("/v1/qwen/token", {"deviceName": "radio-1"})
        answer = await board.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "vendors": {"dashscope": "away"}}


async def test_with_nobody_to_ask_it_is_not_ready(vendor: Vendor, ca_file: Path) -> None:
    settings = settings_for(vendor, ca_file, baidu=None, alibaba=None, dashscope=None)
    async with relay_for(settings) as board:
        assert (await board.http.get("/readyz")).status_code == 503

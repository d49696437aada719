"""What the dialog wants done on the board: what is kept, shown and told."""

from mmid.errors import TABLE, ConnectionLost, TlsFailed, certificate_advice
from mmid.events import Error, Event, TtsStart
from mmid.secrets import Secret
from mmid.session.effects import Emit, Moved
from tests.gateway.board import Board


async def test_every_move_of_the_dialog_is_in_the_black_box(board: Board) -> None:
    board.host.perform(Moved("talking", "start_speech"))
    board.host.perform(Moved("recognising", "stop_speech"))
    moves = [(one.state, one.cause) for one in board.black_box.transitions()]
    assert moves == [("talking", "start_speech"), ("recognising", "stop_speech")]


async def test_a_device_that_nobody_served_for_long_stands_still(board: Board) -> None:
    board.recorder.overdue_s = board.player.overdue_s = 9.0  # a busy board
    assert board.host.standing_still() == ""
    board.player.overdue_s = 11.0
    assert board.host.standing_still() == "the loudspeaker"
    board.recorder.overdue_s = 11.0
    assert board.host.standing_still() == "the microphone"


async def test_an_error_is_shown_with_its_remedy_and_passed_on(board: Board) -> None:
    board.host.perform(Emit(TtsStart()))
    assert board.status.last_error == {}
    lost = Error("connection-lost", "the network went away")
    shown_before: list[object] = []

    def hear(event: Event) -> None:
        shown_before.append(board.status.last_error)
        board.events.append(event)

    board.host.on_event = hear
    board.host.perform(Emit(lost))
    error = {
        "code": "connection-lost",
        "message": "the network went away",
        "remedy": TABLE[ConnectionLost].remedy,
        "time": board.clock.now_ms(),
    }
    assert shown_before == [error]
    assert board.events == [TtsStart(), lost]


async def test_a_code_of_the_cloud_s_own_has_no_remedy_of_ours(board: Board) -> None:
    board.host.perform(Emit(Error("QuotaExceeded", "no more")))
    assert board.status.last_error["remedy"] == ""


async def test_advice_that_an_error_brings_goes_before_its_row(board: Board) -> None:
    error = TlsFailed("the certificate is not acceptable", advice=certificate_advice(10))
    board.host.perform(Emit(Error(error.code, str(error), error.advice)))
    assert str(board.status.last_error["remedy"]).startswith("Check the board's clock")


async def test_a_secret_in_an_error_is_masked(board: Board) -> None:
    secret = Secret("the-token-of-this-board")
    board.host.perform(Emit(Error("http", f"said {secret.reveal()}")))
    assert board.status.last_error["message"] == "said ***"


async def test_an_error_of_the_cloud_commands_no_terminal_and_is_one_line(board: Board) -> None:
    board.host.perform(Emit(Error("No\x1b[2JWay", "it\nsaid\x9b31m \x00" + "x" * 1_000_000)))
    code, message = (board.status.last_error[key] for key in ("code", "message"))
    assert code == "No\\x1b[2JWay"
    assert str(message).startswith("it said\\x9b31m \\x00xx")
    assert len(str(message)) < 17_000
    assert board.events == [Error(str(code), str(message))]

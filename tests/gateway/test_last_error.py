from mmid.errors import TABLE, ConnectionLost
from mmid.events import Error, Event, TtsStart
from mmid.gateway.last_error import LastError
from mmid.secrets import Secret
from mmid.status import Status


def test_an_error_is_shown_with_its_remedy_and_passed_on() -> None:
    status, heard = Status(), list[Event]()
    last = LastError(status, lambda: 1_795_132_800_000, heard.append)
    last.hear(TtsStart())
    assert status.last_error == {}
    lost = Error("connection-lost", "the network went away")
    last.hear(lost)
    assert status.last_error == {
        "code": "connection-lost",
        "message": "the network went away",
        "remedy": TABLE[ConnectionLost].remedy,
        "time": 1_795_132_800_000,
    }
    assert heard == [TtsStart(), lost]


def test_a_code_of_the_cloud_s_own_has_no_remedy_of_ours() -> None:
    status = Status()
    LastError(status, lambda: 1, lambda _: None).hear(Error("QuotaExceeded", "no more"))
    assert status.last_error["remedy"] == ""


def test_a_secret_in_a_message_is_masked() -> None:
    status, secret = Status(), Secret("the-token-of-this-board")
    LastError(status, lambda: 1, lambda _: None).hear(Error("http", f"said {secret.reveal()}"))
    assert status.last_error["message"] == "said ***"

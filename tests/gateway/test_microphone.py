"""The microphone's lease, apart from any dialog."""

import pytest

from mmid.errors import AudioDeviceFailed, Busy, NotTalking
from mmid.gateway.microphone import Microphone
from mmid.hal import RecorderListener
from mmid.status import Status
from tests.gateway.board import ALICE, BOB, Recorder


class Listener(RecorderListener):
    def recorder_audio(self, data: bytes) -> None:
        """Nobody listens."""

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """Nobody listens."""


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def microphone(recorder: Recorder, status: Status) -> Microphone:
    return Microphone(recorder, status, Listener())


def test_it_is_lent_to_one_and_comes_back(
    microphone: Microphone, recorder: Recorder, status: Status
) -> None:
    microphone.lend(ALICE)
    assert (recorder.recording, status.talker) == (True, ALICE)
    with pytest.raises(Busy, match=ALICE):
        microphone.lend(BOB)
    with pytest.raises(NotTalking, match=f"{BOB} does not hold the microphone, {ALICE} does"):
        microphone.take_back(BOB)
    assert microphone.take_back(ALICE)
    assert (recorder.recording, status.talker) == (False, "")


def test_who_lost_it_to_the_cloud_may_give_it_back_once_more(microphone: Microphone) -> None:
    microphone.lend(ALICE)
    microphone.close()
    assert not microphone.take_back(ALICE)
    with pytest.raises(NotTalking, match="nobody does"):
        microphone.take_back(ALICE)


def test_one_that_does_not_open_has_no_holder(
    microphone: Microphone, recorder: Recorder, status: Status
) -> None:
    recorder.broken = True
    with pytest.raises(AudioDeviceFailed):
        microphone.lend(ALICE)
    assert status.talker == ""


def test_the_loss_of_speech_is_news_once_while_it_is_open(
    microphone: Microphone, status: Status
) -> None:
    for _ in range(2):
        microphone.lend(ALICE)
        assert [microphone.dropped(100) for _ in range(3)] == [True, False, False]
        microphone.take_back(ALICE)
    assert status.speech_dropped_bytes == 600


def test_a_failure_is_news_unless_it_is_the_last_one_again(microphone: Microphone) -> None:
    away, busy = AudioDeviceFailed("it is away"), AudioDeviceFailed("it is busy")
    assert [microphone.is_news(error) for error in (away, away, busy, away)] == [
        True,
        False,
        True,
        True,
    ]
    microphone.open()
    assert microphone.is_news(away)

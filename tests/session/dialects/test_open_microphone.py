"""The microphone that is always open, and what becomes of it when it fails."""

from mmid.session.dialects.open_microphone import OpenMicrophone
from mmid.session.effects import StartRecorder
from tests.session.dialects.qwen_realtime.test_failures import opened


def test_a_microphone_is_tried_again_later_and_later_and_at_least_once_a_minute() -> None:
    microphone = OpenMicrophone()
    waits = []
    for _ in range(7):
        microphone.failed(1000.0)
        waits.append(microphone.due - 1000.0)
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    microphone.heard()
    microphone.failed(2000.0)
    assert microphone.due == 2005.0


def test_in_duplex_a_realtime_dialog_asks_for_it_later_and_later() -> None:
    dialect, now, waits = opened("duplex"), 10.0, []
    for _ in range(3):
        dialect.recorder_failed(now)
        waits.append(dialect.deadline - now)
        now = dialect.deadline
        assert dialect.tick(now) == [StartRecorder()]
    assert waits == [5, 10, 20]
    dialect.record(bytes(640), now)
    dialect.recorder_failed(now)
    assert dialect.deadline - now == 5

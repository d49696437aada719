import pytest

from mmid.events import AsrComplete, AsrIncomplete, AsrStart, LlmComplete, LlmIncomplete, TtsStart
from mmid.gateway.timeline import TURNS_KEPT, Moment, Timeline


class SetTimeline(Timeline):
    """One whose clock is set by hand."""

    def __init__(self) -> None:
        super().__init__(lambda: self.now)
        self.now = 0.0


@pytest.fixture
def timeline() -> SetTimeline:
    return SetTimeline()


def test_each_moment_counts_from_the_press_and_only_its_first_time(timeline: SetTimeline) -> None:
    timeline.begin(100.0)
    for timeline.now in (100.125, 101.0):
        timeline.mark(Moment.AUDIO_SENT)
    for timeline.now, event in (
        (100.25, AsrStart()),
        (100.5, AsrIncomplete("what")),
        (100.75, AsrIncomplete("what is")),
        (101.0, AsrComplete("what is it")),
        (101.25, LlmIncomplete("it")),
        (101.5, LlmComplete("it is")),
        (101.5, TtsStart()),
    ):
        timeline.hear(event)
    timeline.now = 102.0
    assert timeline.to_plain(1_795_132_800_000) == [
        {
            "began": 1_795_132_798_000.0,
            "audio-sent": 125.0,
            "first-text": 500.0,
            "final-text": 1000.0,
            "reply-text": 1250.0,
        }
    ]


def test_speech_that_nobody_pressed_for_begins_a_turn(timeline: SetTimeline) -> None:
    for began in (10.0, 20.0):
        timeline.now = began
        timeline.hear(AsrStart())
        timeline.now = began + 1
        timeline.hear(AsrComplete("so it is duplex"))
    turns = timeline.to_plain(21_000)
    assert turns == [{"began": float(ms), "final-text": 1000.0} for ms in (10_000, 20_000)]


def test_before_the_first_turn_nothing_is_noted(timeline: SetTimeline) -> None:
    timeline.mark(Moment.HEARD)
    timeline.hear(AsrComplete("nobody asked"))
    assert timeline.to_plain(1) == []


def test_only_the_last_turns_are_kept(timeline: SetTimeline) -> None:
    for number in range(TURNS_KEPT + 3):
        timeline.begin(float(number))
    began = [turn["began"] for turn in timeline.to_plain(0)]
    assert began == [1000.0 * number for number in range(3, TURNS_KEPT + 3)]

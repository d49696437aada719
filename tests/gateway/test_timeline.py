from mmid.events import AsrComplete, AsrIncomplete, AsrStart, LlmComplete, LlmIncomplete, TtsStart
from mmid.gateway.timeline import TURNS_KEPT, Moment, Timeline


def test_each_moment_counts_from_the_press_and_only_its_first_time() -> None:
    timeline = Timeline()
    timeline.begin(100.0)
    timeline.mark(Moment.AUDIO_SENT, 100.125)
    timeline.mark(Moment.AUDIO_SENT, 101.0)
    timeline.hear(AsrStart(), 100.25)
    timeline.hear(AsrIncomplete("what"), 100.5)
    timeline.hear(AsrIncomplete("what is"), 100.75)
    timeline.hear(AsrComplete("what is it"), 101.0)
    timeline.hear(LlmIncomplete("it"), 101.25)
    timeline.hear(LlmComplete("it is"), 101.5)
    timeline.hear(TtsStart(), 101.5)
    assert timeline.to_plain(102.0, 1_795_132_800_000) == [
        {
            "began": 1_795_132_798_000.0,
            "audio-sent": 125.0,
            "first-text": 500.0,
            "final-text": 1000.0,
            "reply-text": 1250.0,
        }
    ]


def test_speech_that_nobody_pressed_for_begins_a_turn() -> None:
    timeline = Timeline()
    for began in (10.0, 20.0):
        timeline.hear(AsrStart(), began)
        timeline.hear(AsrComplete("so it is duplex"), began + 1)
    turns = timeline.to_plain(20.0, 20_000)
    assert turns == [{"began": float(ms), "final-text": 1000.0} for ms in (10_000, 20_000)]


def test_before_the_first_turn_nothing_is_noted() -> None:
    timeline = Timeline()
    timeline.mark(Moment.HEARD, 1.0)
    timeline.hear(AsrComplete("nobody asked"), 1.0)
    assert timeline.to_plain(1.0, 1) == []


def test_only_the_last_turns_are_kept() -> None:
    timeline = Timeline()
    for number in range(TURNS_KEPT + 3):
        timeline.begin(float(number))
    began = [turn["began"] for turn in timeline.to_plain(0.0, 0)]
    assert began == [1000.0 * number for number in range(3, TURNS_KEPT + 3)]

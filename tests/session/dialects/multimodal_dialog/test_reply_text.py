"""A reply's text is told whole, however the cloud sends it."""

import pytest

from mmid.session.dialects.multimodal_dialog.turn import LONGEST_REPLY, ReplyText
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import output_frame
from tests.session.dialects.multimodal_dialog.trace import REPLYING, follow, render


def test_what_is_shown_is_known_when_the_reply_is_whole() -> None:
    reply = ReplyText()
    assert reply.add("r", "at 12:30", "at half past twelve") == "at half past twelve"
    assert reply.shown == ""
    reply.add("r", "at 12:30.", "at half past twelve.", finished=True)
    assert reply.shown == "at 12:30."


def test_full_texts_are_told_as_they_come() -> None:
    reply = ReplyText()
    assert [reply.add("r", text, "") for text in ("it", "it is", "it is on")] == [
        "it",
        "it is",
        "it is on",
    ]


def test_incremental_texts_are_put_together() -> None:
    reply = ReplyText(incremental=True)
    assert [reply.add("r", text, "") for text in ("it", " is", "", " on")] == [
        "it",
        "it is",
        "it is",
        "it is on",
    ]


@pytest.mark.parametrize("incremental", [False, True])
def test_what_is_read_aloud_is_preferred(incremental: bool) -> None:
    assert ReplyText(incremental=incremental).add("r", "**23°C**", "23 degrees") == "23 degrees"


def test_another_round_is_another_text() -> None:
    reply = ReplyText(incremental=True)
    reply.add("r-1", "yes", "")
    assert reply.add("r-2", "no", "") == "no"
    assert reply.add("", "t", "") == "not", "a frame that names no round belongs to the last"


def test_a_text_without_end_is_cut() -> None:
    reply = ReplyText(incremental=True)
    for _ in range(70):
        whole = reply.add("r", "x" * 1000, "")
    assert len(whole) == LONGEST_REPLY


def test_the_halves_of_an_emoji_in_two_frames_are_joined() -> None:
    reply = ReplyText(incremental=True)
    told = [reply.add("r", text, "") for text in ("so \ud83d", "\ude00!", "\ud83d")]
    assert told == ["so ", "so \U0001f600!", "so \U0001f600!"]
    assert reply.add("r", "", "", finished=True) == "so \U0001f600!\ufffd"


@pytest.mark.parametrize(
    ("incremental", "frames"), [(False, ("it", "it is", "it is on")), (True, ("it", " is", " on"))]
)
def test_both_ways_yield_the_same_events(incremental: bool, frames: tuple[str, ...]) -> None:
    rehearsal = follow(REPLYING, dialog_settings(incremental_response=incremental))
    came = []
    for text in frames:
        frame = output_frame(
            "RespondingContent", text=text, round_id="r", finished=text == frames[-1]
        )
        came.append(render(rehearsal.dialect.receive_text(frame, rehearsal.now)))
    assert came == ["LlmIncomplete it", "LlmIncomplete it is", "LlmComplete it is on"]


def test_what_is_still_said_of_an_interrupted_round_is_not_told() -> None:
    rehearsal = follow(REPLYING)
    stale = output_frame("RespondingContent", text="it is", round_id="r-1")
    rehearsal.dialect.receive_text(stale, rehearsal.now)
    for given in ("interrupt", "< RequestAccepted", "< state Listening", "< state Thinking"):
        rehearsal.act(given)
    assert rehearsal.dialect.receive_text(stale, rehearsal.now) == []
    fresh = output_frame("RespondingContent", text="no", round_id="r-2")
    assert render(rehearsal.dialect.receive_text(fresh, rehearsal.now)) == "LlmIncomplete no"

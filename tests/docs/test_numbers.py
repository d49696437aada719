"""The numbers that pages tell are the code's."""

import pytest

from mmid.dbus import bus, image, incoming, members, service
from mmid.dbus.wire import MessageType
from mmid.gateway import black_box, timeline, tools
from mmid.hal_linux.audio import alsa, device, samples
from mmid.hal_linux.audio.capture import recorder
from mmid.hal_linux.audio.echo import (
    alignment,
    convergence,
    delay_watch,
    playback_stream,
)
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.playback import coded_reply, jitter, player, playout
from mmid.hal_linux.audio.playback import pcm as playback_pcm
from mmid.hal_linux.audio.ring import ByteRing
from mmid.hal_linux.time import clock
from mmid.session import (
    backlog,
    backoff,
    bounded_connection,
    conversation,
    endpoint,
    outbox,
    relay,
    supervisor,
)
from mmid.session.dialects import heartbeat
from mmid.session.dialects.baidu_rtc import cloud as baidu_cloud
from mmid.session.dialects.baidu_rtc import paced_queue, server_messages
from mmid.session.dialects.multimodal_dialog import (
    device_commands,
    dialog,
    directives,
    turn,
    upload,
)
from mmid.session.dialects.qwen_realtime import cloud as qwen_cloud
from mmid.session.dialects.qwen_realtime import realtime
from mmid.session.license import messages
from mmid.session.license import service as license_service
from mmid.settings import Audio, Cloud, Dialog
from tests.rig.processes import REPOSITORY

_SIGNALS = bus._WAITING_LIMITS[MessageType.SIGNAL]
_MESSAGE_BYTES = endpoint._MESSAGE_LIMIT_BYTES
_QWEN_MIB = qwen_cloud._MESSAGE_LIMIT_BYTES // (1024 * 1024)
_REPLIES = bus._WAITING_LIMITS[MessageType.METHOD_RETURN]
_CLOSE_S = bounded_connection.CLOSE_S
_UNACKNOWLEDGED_S = bounded_connection._UNACKNOWLEDGED_MS / 1000

KIB, MIB = 1024, 1024 * 1024

TOLD = {
    "man/org.mmid1.5.rst": [
        f"1 to {members._TEXT_LIMIT} characters, no control characters",
        f"a JSON object of at most {members._OBJECT_LIMIT} characters",
        f"at most {image.IMAGE_LIMIT // MIB} MiB, within {image._TIMEOUT_S:g} s",
        f"no more than {directives.IMAGE_LIMIT_BYTES // KIB} KB",
        f"the last turns, at most {timeline.TURNS_KEPT}, the oldest first",
        f"The last transitions of mmid, at most {black_box.CAPACITY}, oldest first",
        f"A call has {tools._CALL_S:g} s, and {tools._MOST_CALLS} may be under way.",
        f"arguments, which are an object; empty for none; at most {tools._LONGEST_SCHEMA} char",
        f"There may be {tools.MOST_TOOLS}.",
        f"0 ({samples._FLOOR_DB:g} dB or less) to 100",
        f"buffer {recorder._BUFFER_MS} ms``",
        f"A call may have {members.LONGEST_CALL} bytes",
        f"One client may send {incoming.CALLS_LIMIT} calls within a second",
        f"at most {service._WAITING_LIMIT_OF_ONE} of them may wait for their answer",
        f"(of all clients {service._WAITING_LIMIT})",
    ],
    "network.md": [
        f"| `cloud.connect_timeout_s`, {Cloud().connect_timeout_s:g} s |",
        f"while nobody talks | {heartbeat.SILENCE_S:g} s, then a heartbeat;",
        f"in a turn | {heartbeat.TURN_SILENCE_S:g} s, then a heartbeat;",
        f"then a heartbeat; {heartbeat.ANSWER_S:g} s for its answer",
        f"| {qwen_cloud._PING_S:g} s (`qwen-realtime`) or {baidu_cloud._PING_S:g} s (`baidu-rtc`);",
        f"and the {dialog._MALFORMED_LIMIT + 1}th of a connection ends it",
        f"(`qwen-realtime`: the {realtime._MALFORMED_LIMIT + 1}st)",
        f"| one message | {_MESSAGE_BYTES // MIB} MiB; {_QWEN_MIB} MiB with `qwen-realtime` |",
        f"| fragments of one message | {bounded_connection._MOST_FRAGMENTS} |",
        f"messages that wait | {bounded_connection._MOST_FRAMES} |",
        f"| nothing acknowledged of what was sent | {_UNACKNOWLEDGED_S:g} s |",
        f"{conversation._FLUSH_S:g} s for its last message, {_CLOSE_S:g} s for the close",
        f"| `dialog.press_wait_s`, {Dialog().press_wait_s:g} s |",
        f"A press does too, at most every {supervisor._HURRY_S:g} s.",
        f"what is said is kept ({backlog.BACKLOG_S:g} s at most)",
        f"Up to {ByteRing.READ_AHEAD_BYTES // MIB} MiB of a reply wait on the board",
        f"to hold {bounded_connection.UNSENT_BYTES // KIB} KiB that were not sent",
        f"its last {black_box.CAPACITY} transitions",
        f"its last {black_box._TAIL_LINES} moves",
        f"journalctl MESSAGE_ID={black_box.UNCLEAN_END}",
    ],
    "fleet.md": [
        f"begins at {backoff.FIRST_S:g} s, doubles",
        f"stays at {backoff.CAP_S:g} s",
        f"A dialog that lived for {backoff.HEALTHY_S:g} s or more begins the series anew",
        f"drawn anew each time from {backoff._FLOOR_SHARE:g} to 1.0 of a reach",
    ],
    "audio.md": [
        f"| ALSA capture buffer | {recorder._BUFFER_MS} ms |",
        f"| ALSA playback buffer | {player._BUFFER_MS} ms |",
        f"| pre-roll, until the cloud listens | {backlog.BACKLOG_S:g} s |",
        f"| `recorder_rb_size` | {Dialog().recorder_rb_size:,} |",
        f"| ring before the loudspeaker | {ByteRing.READ_AHEAD_BYTES // MIB} MiB and one message",
        f"`player_rb_size` bytes of it ({Dialog().player_rb_size:,})",
        f"is stopped at {ByteRing.LIMIT_BYTES // MIB} MiB",
        f"one or two of its frames of {FRAME_MS} ms later",
        f"{device._LONGEST_DELAY_S * 1000:g} ms, for {device._OUTAGE_S:g} s; the speech goes on",
        f"| not back after {device._OUTAGE_S:g} s |",
        f"| gives or takes no sample for {alsa.STUCK_S:g} s |",
        f"again when {playout._REFILL_S * 1000:g} ms and a period are left",
        f"With a period left in the device ({playback_pcm._LOW_S * 1000:g} ms, if its periods are",
        f"a period of silence ({playback_pcm._AHEAD_S * 1000:g} ms of a longer one)",
        f"in which the newest has {jitter._NEWEST_SHARE:.0%}.".replace("%", " %"),
        f"the {jitter._QUANTILE * 100:g}th percentile of it",
        f"and a margin of {jitter._MARGIN_S * 1000:g} ms have passed",
        f"Of a delay of more than {jitter._MOST_S * 1000:g} ms nothing is learned",
        f"is collected for `audio.jitter_buffer_ms` ({Audio().jitter_buffer_ms})",
        f"from {alsa._SLOW_OPEN_S:g} s on that is a warning",
        f"it is also looked at every {clock._LOOK_EVERY_S:g} s",
    ],
    "duplex.md": [
        f"up to {1000 * playback_stream.LEAD_S:g} ms later",
        f"what the microphone heard, {delay_watch.LATE_MS} ms far",
        f"From {alignment._OTHER_PPM:g} ppm on,",
        f"when it is known to {alignment._KNOWN_PPM:g}, the reference is resampled",
        f"({convergence._PROOF * FRAME_MS / 1000:.1g} s of echo with",
        f"echo with {convergence.GOOD_DB:g} dB less behind it",
        f"are worse than {convergence._POOR_DB:g} dB",
    ],
    "codecs.md": [
        f"{ByteRing.READ_AHEAD_BYTES // MIB} MiB, as in the ring of the loudspeaker",
        f"{coded_reply._PIECES_AT_ONCE} pieces, or what is begun within 4 ms",
    ],
    "work-modes.md": [
        f"a heartbeat in {heartbeat.SILENCE_S:g} s",
        f"100 ms of silence in {upload.SILENCE_EVERY_S:g} s",
        f"is closed after `dialog.max_speech_s` ({Dialog().max_speech_s:g} s)",
        f"in {turn._BURST_S:g} s wait a little",
        f"A picture may have {directives.IMAGE_LIMIT_BYTES // KIB} KiB",
        f"a value is cut after {device_commands._LONGEST_VALUE} characters",
        f"No answer within {heartbeat.ANSWER_S:g} s is a lost connection",
    ],
    "license.md": [
        f"{license_service._EXCHANGE_S:g} s for all of a request",
        f"an answer of {messages.BODY_LIMIT // KIB} KiB at most",
        f"More than {license_service._SKEW_WORTH_TELLING_MS // 1000} s is a warning",
    ],
    "baidu.md": [
        f"HTTPS only, {relay._ANSWER_S:g} s, no redirects",
        f"at most {messages.BODY_LIMIT // KIB} KiB",
        f"within {server_messages.CALL_S:g} s",
        f"More than {paced_queue._MOST_PER_S} messages a second wait",
    ],
    "performance.md": [
        f"| one message of the cloud | {_MESSAGE_BYTES // MIB} MiB; {_QWEN_MIB} MiB with `qwen-",
        f"| messages that nobody has taken yet | {bounded_connection._QUEUED_MESSAGES}, or one ov",
        f"or one over {bounded_connection._LARGE_BYTES // KIB} KiB | the socket is not read |",
        f"| text frames to the cloud | {outbox._TEXT_LIMIT} |",
        f"| a call on the bus | {members.LONGEST_CALL:,} bytes,",
        f"| a reply or a signal to a client | {incoming.BODY_LIMIT // MIB} MiB |",
        f"refusing what is over {incoming.CALLS_LIMIT} calls a second of one client",
        f"| signals that the bus does not take | {_SIGNALS // MIB} MiB |",
        f"| replies that the bus does not take | {_REPLIES // MIB} MiB |",
        f"| calls that wait for each other | {service._WAITING_LIMIT} |",
        f"| a text of `Ask` or `Say` | {members._TEXT_LIMIT} characters |",
        f"| malformed messages of one connection | {dialog._MALFORMED_LIMIT};",
        f"connection | 10; {realtime._MALFORMED_LIMIT} with `qwen-realtime` |",
    ],
}


def page(name: str) -> str:
    """The page, with its lines joined."""
    return " ".join((REPOSITORY / "docs" / name).read_text().split())


@pytest.mark.parametrize("name", TOLD)
def test_a_page_tells_the_numbers_of_the_code(name: str) -> None:
    text = page(name)
    assert [told for told in TOLD[name] if told not in text] == []

"""tap2talk and duplex as traces: who opens the microphone, and who hears the end of a speech."""

import pytest

from mmid.errors import Busy
from mmid.events import AsrEnd
from mmid.session.dialects.multimodal_dialog.stages import FED, Stage
from mmid.session.dialects.stages import WORK_MODES
from mmid.session.effects import Emit
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import server_frame
from tests.session.dialects.multimodal_dialog.stage_routes import MODES, ROUTES, reach
from tests.session.dialects.multimodal_dialog.trace import CONNECTED, LOST, follow

TAP = {
    "a tap opens the microphone, and the cloud closes it": f"""{CONNECTED}
        press                     | flush player; SpeechStart
        mic one                   | audio one
        < SpeechStarted           | AsrStart
        mic two                   | audio two
        < SpeechContent final hi  | AsrComplete hi
        < SpeechEnded             | stop recorder; AsrEnd
        mic three                 |
        release                   |
        < state Thinking          | show thinking
        < state Responding        | show responding; TtsStart; start player
        << head                   | play head
        speaker starts            | > LocalRespondingStarted
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingEnded
        < state Listening         | show listening; SpeechPrepare
    """,
    "a release in mid-speech is followed by silence, in which the cloud hears the end": f"""
        {CONNECTED}
        press                     | flush player; SpeechStart
        mic one                   | audio one
        < SpeechStarted           | AsrStart
        release                   | silence 64000
        mic two                   |
        < SpeechEnded             | AsrEnd
        < state Thinking          | show thinking
    """,
    "what was said just before a release is still heard": f"""{CONNECTED}
        press                     | flush player; SpeechStart
        mic one                   | audio one
        release                   | silence 64000
        2.9 s later               |
        < SpeechStarted           | AsrStart
        < SpeechContent final hi  | AsrComplete hi
        < SpeechEnded             | AsrEnd
        < state Thinking          | show thinking
    """,
    "a tap in which nothing was said is forgotten, and the dialog listens": f"""{CONNECTED}
        press                     | flush player; SpeechStart
        mic one                   | audio one
        release                   | silence 64000
        3 s later                 | note
        press                     | flush player; SpeechStart
    """,
    "the next tap need not wait until the last is forgotten": f"""{CONNECTED}
        press                     | flush player; SpeechStart
        release                   | silence 64000
        press                     | flush player; SpeechStart
        mic one                   | audio one
    """,
    "a cancelled tap is dropped by the cloud": f"""{CONNECTED}
        press                     | flush player; SpeechStart
        mic one                   | audio one
        < SpeechStarted           | AsrStart
        cancel                    | > CancelSpeech; AsrEnd
        < SpeechContent final hi  |
        < state Idle              | note; show idle
        < state Listening         | show listening; SpeechPrepare
    """,
    "a tap during a reply interrupts it, and what was said meanwhile goes first": f"""{CONNECTED}
        < state Responding        | show responding; TtsStart; start player
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; show listening; SpeechRestart; backlog one
        mic two                   | audio two
    """,
    "a tap that is over before the floor is ours is sent whole, with its silence": f"""{CONNECTED}
        < state Responding        | show responding; TtsStart; start player
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        release                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; show listening; SpeechRestart; backlog one; \
silence 64000
    """,
    "silence keeps a cloud content that misses the microphone": f"""{CONNECTED}
        14.9 s later              |
        0.1 s later               | silence 3200
        15 s later                | silence 3200
        10 s later                |
        press                     | flush player; SpeechStart
        mic one                   | audio one
        5 s later                 |
    """,
    "a tap whose microphone gives nothing yet does not put the silence off": f"""{CONNECTED}
        14 s later                |
        press                     | flush player; SpeechStart
        1 s later                 | silence 3200
    """,
    "a question in tap2talk is the same as ever": f"""{CONNECTED}
        ask what                  | flush player; > RequestToRespond prompt what
        < state Thinking          | show thinking
    """,
}

DUPLEX_CONNECTED = """
    open                          | > Start
    < Started d-1                 | save d-1
    < state Listening             | show listening; SpeechReady; SpeechPrepare; SpeechStart; \
start recorder
"""
DUPLEX_REPLYING = f"""{DUPLEX_CONNECTED}
    mic one                       | audio one
    < SpeechStarted               | AsrStart
    < SpeechContent final hi      | AsrComplete hi
    < SpeechEnded                 | AsrEnd
    < state Thinking              | show thinking
    mic two                       | audio two
    < state Responding            | show responding; TtsStart; start player
    << head                       | play head
    speaker starts                | > LocalRespondingStarted
    mic three                     | audio three
"""
DUPLEX = {
    "the microphone goes up in every state, and a reply is as ever": f"""{DUPLEX_REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        mic four                  | audio four
        speaker drained           | > LocalRespondingEnded
        mic five                  | audio five
        < state Listening         | show listening; SpeechPrepare
        mic six                   | audio six
    """,
    "before the first Listening nothing goes up": """
        open                      | > Start
        mic one                   |
    """,
    "a voice interrupts a reply": f"""{DUPLEX_REPLYING}
        < SpeechStarted           | AsrStart
        << more                   | play more
        < state Listening         | flush player; TtsEnd; show listening; SpeechPrepare; \
SpeechRestart
        << stale                  | note
        speaker drained           |
        < SpeechContent final no  | AsrComplete no
        < SpeechEnded             | AsrEnd
        < state Thinking          | show thinking
        < state Responding        | show responding; TtsStart; start player
        << next                   | play next
        speaker starts            | > LocalRespondingStarted
    """,
    "a voice interrupts a reply that the loudspeaker has not finished": f"""{DUPLEX_REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        < state Listening         | flush player; show listening; SpeechPrepare; SpeechRestart
        < SpeechStarted           | AsrStart
    """,
    "a voice that the cloud thinks about at once interrupts a reply too": f"""{DUPLEX_REPLYING}
        < SpeechStarted           | AsrStart
        < SpeechEnded             | AsrEnd
        < state Thinking          | flush player; TtsEnd; show thinking
        < state Responding        | show responding; TtsStart; start player
    """,
    "an interruption by command asks for the floor, and the microphone goes on": f"""
        {DUPLEX_REPLYING}
        interrupt                 | flush player; TtsEnd; > RequestToSpeak
        mic four                  | audio four
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
    """,
    "a question waits until nobody talks": f"""{DUPLEX_CONNECTED}
        < SpeechStarted           | AsrStart
        ask what                  | refused Busy
        < SpeechEnded             | AsrEnd
        ask what                  | flush player; > RequestToRespond prompt what
    """,
    "nobody can press": f"""{DUPLEX_CONNECTED}
        press                     | refused Unsupported
        release                   |
        cancel                    |
        mic one                   | audio one
    """,
    "a microphone that fails is opened again, and silence goes up meanwhile": f"""
        {DUPLEX_CONNECTED}
        mic one                   | audio one
        mic fails                 |
        4.9 s later               |
        0.1 s later               | start recorder
        mic fails                 |
        10 s later                | silence 3200; start recorder
        mic two                   | audio two
        mic fails                 |
        5 s later                 | start recorder
    """,
    "an error of the turn leaves the microphone open": f"""{DUPLEX_REPLYING}
        < Error 500 LLMTimeoutError | Error LLMTimeoutError; flush player; TtsEnd
        mic four                  | audio four
        < state Listening         | show listening; SpeechPrepare
    """,
    "a connection that breaks while somebody talks is an Error": f"""{DUPLEX_CONNECTED}
        < SpeechStarted           | AsrStart
        drop | stop recorder; flush player; AsrEnd; Error connection-lost; {LOST}
        mic one                   |
    """,
    "leaving closes the microphone": f"""{DUPLEX_CONNECTED}
        leave                     | stop recorder; flush player; show offline; > Stop; close retry
    """,
}


@pytest.mark.parametrize("behaviour", TAP)
def test_in_tap2talk(behaviour: str) -> None:
    follow(TAP[behaviour], dialog_settings(work_mode="tap2talk"))


@pytest.mark.parametrize("behaviour", DUPLEX)
def test_in_duplex(behaviour: str) -> None:
    follow(DUPLEX[behaviour], dialog_settings(work_mode="duplex"))


def test_in_duplex_a_voice_whose_end_never_comes_is_forgotten() -> None:
    rehearsal = reach(Stage.LISTENING, "duplex")
    dialect, now = rehearsal.dialect, rehearsal.now
    dialect.receive_text(server_frame("SpeechStarted"), now)
    dialect.receive_text(server_frame("SpeechContent partial and"), now + 40)
    dialect.receive_text(server_frame("HeartBeat"), now + 80)
    assert Emit(AsrEnd()) not in dialect.tick(now + 99)
    with pytest.raises(Busy):
        dialect.ask("what", now + 99)
    assert Emit(AsrEnd()) in dialect.tick(now + 100)
    dialect.ask("what", now + 101)


def test_every_work_mode_of_the_settings_is_here() -> None:
    assert set(WORK_MODES) == set(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_a_cloud_that_wants_audio_never_waits_20_s_for_it(mode: str) -> None:
    for stage in ROUTES[mode]:
        if stage in FED[mode]:
            assert reach(stage, mode).dialect.deadline < 20, stage
    assert Stage.STARTING not in FED[mode]


def test_silence_in_opus_is_packets_of_opus() -> None:
    settings = dialog_settings(work_mode="tap2talk", upstream_mode="raw-opus")
    follow(
        f"""{CONNECTED}
        15 s later                | backlog 3 x5
        press                     | flush player; SpeechStart
        release                   | backlog 3 x100
        """,
        settings,
    )

"""A dialog through the service: press, speak, hear, on plain ``hw:`` devices."""

import asyncio
from pathlib import Path

from tests.image.inside.cloud import facts, journal, recording, write_reply
from tests.image.inside.cost import Costs
from tests.image.inside.key import Key
from tests.image.inside.service import listening, with_baidu_rtc, with_qwen_realtime
from tests.image.inside.shell import run
from tests.image.inside.unit import UNIT
from tests.rig.listener import DEVICE, DIALOG, Listener
from tests.vm.inside.loopback import (
    LOUDSPEAKER_HZ,
    MICROPHONE_HZ,
    Sounds,
    load_driver,
    noise,
    plug_in_new_card,
    unplug_card,
)

_AUDIO = "org.mmid1.Audio"
_SPEECH_S = 3.0
_BAIDU_HZ = 16000
_ROOM_S = 60
_SAMPLE_BYTES = 2


async def push_to_talk_is_bit_exact(place: Path) -> str:
    """What is said reaches the cloud, and what it answers the loudspeaker, sample for sample."""
    load_driver("snd-aloop")  # the service was there first
    async with listening() as listener:
        return await _bit_exact_turn(listener, place)


async def with_the_second_cloud_it_is_bit_exact_too(place: Path) -> str:
    """qwen-realtime by its settings and the API key: the same turn, and what it cost is told."""
    load_driver("snd-aloop")
    before = len(journal("register"))
    with with_qwen_realtime(facts()):
        async with listening() as listener:
            found = await _bit_exact_turn(listener, place)
            usage = await listener.client.get(DIALOG, "Usage")
            assert await listener.client.get(DEVICE, "Cloud") == "qwen-realtime"
    assert len(journal("register")) == before, "it registered for a cloud that needs no license"
    assert usage["input_tokens"] > 0, usage
    return f"{found}; {usage['input_tokens']} tokens in, {usage['output_tokens']} out"


async def with_the_third_cloud_it_is_bit_exact_and_activated_once(place: Path) -> str:
    """baidu-rtc by its settings and the licence's key; a second start is no second activation."""
    load_driver("snd-aloop")
    before = len(journal("refusal"))
    write_reply(_BAIDU_HZ)
    try:
        with with_baidu_rtc(facts()):
            async with listening() as listener:
                found = await _bit_exact_turn(listener, place, _BAIDU_HZ)
                assert await listener.client.get(DEVICE, "Cloud") == "baidu-rtc"
            run("systemctl", "restart", UNIT)
            async with listening() as listener:
                await listener.wait_for(".State", "listening")
    finally:
        write_reply(LOUDSPEAKER_HZ)
    assert [one["used"] for one in journal("activation")] == [1], journal("activation")
    assert len(journal("instance")) >= 2, "the second start made no instance"
    assert len(journal("refusal")) == before, journal("refusal")
    return found


async def a_key_of_the_board_talks(place: Path) -> str:
    """docs/examples/push_to_talk.c under a user of the groups input and mmid; a real input key."""
    run("useradd", "--groups", "input,mmid", "button")
    spoken = _spoken(place)
    with Key() as key:
        async with listening() as listener:
            await listener.wait_for(".State", "listening")
            program = await asyncio.create_subprocess_exec(
                *("runuser", "-u", "button", "--", "/var/lib/image-test/push_to_talk"),
                *(key.device, "0"),
            )
            try:
                with Sounds(place, place / "microphone.pcm") as sounds:
                    await asyncio.sleep(0.5)  # the program says nothing when it is there
                    key.press()
                    await listener.wait_for("AsrStart")
                    await listener.wait_for("AsrIncomplete")
                    key.release()
                    await _end_of_turn(listener, 0)
                    recorded = sounds.end()
            finally:
                program.terminate()
                await program.wait()
    return _compare(spoken, recorded, 0.0)


async def a_card_that_goes_and_comes_is_used_again(place: Path) -> str:
    """Unplugged in mid-speech: told as an error; with a new card the next turn is whole."""
    spoken = _spoken(place)
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
        with Sounds(place, place / "microphone.pcm"):
            await listener.call("StartSpeech")
            await listener.wait_for("AsrIncomplete")
            unplugging = asyncio.create_task(asyncio.to_thread(unplug_card))
            told = await listener.wait_for("Error")
        await unplugging
        assert told.values[0] == "audio-device", told
        await asyncio.to_thread(plug_in_new_card)
        with Sounds(place, place / "microphone.pcm") as sounds:
            await turn(listener, 1.0, after=len(listener.heard))
            recorded = sounds.end()
    return f"told {told.values[1]!r}; then {_compare(spoken, recorded, 1.0)}"


async def _bit_exact_turn(listener: Listener, place: Path, rate_hz: int = LOUDSPEAKER_HZ) -> str:
    """Hold one turn; see that nothing of it was lost, and tell what it cost."""
    spoken = _spoken(place)
    await listener.wait_for(".State", "listening")
    with Sounds(place, place / "microphone.pcm", rate_hz) as sounds:
        costs = Costs()
        await turn(listener, _SPEECH_S)
        cost = costs.told()
        recorded = sounds.end()
    counts = await listener.client.get_all(_AUDIO)
    found = _compare(spoken, recorded, _SPEECH_S, rate_hz)
    assert (counts["RecorderOverruns"], counts["PlayerUnderruns"]) == (0, 0), counts
    return f"{found}; {cost}"


async def turn(listener: Listener, seconds: float, *, after: int = 0) -> None:
    """Speak for a while, and hear the reply out."""
    if await listener.state() != "listening":
        await listener.wait_for(".State", "listening", after=after)
    start = len(listener.heard)
    await listener.call("StartSpeech")
    await asyncio.sleep(seconds)  # it is how long a person speaks
    await listener.call("StopSpeech")
    await _end_of_turn(listener, start)


async def _end_of_turn(listener: Listener, start: int) -> None:
    ended = await listener.wait_for("TtsEnd", after=start, timeout_s=40)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


def _spoken(place: Path) -> bytes:
    """Write what is said to the microphone, and return it."""
    spoken = noise(_ROOM_S * MICROPHONE_HZ)
    (place / "microphone.pcm").write_bytes(spoken)
    return spoken


def _compare(spoken: bytes, recorded: bytes, seconds: float, rate_hz: int = LOUDSPEAKER_HZ) -> str:
    """See that both directions are whole; return how long they were."""
    # The cable is silent for a moment when it is plugged in, and a last frame is filled up.
    said, answered = recording("speech").strip(b"\0"), recording("reply")
    assert len(said) > (seconds - 0.5) * MICROPHONE_HZ * _SAMPLE_BYTES, len(said)
    assert said, "nothing was said"
    assert said in spoken, "samples were lost or doubled on the way to the cloud"
    assert len(answered) == rate_hz * 3 // 2 * _SAMPLE_BYTES, len(answered)
    assert answered in recorded, "samples were lost or doubled on the way to the loudspeaker"
    return f"{len(said)} bytes said, {len(answered)} answered, all equal"

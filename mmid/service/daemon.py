"""The composition root: builds every part, starts them in order, stops them in reverse.

The only module that knows all others. READY is told when the record was read
and the bus name is owned, not when the cloud answered: a board without a
network is a healthy board. What talks to the cloud is imported after it. What
cannot be degraded (no bus, no store, a broken invariant) ends the process, and
systemd starts it again.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager

from mmid import __version__
from mmid.dbus.front import Front
from mmid.errors import AudioDeviceFailed
from mmid.events import State
from mmid.gateway.black_box import BlackBox
from mmid.gateway.board import Board
from mmid.gateway.gateway import Gateway
from mmid.hal import Clock, Mixer
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.codecs import make_decoder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.store_lock import hold_store
from mmid.hal_linux.time.clock import BoottimeEventLoop, KernelClock, StepWatch
from mmid.service import sysd
from mmid.service.reload import Reload
from mmid.session.clouds import cloud_of
from mmid.session.dialer import Dialer
from mmid.session.license.exchange import exchange
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import RAW_OPUS_BITS_PER_S, Audio, Dialog, Settings
from mmid.settings.loading import Loading
from mmid.status import Status

_log = logging.getLogger(__name__)


def run(settings: Settings, start_loading: Callable[[], Loading]) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Args:
        settings: what to run with.
        start_loading: reads them again, on SIGHUP.

    Raises:
        MmidError: a part that cannot be done without failed.
    """
    sysd.configure_logging(settings.log.level)
    # Timers count suspended time: after a resume what is overdue is due at once.
    with asyncio.Runner(loop_factory=BoottimeEventLoop) as runner:
        return runner.run(_serve(settings, start_loading))


async def _serve(settings: Settings, start_loading: Callable[[], Loading]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    reload = Reload(settings, start_loading)
    loop.add_signal_handler(signal.SIGHUP, reload.ask)
    clock = KernelClock(settings.clock.require_sync)
    status = _first_status(settings, clock)
    async with AsyncExitStack() as stack:
        # What is entered first is left last: the record is closed after all that writes to it.
        stack.enter_context(hold_store(settings.storage.target))
        black_box = stack.enter_context(_black_box(loop))
        book = RecordBook(open_store(settings.storage.target, key=settings.storage.key))
        await book.load()
        stack.push_async_callback(book.close)
        board, supervisor = _build(settings, status, clock, book, black_box)
        gateway = Gateway(
            supervisor=supervisor,
            board=board,
            status=status,
            book=book,
            black_box=black_box,
            clock=clock,
            settings=settings,
        )
        watch = StepWatch(lambda step_s: _clock_stepped(clock, status, supervisor, step_s))
        stack.callback(watch.close)
        # From here on clients may call, so all that they can ask for is built before.
        front = await Front.open(settings.dbus.bus, status, gateway)
        stack.push_async_callback(front.close)
        board.on_event = front.emit
        board.tools.call_program = front.call_tool
        line = sysd.StatusLine()
        status.observe(
            lambda _: None if stop.is_set() else line.show(_status_line(status, supervisor))
        )
        # The loop pings; a sound device that is in use and not served keeps it from doing so.
        watchdog = sysd.Watchdog(board.standing_still)
        watchdog.start()
        stack.callback(watchdog.stop)
        sysd.notify(ready=True, status=_status_line(status, supervisor))
        _log.info("ready as org.mmid1 on the %s bus", settings.dbus.bus)
        settling = asyncio.create_task(_settle(supervisor), name="mmid-settle")
        try:
            await _live(stop, supervisor, front, reload.run(gateway.use))
        finally:
            await asyncio.gather(settling, return_exceptions=True)
    return 0


@contextmanager
def _black_box(loop: asyncio.AbstractEventLoop) -> Iterator[BlackBox]:
    """Keep the black box open; tell how the run before ended, and note how this one does."""
    black_box = BlackBox.open(sysd.runtime_directory())
    black_box.started(loop.time(), __version__)
    try:
        yield black_box
    except BaseException as error:
        black_box.ended(loop.time(), error)
        raise
    else:
        black_box.ended(loop.time(), None)
    finally:
        black_box.close()


def _build(
    settings: Settings, status: Status, clock: Clock, book: RecordBook, black_box: BlackBox
) -> tuple[Board, Supervisor]:
    audio, dialog = settings.audio, settings.dialog
    gain = SoftwareGain()
    recorder = _recorder(audio, dialog, status)
    player = _player(audio, dialog, gain, status)
    volume_changed = _cancel_echo(audio, recorder, player, status)
    board = Board(
        dialog=dialog,
        status=status,
        book=book,
        black_box=black_box,
        clock=clock,
        recorder=recorder,
        player=player,
        mixer=_mixer(audio, gain, volume_changed),
        prompts=settings.prompts,
    )
    cloud = cloud_of(settings.cloud.protocol)
    dialer = Dialer(settings)
    supervisor: Supervisor
    access = cloud.access(
        settings,
        book=book,
        clock=clock,
        status=status,
        exchange=exchange,
        rehearse=dialer.rehearse,
        work_mode=lambda: supervisor.work_mode,
    )
    access.show()
    supervisor = Supervisor(
        access=access,
        dialer=dialer,
        clock=clock,
        status=status,
        host=board,
        dialog_id=lambda: book.record.dialog_id,
        work_mode=dialog.work_mode,
    )
    # Each needs the other: the board presses and releases, the supervisor has effects carried out.
    board.supervisor = supervisor
    return board, supervisor


def _cancel_echo(
    audio: Audio, recorder: AlsaRecorder, player: AlsaPlayer, status: Status
) -> Callable[[], None]:
    """Have the replies taken out of what the microphone hears, if that is set.

    Returns:
        what is to be called when the card's volume was turned.
    """
    if audio.echo_canceller == "none":
        return lambda: None
    from mmid.hal_linux.audio.echo.cancellation import connect  # noqa: PLC0415 - few have it

    echo = connect(
        recorder,
        player,
        tail_ms=audio.echo_tail_ms,
        microphone=audio.capture_channel,
        loopback=audio.loopback_channel,
    )
    echo.observe(lambda: status.update(echo_cancellation=echo.status))
    status.update(echo_cancellation=echo.status)
    return echo.volume_changed


def _recorder(audio: Audio, dialog: Dialog, status: Status) -> AlsaRecorder:
    """Return the microphone, with an encoder if the cloud is to get another codec."""
    encoder = None
    if dialog.upstream_mode != "pcm":
        from mmid.hal_linux.audio.codecs import make_encoder  # noqa: PLC0415 - few want them

        encoder = make_encoder(dialog.upstream_mode, dialog.us_sample_rate, RAW_OPUS_BITS_PER_S)
    recorder = AlsaRecorder(audio.capture_device, dialog.us_sample_rate, audio.period_ms, encoder)
    recorder.observe(
        lambda: status.update(capture_format=recorder.format, recorder_overruns=recorder.overruns)
    )
    return recorder


def _player(audio: Audio, dialog: Dialog, gain: SoftwareGain, status: Status) -> AlsaPlayer:
    """Return the loudspeaker, with a decoder of what the cloud sends."""
    player = AlsaPlayer(
        audio.playback_device,
        dialog.ds_sample_rate,
        audio.period_ms,
        gain,
        decoder=make_decoder(dialog.downstream_mode, dialog.ds_sample_rate),
        ahead_bytes=dialog.player_rb_size,
        jitter_buffer_ms=audio.jitter_buffer_ms,
    )
    player.observe(
        lambda: status.update(playback_format=player.format, player_underruns=player.underruns)
    )
    return player


def _mixer(audio: Audio, gain: SoftwareGain, on_change: Callable[[], None]) -> Mixer:
    """Return the card's control if there is one; a card that is away must not stop the start."""
    if not audio.mixer_control:
        return gain
    from mmid.hal_linux.audio.playback.mixer import AlsaMixer  # noqa: PLC0415 - few have one

    try:
        mixer = AlsaMixer(audio.mixer_device, audio.mixer_control)
    except AudioDeviceFailed as error:
        _log.warning("%s; mmid scales the samples itself", error)
        return gain
    mixer.observe(on_change)
    return mixer


def _clock_stepped(
    clock: KernelClock, status: Status, supervisor: Supervisor, step_s: float
) -> None:
    """Say that the time is another now, and let who waits for it look."""
    _log.info("the clock was set, or the board woke from suspend: it moved by %+.3f s", step_s)
    clock.notice_step()
    status.update(clock_synchronized=clock.synchronized)
    supervisor.clock_set()


def _first_status(settings: Settings, clock: Clock) -> Status:
    return Status(
        work_mode=settings.dialog.work_mode,
        cloud=settings.cloud.protocol,
        clock_synchronized=clock.synchronized,
        capture_device=settings.audio.capture_device,
        playback_device=settings.audio.playback_device,
    )


async def _settle(supervisor: Supervisor) -> None:
    """Import the rest; then what the start made is there for good, and garbage is looked for.

    A full collection would look at all of it, and on a small board hold up the sound for
    longer than a period.
    """
    try:
        await supervisor.prepare()
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


async def _live(
    stop: asyncio.Event,
    supervisor: Supervisor,
    front: Front,
    reloading: Coroutine[None, None, None],
) -> None:
    """Run until the event; a part that ends before has failed, and its error is raised."""
    reload = asyncio.create_task(reloading, name="mmid-reload")
    parts = {
        asyncio.create_task(supervisor.run(), name="mmid-supervisor"),
        asyncio.create_task(front.wait_lost(), name="mmid-bus"),
        reload,
    }
    stopping = asyncio.create_task(stop.wait(), name="mmid-stop")
    try:
        done, _ = await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for part in done & parts:
            part.result()
    finally:
        stop.set()  # also where a part failed: from here on the status is told by nobody else
        reload.cancel()  # or systemd would hear after STOPPING that we are ready, or reload
        sysd.notify(stopping=True, status="stopping")
        _log.info("stopping")
        # First the cloud hears a goodbye, and a registration under way is stored.
        await supervisor.stop()
        for task in (*parts, stopping):
            task.cancel()
        await asyncio.gather(*parts, stopping, return_exceptions=True)


def _status_line(status: Status, supervisor: Supervisor) -> str:
    """Say in a line what mmid is doing, for ``systemctl status``."""
    if not status.clock_synchronized and status.state is State.CONNECTING:
        return "waiting for the clock to be set"
    heard = "; the microphone is heard by other programs" if status.listeners else ""
    return (supervisor.describe() or f"{status.state} as {status.device_name}") + heard

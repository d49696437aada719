"""Whatever happens, in whatever order, in every work mode: the rules that nothing may break."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mmid.errors import CallerError
from mmid.session.dialects.multimodal_dialog.stages import STAGES, Stage
from mmid.session.effects import Effect, Moved
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.stage_routes import MODES
from tests.session.dialects.multimodal_dialog.trace import Rehearsal, dialect
from tests.session.dialects.multimodal_dialog.witness import Witness

# What an honest cloud says in one go, and what no cloud should say.
HONEST = [
    ["Started d-1", "state Listening"],
    ["RequestAccepted", "state Listening"],
    ["state Listening"],
    ["SpeechStarted"],
    ["SpeechContent partial hi"],
    ["SpeechContent final hi", "SpeechEnded", "state Thinking"],
    ["state Responding", "RespondingStarted"],
    ["RespondingContent final it is on", "RespondingEnded"],
    ["HeartBeat"],
]
ODD = [
    ["state Listening", "RequestAccepted"],
    ["RequestAccepted"],
    ["SpeechEnded"],
    ["state Thinking"],
    ["state Responding"],
    ["state Idle"],
    ["RespondingStarted"],
    ["RespondingEnded"],
    ["Error 451 NoSpeechRecognized"],
    ["Error 500 LLMTimeoutError"],
    ["VideoStarted"],
    ["raw nonsense"],
]
RARE = [["Stopped"], ["fatal 449 TooManyInterrupt"], ["task-failed ResponseTimeout"]]
CLOUD = st.one_of(st.sampled_from(HONEST), st.sampled_from(HONEST), st.sampled_from(ODD))

# The stages in which a press may hold the microphone.
WITH_MICROPHONE = {Stage.TALKING, Stage.ASKING}
# Until a RequestToSpeak may be sent the stage that waits for its answer may last longer.
PACE_S = 2.5


class AnyInterleaving(RuleBasedStateMachine):
    """A cloud, people, a board and time that do whatever they like."""

    @initialize(mode=st.sampled_from(MODES), connected=st.booleans())
    def a_connection_is_open(self, mode: str, connected: bool) -> None:
        self.rehearsal = Rehearsal(dialect(dialog_settings(work_mode=mode)))
        self.witness = Witness(mode)
        self.chunks = iter(range(1, 10_000))
        self.stage, self.since = Stage.STARTING, 0.0
        self.do("open")
        if connected:  # so that more of it is about turns
            self.the_cloud_speaks(HONEST[0])

    @rule(lines=CLOUD)
    def the_cloud_speaks(self, lines: list[str]) -> None:
        for line in lines:
            self.witness.hear(line, self.rehearsal.now)
            if self.stage in {Stage.LISTENING, Stage.RESPONDING}:
                self.since = self.rehearsal.now  # it may renew the deadline
            self.do(f"< {line}")

    @rule(size=st.sampled_from([0, 1, 640, 8000]))
    def the_cloud_sends_audio(self, size: int) -> None:
        if self.stage is Stage.RESPONDING:
            self.since = self.rehearsal.now
        self.do(f"<< {size}")

    @rule(line=st.sampled_from(RARE), sure=st.integers(0, 9))
    def the_cloud_gives_up(self, line: list[str], sure: int) -> None:
        if sure == 9:
            self.the_cloud_speaks(line)

    @precondition(lambda self: not self.witness.microphone)
    @rule()
    def somebody_presses(self) -> None:
        try:
            self.rehearsal.dialect.check_speech()
        except CallerError:
            return
        self.witness.microphone, self.witness.spoken = True, b""
        self.do("press")

    @precondition(lambda self: self.witness.microphone)
    @rule()
    def the_microphone_records(self) -> None:
        chunk = next(self.chunks).to_bytes(2, "big")
        self.witness.spoken += chunk
        self.see(self.rehearsal.dialect.record(chunk, self.rehearsal.now))

    @precondition(lambda self: self.witness.microphone and not self.witness.streams)
    @rule(how=st.sampled_from(["release", "release", "cancel"]))
    def the_speech_ends(self, how: str) -> None:
        self.witness.microphone = False
        self.do(how)

    @precondition(lambda self: self.witness.microphone)
    @rule(sure=st.integers(0, 2))
    def the_microphone_fails(self, sure: int) -> None:
        if sure == 2:
            self.witness.microphone = False
            self.do("mic fails")

    @rule(what=st.sampled_from(["interrupt", "ask what", "say hello", "tell"]))
    def somebody_wants_something(self, what: str) -> None:
        self.do(what)

    @rule(what=st.sampled_from(["starts", "starts", "drained", "drained", "fails"]))
    def the_loudspeaker_reports(self, what: str) -> None:
        if what == "fails":
            self.witness.open.discard("player")
        self.do(f"speaker {what}")

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.3, 0.6, 5.0, 20.0, 70.0]))
    def time_goes_by(self, seconds: float) -> None:
        for effects in self.rehearsal.let_pass(seconds):
            self.see(effects)
        self.check()

    @rule(how=st.sampled_from(["leave", "drop"]), sure=st.integers(0, 9))
    def it_ends(self, how: str, sure: int) -> None:
        if sure == 9:
            self.do(how)

    def do(self, line: str) -> None:
        """Do one line, and have the witness look at what came of it."""
        self.see(self.rehearsal.do(line))

    def see(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Moved) and effect.cause != "begin":
                assert effect.stage != self.stage, "a move is to another stage"
                self.stage, self.since = Stage(effect.stage), self.rehearsal.now
            self.witness.see(effect, self.rehearsal.now)
        self.check()

    def check(self) -> None:
        """Check what must be true at every moment."""
        dialect, now = self.rehearsal.dialect, self.rehearsal.now
        assert dialect.machine.stage is self.stage, "every move is told"
        if self.stage is Stage.CLOSED:
            self.witness.closed = True
            assert dialect.deadline == inf
            assert not self.witness.open & {"Asr", "Tts", "player"}
            assert not self.witness.microphone
            return
        assert not (self.witness.streams and self.witness.stopped), "duplex listens to the end"
        slack = PACE_S if self.stage is Stage.ASKING else 0.0
        assert now - self.since <= STAGES[self.stage].deadline_s + slack + 1e-9
        self.witness.check_upload(now)
        if self.witness.microphone and not self.witness.streams:
            assert self.stage in WITH_MICROPHONE, "the microphone is released when nobody talks"

    def teardown(self) -> None:
        """Left alone with a cloud that answers heartbeats only, the dialog comes to rest."""
        # A loudspeaker that never reports may have 20 minutes; all else has ended by then.
        for seconds in (*[5.0] * 40, *[20.0] * 60, *[5.0] * 40):
            self.time_goes_by(seconds)
            self.the_cloud_speaks(["HeartBeat"])
        assert self.stage in {Stage.LISTENING, Stage.CLOSED}


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings()  # of the profile that is loaded now

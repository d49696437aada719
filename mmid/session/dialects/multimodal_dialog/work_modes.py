"""The three work modes: who opens the microphone, who hears where a speech ends (section 7).

    push2talk  a press opens the microphone; SendSpeech and StopSpeech frame what is said
    tap2talk   a press opens the microphone; the cloud hears the end of the speech
    duplex     the microphone is always open, during replies too; a voice interrupts a reply

In tap2talk the documents let the microphone stream all the time. Here it is
open from StartSpeech to the end of the speech only, and silence keeps the
cloud content meanwhile: a board does not listen to a room that it was not
asked to listen to. In duplex that is the point; nobody holds the microphone
then (``Talker`` is empty), and an echo canceller must be in front of it.
"""

from mmid.frozen import frozen
from mmid.session.dialects.multimodal_dialog.stages import Stage


@frozen
class WorkModeRules:
    """The rules of a work mode.

    Attributes:
        pressed: the microphone is opened by a press and closed again; else it is always open.
        framed: SendSpeech and StopSpeech frame a speech; else the cloud hears its end.
        fed: stages in which the cloud gives up (444) after 20 s without audio.
    """

    pressed: bool
    framed: bool
    fed: frozenset[Stage]


_ALWAYS = frozenset(Stage) - {Stage.STARTING, Stage.CLOSED}

WORK_MODES: dict[str, WorkModeRules] = {
    "push2talk": WorkModeRules(pressed=True, framed=True, fed=frozenset({Stage.TALKING})),
    # The rule is for Listening only, but audio may be sent in every state.
    "tap2talk": WorkModeRules(pressed=True, framed=False, fed=_ALWAYS),
    "duplex": WorkModeRules(pressed=False, framed=False, fed=_ALWAYS),
}

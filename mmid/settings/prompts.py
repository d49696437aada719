"""The table ``prompts``: sounds that explain a silence."""

from mmid.frozen import frozen
from mmid.settings.option import at_start

_FILE = r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,63})?$"
_FORM = "the name of a file in prompts.directory: at most 64 of A-Z a-z 0-9 . _ -"


@frozen
class PromptFiles:
    """Sounds of the board's own, WAV of 16-bit mono and at most 10 s; a press silences them."""

    directory: str = at_start(
        "",
        "Where the files are; /usr/share/mmid/prompts has four. Empty: none is ever played.",
        pattern=r"^(/\S+)?$",
        form="an absolute path, or empty",
    )
    offline: str = at_start(
        "", "Played for a press while no cloud is connected.", pattern=_FILE, form=_FORM
    )
    license: str = at_start(
        "",
        "The same, where what keeps it away is that the board is not, or no more, let in.",
        pattern=_FILE,
        form=_FORM,
    )
    error: str = at_start(
        "", "Played when what was said is not answered.", pattern=_FILE, form=_FORM
    )

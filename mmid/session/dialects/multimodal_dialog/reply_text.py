"""The text of a reply as a whole, whether the cloud repeats it or sends what is new (section 5)."""

__all__ = ["LONGEST_REPLY", "ReplyText"]

# A reply that is read aloud for an hour; beyond it no more is kept.
LONGEST_REPLY = 65536


class ReplyText:
    """What one round's reply says so far.

    Args:
        incremental: Start asked for ``incremental_response``: each frame has only what is new.
    """

    def __init__(self, *, incremental: bool = False) -> None:
        self._incremental = incremental
        self._text = self._spoken = ""
        self.round_id = ""

    def add(self, round_id: str, text: str, spoken: str) -> str:
        """Take a frame's text and what the voice reads of it; return the whole.

        What is read aloud is preferred, as the vendor's SDK does.
        """
        if round_id and round_id != self.round_id:
            self._text = self._spoken = ""
            self.round_id = round_id
        if not self._incremental:
            return spoken or text
        self._text = (self._text + text)[:LONGEST_REPLY]
        self._spoken = (self._spoken + spoken)[:LONGEST_REPLY]
        return self._spoken or self._text

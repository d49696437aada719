"""The heart of every store: two copies of one record, of which one is always sound.

A medium (file, partition, raw flash, UBI volume) offers two slots; this module
decides what is written where and when. The rules that make it survive a power
cut at any instant:

- the slot that is written first is never the one that holds the newest record;
- the other one follows only when the first was read back and is right;
- a blank medium where a cut can leave half a write gets two records saying
  "erased" before the first real one: from then on a damaged copy always has a
  sound one beside it.

So a save leaves the old payload or the new one, and after it one bad block
loses nothing. What changes often and can be done without is saved in one copy:
half the wear and half the time, and a bad block then brings back the payload
before. What is not mmid's is refused, and overwritten only by force.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum

from mmid.errors import StorageFailed
from mmid.frozen import frozen
from mmid.hal_linux.storage.medium import Medium, signature
from mmid.hal_linux.storage.record_format import (
    INITIAL,
    LAST_SEQUENCE,
    NO_FLAGS,
    SEALING_BYTES,
    Flag,
    ForeignContent,
    Record,
    begins_as_record,
    decode,
    encode,
    is_first_write_cut_short,
)
from mmid.hal_linux.storage.sealing import Sealing

# How a read fails where flash is worn out or a write was torn; the other copy may be sound.
_UNREADABLE = {errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.EILSEQ, errno.ENODATA}


class SlotState(StrEnum):
    """What one copy of the device record is."""

    VALID = "valid"
    BLANK = "blank"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


@frozen
class Copy:
    """What was found in one slot.

    Attributes:
        index: 0 or 1.
        state: what it is.
        record: if it is valid.
        problem: why it is not, as a part of a sentence.
        certain: foreign beyond doubt, since no torn write of ours looks like this; so
            nothing is written even if the other copy is valid.
    """

    index: int
    state: SlotState
    record: Record | None = None
    problem: str = ""
    certain: bool = False

    @property
    def sequence(self) -> int:
        """The higher, the newer; a copy that is not valid is older than any."""
        return self.record.sequence if self.record else -1


class SlotStore:
    """A ``Store`` in two slots of a medium.

    Args:
        medium: where the slots are.
        sealing: how the payload is encrypted; None: it is not.
        force: overwrite what is foreign or damaged.
    """

    def __init__(
        self, medium: Medium, *, sealing: Sealing | None = None, force: bool = False
    ) -> None:
        self.name = medium.name
        self._medium = medium
        self._sealing = sealing
        self._force = force
        # What the last save read back. Whoever writes holds ``store_lock``, so nobody else
        # did since, and the next save need not read all of it once more.
        self._known: list[Copy] | None = None

    def load(self) -> bytes | None:
        with self._opened("read", write=False):
            newest = _newest(self._healthy(force=False))
        return self._payload(newest) if newest else None

    def save(self, payload: bytes, *, always: bool = False, both: bool = True) -> None:
        with self._opened("written", write=True):
            known, self._known = self._known, None
            copies = known or self._healthy(force=self._force)
            newest = _newest(copies)
            if newest is None or always or not self._holds(newest, payload):
                if newest is None and self._medium.torn_writes:
                    newest = INITIAL
                    copies = self._put(copies, newest)
                newest = self._record(newest.sequence + 1 if newest else 1, payload)
                copies = self._put(copies, newest, both=both)
            elif both:
                copies = self._put(copies, newest)
            self._known = copies

    def erase(self) -> None:
        with self._opened("erased", write=True):
            self._known = None
            copies = self._healthy(force=self._force, damaged_too=True)
            if all(copy.state is SlotState.BLANK for copy in copies):
                return
            if not self._medium.torn_writes:
                # The newest goes last: an older one must not come back.
                for copy in _oldest_first(copies):
                    self._medium.remove(copy.index)
                return
            newest = _newest(copies)
            if newest is None or not newest.erased or self.problem_with(newest):
                # A higher number than the old record has: half of a later write over what
                # is left of that could look like it once more. Only where the numbers are
                # used up do they begin anew.
                last = newest.sequence if newest else 0
                newest = self._record(last % LAST_SEQUENCE + 1, b"", Flag.ERASED)
            self._put(copies, newest)

    def inspect(self) -> list[Copy]:
        """Return what is in the slots, whatever it is.

        Raises:
            StorageFailed: the medium cannot be opened.
        """
        with self._opened("read", write=False):
            return self._copies()

    def problem_with(self, record: Record) -> str:
        """Return why a valid record cannot be loaded, or an empty text if it can."""
        try:
            self._payload(record)
        except StorageFailed as error:
            return str(error)
        return ""

    # --- reading --------------------------------------------------------------------------

    def _healthy(self, *, force: bool, damaged_too: bool = False) -> list[Copy]:
        """Return the copies if they can be trusted to be all there is.

        Raises:
            StorageFailed: they cannot: something foreign is there, or damage only.
        """
        copies = self._copies()
        if force:
            return copies
        alone = _newest(copies) is None
        for copy in copies:
            if copy.state is SlotState.FOREIGN and (copy.certain or alone):
                raise StorageFailed(copy.problem)
        damaged = [copy for copy in copies if copy.state is SlotState.DAMAGED]
        if alone and damaged and not damaged_too:
            raise StorageFailed(
                f"every copy of the device record in {self.name} is damaged ({damaged[0].problem})",
                advice="Restore it from a backup; erasing it loses the registration, which can not "
                "be made a second time.",
            )
        if alone and self._medium.has_other_data():
            raise StorageFailed(_refusal(self.name, "data that is not blank"))
        return copies

    def _copies(self) -> list[Copy]:
        copies = [self._copy(index) for index in (0, 1)]
        if self._medium.torn_writes and not any(copy.record for copy in copies):
            return [self._blank_if_first_write_was_cut(copy) for copy in copies]
        return copies

    def _copy(self, index: int) -> Copy:
        place = self._medium.places[index]
        try:
            data = self._medium.read(index)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            return Copy(index, SlotState.DAMAGED, problem=f"{place}: {error.strerror}")
        if data is None:
            return Copy(index, SlotState.BLANK)
        ours = begins_as_record(data)
        known = "" if ours else signature(data)
        if known:
            return Copy(index, SlotState.FOREIGN, problem=_refusal(place, known), certain=True)
        try:
            record = decode(data, place)
        except ForeignContent as error:
            # With our magic it is a sound record of a later format.
            return Copy(index, SlotState.FOREIGN, problem=str(error), certain=ours)
        if record is None:
            return Copy(index, SlotState.DAMAGED, problem=f"{place}: the checksum is wrong")
        return Copy(index, SlotState.VALID, record)

    def _blank_if_first_write_was_cut(self, copy: Copy) -> Copy:
        """Take a slot whose very first write was cut short for the blank one that it was."""
        if copy.state in (SlotState.DAMAGED, SlotState.FOREIGN) and not copy.certain:
            with suppress(OSError):  # what cannot be read stays damaged
                if is_first_write_cut_short(self._medium.read(copy.index) or b""):
                    return Copy(copy.index, SlotState.BLANK)
        return copy

    def _payload(self, record: Record) -> bytes | None:
        """Return what a record says, or None if it says "erased".

        Raises:
            StorageFailed: it is sealed with another key or none is given; or it is plain
                although there is a key.
        """
        if record.sealed:
            if self._sealing is None:
                raise StorageFailed(
                    f"the device record in {self.name} is sealed, and there is no key",
                    advice="Give the credential storage_key.",
                )
            payload = self._sealing.unseal(record.body, record.header, self.name)
            return None if record.erased else payload
        # Whoever can write the medium could put a record there that suits him: with a key,
        # only what was sealed with it counts. The exception is the mark of a new medium, on
        # media where mmid writes it: it says no more than a blank one, and every record there
        # has a higher number. On the others the first record has the same number as the mark,
        # which would then hide it.
        if self._sealing and not (self._medium.torn_writes and record == INITIAL):
            raise StorageFailed(
                f"the device record in {self.name} is not sealed although there is a key, so "
                "somebody else may have written it",
                advice="If it is yours, seal it with 'mmid storage seal'.",
            )
        return None if record.erased else record.body

    def _holds(self, record: Record, payload: bytes) -> bool:
        """Whether a record already says this, in the form in which it would be written."""
        if self._force and (record.sealed or self._sealing):
            return False  # it may be sealed with a key that nobody has any more, or not yet
        return self._payload(record) == payload

    # --- writing --------------------------------------------------------------------------

    def _record(self, sequence: int, payload: bytes, flags: Flag = NO_FLAGS) -> Record:
        if self._sealing is None:
            return Record(sequence, payload, flags)
        # Its header is sealed with it, and tells the length: so that must be right before.
        room = Record(sequence, bytes(len(payload) + SEALING_BYTES), flags | Flag.SEALED)
        return Record(sequence, self._sealing.seal(payload, room.header), room.flags)

    def _put(self, copies: list[Copy], record: Record, *, both: bool = True) -> list[Copy]:
        """Write a record where it is not yet, the oldest copy first; return the copies then.

        A copy that has it already is left as it is: this also mends what a power cut
        or a bad block left behind.
        """
        data = encode(record.sequence, record.body, record.flags)
        after = list(copies)
        for copy in _oldest_first(copies) if both else _oldest_first(copies)[:1]:
            if copy.record != record:
                self._write_slot(copy.index, data)
                after[copy.index] = Copy(copy.index, SlotState.VALID, record)
        return after

    def _write_slot(self, index: int, data: bytes) -> None:
        self._medium.write(index, data)
        if (self._medium.read(index) or b"")[: len(data)] != data:
            raise StorageFailed(
                f"{self._medium.places[index]} does not read back as it was written",
                advice="The medium is failing: replace it.",
            )

    @contextmanager
    def _opened(self, what: str, *, write: bool) -> Iterator[None]:
        """Open the medium, and turn what the kernel says into a ``StorageFailed``."""
        try:
            with self._medium.opened(write=write):
                yield
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise StorageFailed(
                f"the device record {self.name} cannot be {what}: {error.strerror}{place}"
            ) from error


def _newest(copies: list[Copy]) -> Record | None:
    return max(copies, key=lambda copy: copy.sequence).record


def _oldest_first(copies: list[Copy]) -> list[Copy]:
    return sorted(copies, key=lambda copy: copy.sequence)


def _refusal(place: str, what: str) -> str:
    return (
        f"{place} holds something else than a device record of mmid ({what}), so it is left "
        "alone: point storage.target elsewhere, or give --force to overwrite it"
    )

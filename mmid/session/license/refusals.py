"""What follows a refusal of the license service: the classes of ``codes`` as counters.

Pure: no clock, no I/O. The counters live as long as the process, so a
registration that is refused is not tried for ever, whatever happens between.
"""

from mmid.session.effects import Next
from mmid.session.license.codes import CodeClass, lookup

__all__ = ["RETRY_LIMIT", "Refusals"]

# License section 4, class R.
RETRY_LIMIT = 5


class Refusals:
    """Counts refusals and decides what follows each."""

    def __init__(self) -> None:
        self._retries = 0
        self._clock_retried = False
        self._registered_anew = False
        self.register_anew = False
        self.refused = False

    def note(self, code: str) -> Next:
        """Take in one refusal; return what follows.

        ``refused`` tells afterwards whether it is final, ``register_anew``
        whether the device must be registered again.
        """
        match lookup(code).code_class:
            case CodeClass.RETRY:
                self._retries += 1
                # 5 to 60 s, it says; the widest range of the back-off is 6 to 60.
                return Next.LATER if self._retries <= RETRY_LIMIT else Next.STOP
            case CodeClass.CLOCK if not self._clock_retried:
                self._clock_retried = True
                return Next.RETRY
            case CodeClass.LONG:
                return Next.HOURS
            case CodeClass.REREGISTER if not self._registered_anew:
                self._registered_anew = self.register_anew = True
                return Next.RETRY
        self.refused = True
        return Next.STOP

    def succeeded(self) -> None:
        """A request was granted; only "once a boot" stays spent."""
        self._retries = 0
        self._clock_retried = self.register_anew = self.refused = False

    def forgive(self) -> None:
        """Somebody acted: everything may be tried again."""
        self.succeeded()
        self._registered_anew = False

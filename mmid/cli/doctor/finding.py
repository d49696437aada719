"""What one check of the doctor found."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, but somebody should know
    FAILURE = "failure"  # mmid cannot work like this
    SKIPPED = "skipped"  # it could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        check: what was looked at, one word.
        verdict: how bad it is.
        text: what was found, one sentence without secrets.
        remedy: what to do, a sentence; empty if nothing need be done.
    """

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""


def fine(check: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, text)


def warned(check: str, text: str, remedy: str) -> Finding:
    """It works, but somebody should know."""
    return Finding(check, Verdict.WARNING, text, remedy)


def failed(check: str, text: str, remedy: str) -> Finding:
    """Nothing works before this is mended."""
    return Finding(check, Verdict.FAILURE, text, remedy)


def skipped(check: str, text: str) -> Finding:
    """It cannot be told."""
    return Finding(check, Verdict.SKIPPED, text)

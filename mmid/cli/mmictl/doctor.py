"""``mmictl doctor`` and ``mmictl support-bundle``: what is wrong with this board."""

from argparse import Namespace
from dataclasses import asdict, replace

from mmid.cli.doctor.examination import examine
from mmid.cli.doctor.finding import Finding, Verdict
from mmid.cli.doctor.machine import Installation
from mmid.cli.doctor.support_bundle import write_bundle
from mmid.cli.mmictl.show import coloured, in_json, printable
from mmid.cli.streams import json_line
from mmid.secrets import redact

# Exit status: at least one check failed. Warnings are none.
FOUND_FAILURES = 1

_CHECK_WIDTH = 10
_VERDICT_WIDTH = 9
_COLOURS = {Verdict.OK: 32, Verdict.WARNING: 33, Verdict.FAILURE: 31, Verdict.SKIPPED: 2}


def doctor(options: Namespace) -> int:
    """Print the findings as they come; return the exit status."""
    status = 0
    for finding in examine(options.config, options.bus, Installation()):
        if finding.verdict is Verdict.FAILURE:
            status = FOUND_FAILURES
        clean = replace(finding, text=redact(finding.text), remedy=redact(finding.remedy))
        print(json_line(asdict(clean)) if options.json else _lines(clean), flush=True)
    return status


def _lines(finding: Finding) -> str:
    word = coloured(f"{finding.verdict:<{_VERDICT_WIDTH}}", _COLOURS[finding.verdict])
    line = f"{word}{finding.check:<{_CHECK_WIDTH}}{printable(finding.text)}"
    if not finding.remedy:
        return line
    return f"{line}\n{'':<{_VERDICT_WIDTH + _CHECK_WIDTH}}-> {printable(finding.remedy)}"


def support_bundle(options: Namespace) -> int:
    """Write the file and say what is in it; return the exit status."""
    names = write_bundle(options.file, options.config, options.bus, Installation())
    if options.json:
        in_json({"file": str(options.file), "contents": names})
        return 0
    print(f"{printable(str(options.file))} holds {', '.join(names)}.")
    print("Secrets are masked, but it names this device and its network; only you can read it.")
    return 0

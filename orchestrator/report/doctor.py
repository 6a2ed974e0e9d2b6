# SPDX-License-Identifier: GPL-2.0-only
"""What the doctor found, as lines for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from orchestrator.doctor.model import HostFinding, Report, State
from orchestrator.host.local import LOCAL
from orchestrator.report.text import paint, wrap

_COLOURS = {State.OK: "green", State.WARNING: "bold", State.MISSING: "red"}
_STATE = max(map(len, State)) + 2
_MEND = "  mend: "


def lines(report: Report, width: int, color: bool, *, quiet: bool) -> Iterator[str]:
    """The lines of `orch doctor`; `quiet` leaves out all that is well, and is nothing where everything is."""
    shown = [one for one in report.findings if not quiet or one.state is not State.OK]
    if not shown:
        return
    if not quiet or report.host != LOCAL:  # commands are to be run there
        yield from wrap(f"{report.host}: {report.system}", width)
    column = max(len(one.what) for one in shown) + 2
    for finding in shown:
        yield from _finding(finding, column, width, color)
    if sum(bool(one.packages) for one in shown) > 1:
        yield "all packages at once:"
        yield f"  {report.install}"
    if not quiet:
        ok, warnings, missing = (len(report.of(state)) for state in State)
        yield f"{ok} ok, {warnings} warning{'' if warnings == 1 else 's'}, {missing} missing"


def _finding(finding: HostFinding, column: int, width: int, color: bool) -> Iterator[str]:
    """One finding; the command that mends it stands on a line of its own, however long, so that it can be copied."""
    first = f"{finding.state:<{_STATE}}{finding.what:<{column}}"
    head, *more = wrap(finding.detail, width, first, " " * len(first))
    yield paint(finding.state, _COLOURS[finding.state], color) + head[len(finding.state) :]
    yield from more
    if finding.mend:
        yield f"{_MEND}{finding.mend}"


def to_json(report: Report) -> dict[str, object]:
    """The same for programs."""
    return {
        "host": report.host,
        "system": report.system,
        "state": report.state,
        "install": report.install,
        "findings": [asdict(finding) for finding in report.findings],
    }

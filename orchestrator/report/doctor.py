# SPDX-License-Identifier: GPL-2.0-only
"""The findings of `orch doctor`, as lines for users and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from orchestrator.doctor.model import HostFinding, Report, State
from orchestrator.host.local import LOCAL
from orchestrator.report.text import paint, wrap

_COLOURS = {State.OK: "green", State.WARNING: "bold", State.MISSING: "red"}
_STATE = max(map(len, State)) + 2
_FIX = "  fix: "


def lines(report: Report, width: int, color: bool, *, quiet: bool) -> Iterator[str]:
    """Yield the lines of `orch doctor`.

    With `quiet`, what is OK is left out, so that there are none if all is OK.
    """
    shown = [finding for finding in report.findings if not quiet or finding.state is not State.OK]
    if not shown:
        return
    if not quiet or report.host != LOCAL:  # the commands below are for that host
        yield from wrap(f"{report.host}: {report.system}", width)
    column = max(len(finding.what) for finding in shown) + 2
    for finding in shown:
        yield from _finding(finding, column, width, color)
    if sum(bool(finding.packages) for finding in shown) > 1:
        yield "all packages at once:"
        yield f"  {report.install}"
    if not quiet:
        ok, warnings, missing = (len(report.of(state)) for state in State)
        yield f"{ok} ok, {warnings} warning{'' if warnings == 1 else 's'}, {missing} missing"


def _finding(finding: HostFinding, column: int, width: int, color: bool) -> Iterator[str]:
    """Yield the lines of one finding.

    The command that fixes it is one line of any length, so that it can be copied.
    """
    first = f"{finding.state:<{_STATE}}{finding.what:<{column}}"
    head, *more = wrap(finding.detail, width, first, " " * len(first))
    yield paint(finding.state, _COLOURS[finding.state], color) + head[len(finding.state) :]
    yield from more
    if finding.fix:
        yield f"{_FIX}{finding.fix}"


def to_json(report: Report) -> dict[str, object]:
    """Return the same for programs."""
    return {
        "host": report.host,
        "system": report.system,
        "state": report.state,
        "install": report.install,
        "findings": [asdict(finding) for finding in report.findings],
    }

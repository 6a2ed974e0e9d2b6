# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as text for a terminal or a mail.

It is ASCII, has a given width, and is always the same for the same run.
"""

from __future__ import annotations

from orchestrator.report.blocks import exact_table
from orchestrator.report.costs import TITLE, cost_table
from orchestrator.report.given import device_lines
from orchestrator.report.matrix import is_further, matrices
from orchestrator.report.suites import suite_table
from orchestrator.report.text import in_a_line, one_line, paint, path_text, wrap
from orchestrator.report.times import times_tables, too_few
from orchestrator.report.unexpected import Group, groups
from orchestrator.report.verdict import how_far, is_good, summary
from orchestrator.result.compare.alignment import Comparison
from orchestrator.result.compare.suite import compare_suites
from orchestrator.result.run import Run, RunStatus

_INDENT = " " * 9

MOST = 200
"""Groups of unexpected cases that are shown at most; all are in JUnit."""


def render(comparison: Comparison, width: int = 80, color: bool = False) -> str:
    """Return the whole report, with a final newline: tables of places, costs, unexpected cases, summary.

    Lines have at most `width` characters (at least 60), except paths, which are never cut.
    """
    run = comparison.run
    sections = [
        _title(run, width, color),
        *(exact_table(run, block, width, color) for block in comparison.blocks if not is_further(block)),
        *matrices(comparison.blocks, width, color),
        *_costs(comparison, width, color),
        *(suite_table(suite, width, color) for suite in compare_suites(run)),
        _unexpected(comparison, width, color),
        [_summary(run, color), path_text(run.path)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _title(run: Run, width: int, color: bool) -> list[str]:
    about = f": {one_line(run.scenario.description)}" if run.scenario.description.strip() else ""
    lines = wrap(f"{run.scenario.name}{about}", width, rest="  ")
    if run.scenario.overrides:
        lines.append(f"  with {one_line(run.scenario.overrides)}")
    facts = (f"accelerator {run.accelerator}" if run.accelerator else "", run.host and f"host {run.host}", run.started)
    lines += wrap(", ".join(fact for fact in facts if fact), width, rest="  ")
    if run.repeat > 1:
        lines.append(f"each kernel is booted {run.repeat} times, interleaved")
    for text in device_lines(run.scenario):
        lines += wrap(text, width, rest="  ")
    if run.status is not RunStatus.FINISHED:
        colour = "bold" if run.status is RunStatus.RUNNING else "red"
        lines += [paint(line, colour, color) for line in wrap(how_far(run), width, rest="  ")]
    return lines


def _costs(comparison: Comparison, width: int, color: bool) -> list[list[str]]:
    times = comparison.times
    if times and times.can_show:
        return times_tables(comparison, width, color)
    tables = [cost_table(comparison.run, block, width, color) for block in comparison.blocks if not is_further(block)]
    few = f" {too_few(comparison.run, times)}" if times else ""
    return [wrap(f"{TITLE}{few}", width), *tables] if any(tables) else []


def _unexpected(comparison: Comparison, width: int, color: bool) -> list[str]:
    """Return the lines of the unexpected cases.  Those of suites are in the sections of these."""
    found = groups(comparison)
    lines = [paint("Not as expected:", "bold", color)] if found else []
    for group in found[:MOST]:
        lines += ["", *_cases(group, width, color)]
    rest = sum(len(group.cases) for group in found[MOST:])
    return [*lines, "", f"... and {rest} more cases: see junit.xml"] if rest else lines


def _cases(group: Group, width: int, color: bool) -> list[str]:
    first = group.first
    title = wrap(
        f"{in_a_line(first.id.kernel)}: {in_a_line(first.id.name)}{group.more}", width, f"{first.status:<8} ", _INDENT
    )
    title[0] = paint(first.status, "red", color) + title[0].removeprefix(first.status)
    body = wrap(group.detail, width, _INDENT, _INDENT)
    evidence = [f"{_INDENT}see {path_text(first.evidence)}"] if first.evidence else []
    return title + body + evidence


def _summary(run: Run, color: bool) -> str:
    return paint(summary(run), "green" if is_good(run) else "red", color)

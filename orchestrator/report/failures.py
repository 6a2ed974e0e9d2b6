# SPDX-License-Identifier: GPL-2.0-only
"""The cases that were not as expected, with the lines of the run's files that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.report.unexpected import Group, groups
from orchestrator.result.compare.alignment import Comparison
from orchestrator.result.store.excerpt import Evidence, Excerpt, Line

MOST = 100
"""Groups of cases that are shown at most."""
MOST_EXCERPTS = 40
"""Excerpts that are shown at most: each has up to `LINES` lines."""


@dataclass(frozen=True)
class Failure:
    """A group of cases, with the lines that show why; None if there are none."""

    group: Group
    excerpt: Excerpt | None


@dataclass(frozen=True)
class Failures:
    """What is shown, and how many cases and excerpts are not."""

    shown: tuple[Failure, ...]
    cases_left_out: int
    excerpts_left_out: int


def failures(comparison: Comparison) -> Failures:
    """Return the unexpected cases of a run, those of suites too.  Reads the files of the run directory."""
    found = groups(comparison, suites=True)
    shown = tuple(_failures(comparison, found[:MOST]))
    wanted = sum(bool(group.first.evidence or group.first.lines) for group in found[:MOST])
    excerpts = sum(failure.excerpt is not None for failure in shown)
    rest = sum(len(group.cases) for group in found[MOST:])
    return Failures(shown, rest, max(0, wanted - MOST_EXCERPTS) if excerpts >= MOST_EXCERPTS else 0)


def _failures(comparison: Comparison, found: tuple[Group, ...]) -> Iterator[Failure]:
    evidence, left = Evidence(comparison.run.path), MOST_EXCERPTS
    for group in found:
        excerpt = _excerpt(evidence, group) if left else None
        left -= excerpt is not None
        yield Failure(group, excerpt)


def _excerpt(evidence: Evidence, group: Group) -> Excerpt | None:
    """Return the lines around the evidence; without these, the lines that the case itself has."""
    case = group.first
    found = evidence.excerpt(case.evidence)
    if found is None and case.lines:
        return Excerpt("", tuple(Line(at, line, marked=False) for at, line in enumerate(case.lines, 1)))
    return found

# SPDX-License-Identifier: GPL-2.0-only
"""The findings of a run as sentences, for each report that begins with them."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.result.compare.finding import Finding
from orchestrator.result.compare.status import Change

MOST_FINDINGS = 40
"""Sentences of a report at most."""


def sentences(found: Sequence[Finding]) -> tuple[str, ...]:
    """Return what was found, with how much of it differs; kernels of which the same is said share a sentence."""
    return tuple(_sentence(alike) for alike in _alike(found)[:MOST_FINDINGS])


def _alike(found: Sequence[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[str, int, int], list[Finding]] = {}
    for finding in found:
        rest = finding.sentence.removeprefix(f"{finding.kernel} ")
        groups.setdefault((rest, finding.differ, finding.of), []).append(finding)
    return list(groups.values())


def _sentence(alike: Sequence[Finding]) -> str:
    finding = alike[0]
    sentence = finding.sentence
    if len(alike) > 1 and sentence.startswith(f"{finding.kernel} "):
        names = ", ".join(one.kernel for one in alike)
        sentence = f"{names}: each {sentence.removeprefix(f'{finding.kernel} ')}"
    rest = "" if finding.change is Change.UNCHANGED else f"  {finding.differ} of {finding.of} compared values differ."
    worse = "  Something got worse." if finding.change is Change.REGRESSION and finding.differ < finding.of else ""
    return f"{sentence}.{rest}{worse}"

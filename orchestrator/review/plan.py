# SPDX-License-Identifier: GPL-2.0-only
"""From what is reviewed to scenarios: which answer for it, with its base and the patched kernel as their kernels."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import orchestrator
from orchestrator.errors import UsageError
from orchestrator.host.version import orch_version
from orchestrator.result.store.review import ReviewRecord
from orchestrator.review.subject import Subject
from orchestrator.scenario.expand.overrides import MorePatches, OtherSource, Overrides, overridden
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.sources import DebianSource
from orchestrator.scenario.touched import Answering, answering

BASE, PATCHED = "base", "patched"
"""The names of the two kernels of a review."""


@dataclass(frozen=True)
class Step:
    """One scenario of a review, with the kernels of the review, and its record."""

    scenario: Scenario
    record: ReviewRecord


def choose(subject: Subject) -> tuple[Answering, ...]:
    """Return the scenarios that answer for `subject`.  Raises UsageError if none of orch's own does."""
    found = answering(subject.files)
    if not found:
        some = ", ".join(subject.files[:3]) or "no file"
        what = f"no scenario is known for what it touches ({some})"
        raise UsageError(f"orch review: {what}; name one with --scenario, such as scenarios/pud.yaml")
    return found


def step(scenario: Scenario, subject: Subject, chosen: str, arguments: tuple[str, ...]) -> Step:
    """Return `scenario` with the kernels of the review; `chosen` is why it answers."""
    overrides = _overrides(scenario, subject, arguments)
    compared = overridden(scenario, overrides)
    series, base = subject.series, subject.base
    first = series.first if series else None
    record = ReviewRecord(
        key=_key(compared, subject),
        title=subject.title,
        version=series.version if series else 1,
        patches=subject.patches,
        author=first.author if first else "",
        date=first.date if first else "",
        message_id=series.message_id if series else "",
        base=base.candidate.name,
        reason=base.reason,
        others=base.others,
        notes=base.notes,
        chosen=chosen,
        arguments=arguments,
        messages=series.messages if series else (),
        changes=subject.changes,
    )
    return Step(compared, record)


def _overrides(scenario: Scenario, subject: Subject, arguments: tuple[str, ...]) -> Overrides:
    option = shlex.join(("review", *arguments))
    candidate = subject.base.candidate
    sources = [OtherSource(BASE, candidate.source, option, candidate.patches)]
    if subject.variant:
        return Overrides((*sources, OtherSource(PATCHED, subject.variant, option)))
    if _is_of_scenario(scenario, candidate.source) and not candidate.patches:
        sources = []  # the expectations of the scenario hold
    change = subject.series.source if subject.series else Path()
    return Overrides(tuple(sources), (MorePatches(PATCHED, change, option),))


def _is_of_scenario(scenario: Scenario, source: object) -> bool:
    """Whether the base of a scenario is the same source of Debian."""
    own = scenario.kernel(scenario.base).source
    return isinstance(own, DebianSource) and isinstance(source, DebianSource) and own.package == source.package


def _key(scenario: Scenario, subject: Subject) -> str:
    """Return the identity of all inputs: the scenario, the base, the change, and the programs that make a result."""
    series = subject.series
    inputs = {
        "orch": [orch_version(), *_stats(sorted(Path(orchestrator.__file__).parent.rglob("*.[pc]*")))],
        "scenario": hashlib.sha256(scenario.path.read_bytes()).hexdigest(),
        "repeat": scenario.repeat,
        "fragments": [hashlib.sha256(path.read_bytes()).hexdigest() for path in scenario.kernels[0].config],
        "base": [asdict(subject.base.candidate.source), repr(subject.base.candidate.patches)],
        "series": [patch.digest for patch in series.patches] if series else [],
        "variant": asdict(subject.variant) if subject.variant else None,
        "programs": _stats(Path("/usr/bin", name) for name in ("gcc", "ld", "qemu-system-x86_64")),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _stats(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Return size and time of each file that exists: they change with its content."""
    found = ((path, path.stat()) for path in paths if path.is_file())
    return [(str(path), status.st_size, status.st_mtime_ns) for path, status in found]


def arguments_of(series: str, subject: Subject, scenario: str) -> tuple[str, ...]:
    """Return the arguments of ``orch review`` that repeat it, without paths of this machine."""
    own = subject.series
    name = own.message_id if own and own.message_id else Path(series).name if own else series
    base = () if subject.variant else ("--base", subject.base.candidate.name.split(" ")[0])
    return (name, *base, "--scenario", scenario)

# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs, pair by pair of kernels: the kernel of the first run is the base.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from orchestrator.result.compare.conditions import conditions, same_selection, unfinished, why_not_comparable
from orchestrator.result.compare.diff_pair import Common, Difference, KernelPair, PairDiff, PairReader, other_range
from orchestrator.result.compare.readings import CompareKey, places
from orchestrator.result.compare.status import Change
from orchestrator.result.model import NO_BAR
from orchestrator.result.run import Run
from orchestrator.yamlfile.units import measured_size

_MOST_NAMES = 10
"""Places that a sentence lists at most."""


@dataclass(frozen=True)
class RunDiff:
    """Two runs and their pairs of kernels.

    `conditions` are differences of the runs themselves, `left_out` is what was not compared; each is a sentence.
    """

    first: Run
    second: Run
    pairs: tuple[PairDiff, ...]
    conditions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The differences of all pairs."""
        return tuple(chain.from_iterable(pair.differences for pair in self.pairs))

    @property
    def compared(self) -> bool:
        """Whether there was anything to compare."""
        return any(pair.differences or pair.unchanged or pair.unknown for pair in self.pairs)

    @property
    def worse(self) -> bool:
        """Whether something is worse in the second run."""
        return any(difference.change is Change.REGRESSION for difference in self.differences)

    @property
    def lost(self) -> bool:
        """Whether the second run has no result of something that the first one measured."""
        return any(difference.lost for difference in self.differences)


def same_names(first: Run, second: Run) -> tuple[KernelPair, ...]:
    """Return the pairs of kernels of the same name, in the order of the first run."""
    return tuple(KernelPair(name, name) for name in first.scenario.kernels if name in second.scenario.kernels)


def diff_runs(first: Run, second: Run, chosen: tuple[KernelPair, ...] = ()) -> RunDiff:
    """Compare the kernels of the pairs `chosen`; if there are none, those of equal names.

    The runs may be unfinished.  Never raises.
    """
    common, alone = _common(first, second)
    reader, pairs = PairReader(common), chosen or same_names(first, second)
    done = tuple(reader.diff(pair) for pair in pairs)
    left_out = (
        *(() if chosen else _without_partner(first, second, pairs)),
        *_workloads_left_out(first, second),
        *alone,
        *_ranges_left_out(common, reader, pairs),
    )
    return RunDiff(first, second, done, (*conditions(first, second), *unfinished(first, second)), left_out)


def _common(first: Run, second: Run) -> tuple[Common, tuple[str, ...]]:
    """Return what both runs have in common, and sentences on the tests that only one of them selects."""
    shared = [name for name in first.scenario.workloads if name in second.scenario.workloads]
    kept: dict[str, list[CompareKey]] = {n: [] for n in shared if not why_not_comparable(n, first, second)}
    alone: dict[tuple[str, str], list[str]] = {}
    both = set(places(first)), set(places(second))
    for place in dict.fromkeys((*places(first), *places(second))):
        if place.workload not in kept or place.bar == NO_BAR:
            continue
        which = "first" if place not in both[1] else "second" if place not in both[0] else ""
        if which and not same_selection(place.workload, first, second):
            alone.setdefault((place.workload, which), []).append(f"BAR{place.bar}/{place.test}")
        else:
            kept[place.workload].append(place)
    suites = frozenset(first.suites) & frozenset(second.suites)
    common = Common(first, second, {name: tuple(found) for name, found in kept.items()}, suites)
    return common, tuple(_only(workload, which, names) for (workload, which), names in alone.items())


def _only(workload: str, which: str, names: list[str]) -> str:
    return f"workload {workload}: in the {which} run only: {_some(names)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _without_partner(first: Run, second: Run, pairs: tuple[KernelPair, ...]) -> Iterator[str]:
    sides = (("first", first, [pair.base for pair in pairs]), ("second", second, [pair.variant for pair in pairs]))
    for which, run, paired in sides:
        alone = [name for name in run.scenario.kernels if name not in paired]
        if alone:
            yield f"no partner for kernel{'' if len(alone) == 1 else 's'} {', '.join(alone)} of the {which} run"


def _workloads_left_out(first: Run, second: Run) -> Iterator[str]:
    before, after = first.scenario.workloads, second.scenario.workloads
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after:
            yield f"workload {name}: in the {'first' if name in before else 'second'} run only"
        elif why := why_not_comparable(name, first, second):
            yield f"workload {name}: {why}"


def _ranges_left_out(common: Common, reader: PairReader, pairs: tuple[KernelPair, ...]) -> Iterator[str]:
    """Yield a sentence on the places at which two kernels did not map the same part of a BAR."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        for place in chain.from_iterable(common.places.values()):
            base, variant = reader.read(pair, place)
            if name := other_range(base, variant):
                before, after = (measured_size(side.values[name].value) for side in (base, variant))
                about = f"{name} {before} in the first run, {after} in the second"
                where = f"{pair.variant}: {place.workload}/{place.device}/BAR{place.bar}"
                found.setdefault(f"{where}: {about}", []).append(place.test)
    yield from (f"{about}: {_some(tests)}" for about, tests in found.items())

# SPDX-License-Identifier: GPL-2.0-only
"""Compare the times of several boots: each variant with the base, place by place.  Pure.

Each boot is one sample.  All comparisons of a run are corrected together, so that a run of equal kernels hardly ever
shows a difference, however many times it compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from orchestrator.result.compare.cost import LEAST, per_gib
from orchestrator.result.compare.readings import CompareKey, places
from orchestrator.result.compare.statistics import (
    FALSE_ALARMS,
    Ratio,
    Summary,
    holm,
    ratio_of,
    samples_needed,
    summary,
    visible,
)
from orchestrator.result.run import BootResult, Run
from orchestrator.workload.alignment.tests import measures_mapping
from orchestrator.workload.model import Measurement

TIMES = ("touch_time", "dma_time")
"""The times that are compared: of the first touch of every page, and of the DMA map."""

MOST_COMPARISONS = 2000
"""Comparisons of a run at most: a guest can report thousands of tests, and each is as many pairs as boots squared."""


@dataclass(frozen=True)
class TimeSample:
    """One time of one boot, in ns per GiB; `round` is the number of the boot."""

    round: int
    value: float


@dataclass(frozen=True)
class TimeComparison:
    """One time of a variant at one place, compared with that of the base.

    `shown` is whether the data shows a difference.  `visible` is the smallest ratio that they would have shown, see
    `statistics.visible`; if it is None, there are too few boots to show any.
    """

    place: CompareKey
    name: str
    kernel: str
    base: Summary
    variant: Summary
    ratio: Ratio
    shown: bool
    visible: float | None


@dataclass(frozen=True)
class _Pair:
    """The times of the base and of a variant, in ns per GiB."""

    place: CompareKey
    name: str
    kernel: str
    base: tuple[float, ...]
    variant: tuple[float, ...]


Samples = Mapping[tuple[CompareKey, str, str], tuple[TimeSample, ...]]
"""By place, time and kernel."""


@dataclass(frozen=True)
class Times:
    """The times of a run: `samples` by place, time and kernel, and `comparisons` of the variants with the base.

    `needed` is how many boots of each kernel can show a difference, with as many comparisons.
    """

    samples: Samples
    comparisons: tuple[TimeComparison, ...] = ()
    needed: int = 1

    @property
    def can_show(self) -> bool:
        """Whether there are enough boots to show a difference, if only of a kernel that is not there."""
        if self.comparisons:
            return any(found.visible is not None for found in self.comparisons)
        return any(len(samples) >= self.needed for samples in self.samples.values())

    def comparison(self, place: CompareKey, name: str, kernel: str) -> TimeComparison | None:
        """Return the comparison of one time of one variant; None if one side was not measured."""
        return self._by_key.get((place, name, kernel))

    @cached_property
    def _by_key(self) -> Mapping[tuple[CompareKey, str, str], TimeComparison]:
        return {(found.place, found.name, found.kernel): found for found in self.comparisons}


def compare_times(run: Run) -> Times | None:
    """Return the times of a run that boots each kernel several times, else None.

    The run may be unfinished.  A time that is not positive is left out.  Never raises.
    """
    if run.repeat == 1:
        return None
    samples = dict(_samples(run))
    pairs = _pairs(run, samples)
    alpha = FALSE_ALARMS / max(1, len(pairs))
    return Times(samples, _comparisons(pairs, alpha), samples_needed(alpha))


def _samples(run: Run) -> Iterator[tuple[tuple[CompareKey, str, str], tuple[TimeSample, ...]]]:
    compared = [place for place in places(run) if place.test and measures_mapping(place.test)]
    for workload in dict.fromkeys(place.workload for place in compared):
        for kernel in run.scenario.kernels:
            costs = [(boot.round, _costs(boot)) for boot in run.samples_of(kernel, workload)]
            for place in (place for place in compared if place.workload == workload):
                for name in TIMES:
                    values = ((number, found.get(place, {}).get(name, 0.0)) for number, found in costs)
                    times = tuple(TimeSample(number, value) for number, value in values if value > 0)
                    if times:
                        yield (place, name, kernel), times


def _costs(boot: BootResult) -> dict[CompareKey, dict[str, float]]:
    """Return the costs per GiB of the mappings of one boot, by place; those of small ones are left out."""
    by_place: dict[CompareKey, dict[str, Measurement]] = {}
    for each in boot.measurements:
        by_place.setdefault(CompareKey(each.workload, each.device, each.bar, each.test), {})[each.name] = each
    large = {place: v for place, v in by_place.items() if "length" in v and v["length"].value >= LEAST}
    return {place: per_gib(values) for place, values in large.items()}


def _pairs(run: Run, samples: Samples) -> list[_Pair]:
    """Return what is compared: each time of a variant that was measured on the base, too."""
    base = run.scenario.base
    pairs = (
        _Pair(place, name, kernel, _values(samples[place, name, base]), _values(found))
        for (place, name, kernel), found in samples.items()
        if kernel != base and (place, name, base) in samples
    )
    return list(islice(pairs, MOST_COMPARISONS))


def _comparisons(pairs: Sequence[_Pair], alpha: float) -> tuple[TimeComparison, ...]:
    """Compare all pairs; `alpha` is the p-value that the first of them must have."""
    ratios = [ratio_of(pair.base, pair.variant) for pair in pairs]
    shown = holm([ratio.p_value for ratio in ratios])
    return tuple(
        TimeComparison(
            pair.place,
            pair.name,
            pair.kernel,
            summary(pair.base),
            summary(pair.variant),
            ratio,
            rejected,
            visible(pair.base, pair.variant, alpha),
        )
        for pair, ratio, rejected in zip(pairs, ratios, shown, strict=True)
    )


def _values(samples: Iterable[TimeSample]) -> tuple[float, ...]:
    return tuple(sample.value for sample in samples)

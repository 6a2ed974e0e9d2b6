# SPDX-License-Identifier: GPL-2.0-only
"""Which times of a run are compared, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp
from time import monotonic

import pytest

from orchestrator.result.compare.readings import CompareKey
from orchestrator.result.compare.times import MOST_COMPARISONS, Times, compare_times
from orchestrator.result.repeated import with_boots
from orchestrator.result.run import BootResult, Job, JobKind, Run
from tests.unit.result.test_samples import GOOD, PTE, booted, kernel, run_of, taken, told

Factors = Mapping[str, Sequence[float]]
"""By kernel, the times of its boots as multiples of those of `PTE`."""

PLACE = CompareKey("alignment", "testdev", 2, "kernel")
SPREAD = tuple(exp(0.1 * (at / 14 - 0.5)) for at in (7, 0, 13, 4, 9, 1, 14, 2, 5, 12, 3, 8, 11, 6, 10))
"""Fifteen boots whose times differ by up to 5 % from the median."""


def slower(factor: float) -> tuple[float, ...]:
    """The same boots in another order, and longer."""
    return tuple(factor * one for one in reversed(SPREAD))


def repeated(factors: Factors, *, length: int = 2 << 30, accelerator: str = "tcg (set)") -> Run:
    """Return a run of kernels, the first of them the base."""
    names = tuple(factors)
    count = max(map(len, factors.values()))
    rounds = tuple(
        Job(f"boot/{name}/{number}", JobKind.BOOT, name, "alignment", round=number)
        for number in range(1, count + 1)
        for name in names
    )
    run = replace(run_of(names=names), jobs=rounds, accelerator=accelerator)
    return with_boots(run, (_boot(n, at, f, length) for n in names for at, f in enumerate(factors[n], 1)))


def _boot(name: str, number: int, factor: float, length: int) -> BootResult:
    values = {**PTE, "length": length}
    values |= {time: round(PTE[time] * factor) for time in ("touch_time", "dma_time")}
    return replace(booted(kernel(name), told(name, {"kernel": values})), round=number)


def times_of(factors: Factors) -> Times:
    found = compare_times(repeated(factors))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("factor", "shown"), [(1.0, False), (1.02, False), (1.2, True), (0.8, True), (1 / 446, True), (446, True)]
)
def test_a_difference_is_shown_only_if_it_is_there(factor: float, shown: bool) -> None:
    found = times_of({"base": SPREAD, "v": slower(factor)})
    assert [(each.name, each.kernel, each.shown) for each in found.comparisons] == [
        ("touch_time", "v", shown),
        ("dma_time", "v", shown),
    ]
    touch = found.comparison(PLACE, "touch_time", "v")
    assert touch is not None
    assert touch.ratio.value == pytest.approx(factor, rel=1e-3)
    assert (touch.ratio.low or 0) <= factor * 1.001
    assert (touch.ratio.high or 0) >= factor * 0.999
    assert 1.05 < (touch.visible or 0) < 1.15


@pytest.mark.parametrize(("count", "can"), [(2, False), (5, False), (6, True), (7, True)])
def test_too_few_boots_show_nothing_whatever_they_measured(count: int, can: bool) -> None:
    found = times_of({"base": SPREAD[:count], "v": slower(100.0)[:count]})
    assert {each.shown for each in found.comparisons} == {can}
    assert {each.visible is not None for each in found.comparisons} == {can}
    assert found.can_show is can
    assert found.needed == 6


def test_each_further_comparison_makes_a_single_one_stricter() -> None:
    needed = [times_of({"base": SPREAD, **{f"v{n}": SPREAD for n in range(count)}}).needed for count in (1, 4, 16)]
    assert needed == [6, 7, 8]


def test_what_was_measured_on_one_side_only_is_no_comparison() -> None:
    found = times_of({"base": (), "v": SPREAD})
    assert not found.comparisons
    assert len(found.samples[PLACE, "touch_time", "v"]) == 15


def test_boots_that_did_not_end_are_missing_in_one_sample_only() -> None:
    found = times_of({"base": SPREAD, "v": slower(1.5)[:9]})
    (touch, _) = found.comparisons
    assert (touch.base.count, touch.variant.count, touch.shown) == (15, 9, True)


@pytest.mark.parametrize(("length", "compared"), [((16 << 20) - 4096, False), (16 << 20, True)])
def test_a_small_mapping_has_no_costs(length: int, compared: bool) -> None:
    found = compare_times(repeated({"base": SPREAD, "v": SPREAD}, length=length))
    assert found is not None
    assert bool(found.samples) is compared


@pytest.mark.parametrize("time", [0.0, -1.0])
def test_a_time_that_is_not_positive_is_left_out(time: float) -> None:
    found = times_of({"base": SPREAD, "v": (*slower(1.0)[:14], time)})
    assert [sample.round for sample in found.samples[PLACE, "dma_time", "v"]] == list(range(1, 15))


def test_a_run_that_boots_once_compares_no_times() -> None:
    assert compare_times(run_of(booted(kernel("base"), told("base", {"kernel": PTE})))) is None


def test_a_guest_that_reports_thousands_of_tests_is_compared_in_seconds() -> None:
    def many(name: str, number: int) -> BootResult:
        tests = {f"before.{at}": {"length": 2 << 30, "touch_time": 1000 + at + number} for at in range(2500)}
        measured = tuple(one for test, values in tests.items() for one in taken(name, test, values))
        return BootResult(name, "alignment", "testdev", GOOD, (), measured, number)

    run = repeated({"base": (), "v": (1.0,) * 7})
    run = with_boots(run, (many(name, number) for name in ("base", "v") for number in range(1, 8)))
    began = monotonic()
    found = compare_times(run)
    assert found is not None
    assert len(found.comparisons) == MOST_COMPARISONS
    assert monotonic() - began < 10

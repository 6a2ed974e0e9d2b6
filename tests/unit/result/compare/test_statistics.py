# SPDX-License-Identifier: GPL-2.0-only
"""The statistics of times, against published examples and against the definition by enumeration."""

from __future__ import annotations

from itertools import combinations
from math import comb, exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.result.compare.statistics import holm, p_value, ratio_of, samples_needed, summary, visible

# Hollander and Wolfe, Nonparametric Statistical Methods (1973), p. 69: permeability of the human chorioamnion; the
# example of wilcox.test of R, whose two-sided p-value and interval of the difference these are.
TERM = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
EARLY = (1.15, 0.88, 0.90, 0.74, 1.21)

MEDIAN_TIMES = ((5.0, 1.0, 4.0, 2.0, 3.0), 3.0, (4.0 - 2.0) / 3.0)


@pytest.mark.parametrize(
    ("base", "variant", "expected"),
    [
        pytest.param(EARLY, TERM, 0.2544122544, id="Hollander-Wolfe"),
        # The critical values of U at 5 % two-sided in the tables of Mann and Whitney: 5 and 5: 2; 8 and 8: 13.
        pytest.param((1, 2, 3, 4, 5), (6, 7, 8, 9, 10), 2 / comb(10, 5), id="5 and 5, U=0"),
        pytest.param((1, 2, 3, 4, 7), (5, 6, 8, 9, 10), 0.0317460317, id="5 and 5, U=2"),
        pytest.param((1, 2, 3, 4, 8), (5, 6, 7, 9, 10), 0.0555555556, id="5 and 5, U=3"),
        pytest.param((1,), (2,), 1.0, id="one boot of each"),
        pytest.param((1, 3), (2, 4), 2 / 3, id="2 and 2, U=1"),
        pytest.param((7, 7, 7, 7, 7), (7, 7, 7, 7, 7), 1.0, id="all equal"),
    ],
)
def test_p_values_are_those_of_published_tables(
    base: tuple[float, ...], variant: tuple[float, ...], expected: float
) -> None:
    assert p_value(base, variant) == pytest.approx(expected)
    assert p_value(variant, base) == pytest.approx(expected)


distinct = st.lists(st.integers(1, 10**6), min_size=2, max_size=9, unique=True)


@given(distinct, st.data())
def test_p_values_are_the_share_of_orders_that_are_as_unlike(values: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(values) - 1))

    def unlike(chosen: tuple[int, ...]) -> int:
        rest = [value for value in values if value not in chosen]
        longer = sum(after > before for before in chosen for after in rest)
        return max(longer, size * len(rest) - longer)

    observed = unlike(tuple(values[:size]))
    every = list(combinations(values, size))
    share = sum(unlike(chosen) >= observed for chosen in every) / len(every)
    # In the middle, the two tails of the definition overlap.
    assert p_value(values[:size], values[size:]) >= share - 1e-9
    if share < 1:
        assert p_value(values[:size], values[size:]) == pytest.approx(share)


def test_the_ratio_and_its_interval_are_those_of_hodges_and_lehmann() -> None:
    ratio = ratio_of([exp(value) for value in EARLY], [exp(value) for value in TERM])
    assert (log(ratio.value), log(ratio.low or inf), log(ratio.high or inf)) == pytest.approx((0.305, -0.15, 0.76))
    assert ratio.p_value == pytest.approx(0.2544122544)


@given(
    st.lists(st.floats(1, 1e12), min_size=4, max_size=12),
    st.lists(st.floats(1, 1e12), min_size=4, max_size=12),
    st.floats(0.01, 100),
)
def test_a_longer_variant_has_a_ratio_that_is_as_much_larger(
    base: list[float], variant: list[float], factor: float
) -> None:
    before, after = ratio_of(base, variant), ratio_of(base, [time * factor for time in variant])
    assert after.value == pytest.approx(before.value * factor, rel=1e-6)
    assert before.low is not None
    assert before.high is not None
    assert before.low <= before.value <= before.high


@pytest.mark.parametrize(("count", "has_one"), [(2, False), (3, False), (4, True), (5, True)])
def test_too_few_samples_have_no_interval(count: int, has_one: bool) -> None:
    times = [float(number) for number in range(1, count + 1)]
    assert (ratio_of(times, times).low is not None) is has_one


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        # The example of Holm's method with alpha 0.05: 0.01 <= 0.05/4, 0.005 first, then 0.03 > 0.05/2.
        ((0.01, 0.04, 0.03, 0.005), (True, False, False, True)),
        ((0.04,), (True,)),
        ((0.06, 0.06), (False, False)),
        ((0.025, 0.05), (True, True)),
        ((0.026, 0.026), (False, False)),
        ((), ()),
    ],
)
def test_holm_rejects_as_published(p_values: tuple[float, ...], rejected: tuple[bool, ...]) -> None:
    assert holm(p_values, 0.05) == rejected


@pytest.mark.parametrize(("alpha", "count"), [(0.05, 4), (0.01, 5), (0.005, 6), (0.005 / 6, 7), (0.005 / 32, 8)])
def test_so_many_samples_can_show_a_difference(alpha: float, count: int) -> None:
    assert samples_needed(alpha) == count
    few, enough = (list(map(float, range(1, size + 1))) for size in (count - 1, count))
    assert p_value(enough, [time + 1000 for time in enough]) <= alpha
    assert p_value(few, [time + 1000 for time in few]) > alpha
    assert visible(few, few, alpha) is None
    assert visible(enough, enough, alpha) is not None


def test_a_wider_spread_hides_more_and_more_samples_hide_less() -> None:
    def times(spread: float, count: int) -> list[float]:
        return [exp(spread * (at / (count - 1) - 0.5)) for at in range(count)]

    seen = {
        (spread, count): visible(times(spread, count), times(spread, count), 0.001) or inf
        for spread in (0.1, 0.2)
        for count in (10, 20, 40)
    }
    assert 1 < seen[0.1, 40] < seen[0.1, 20] < seen[0.1, 10]
    for count in (10, 20, 40):
        assert log(seen[0.2, count]) == pytest.approx(2 * log(seen[0.1, count]))


def test_a_summary_is_the_median_and_the_middle_half() -> None:
    times, middle, spread = MEDIAN_TIMES
    found = summary(times)
    assert (found.count, found.median) == (5, middle)
    assert found.spread == pytest.approx(spread)
    assert summary([7.0]).spread is None


def test_a_hundred_boots_of_each_are_compared_quickly() -> None:
    times = [float(number) for number in range(1, 101)]
    assert p_value(times, times[::-1]) == 1.0
    assert p_value(times, [time + 200 for time in times]) == pytest.approx(2 / comb(200, 100))

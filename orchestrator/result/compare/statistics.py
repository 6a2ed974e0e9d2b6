# SPDX-License-Identifier: GPL-2.0-only
"""Two samples of times: is one longer, by how much, and what could have been seen.  Pure.

The test is the exact one of Mann and Whitney (Annals of Mathematical Statistics 18, 1947), which assumes nothing about
the distribution of times: a machine with other users has a long tail.  The ratio and its interval are those of Hodges
and Lehmann (Annals of Mathematical Statistics 34, 1963) on the logarithms.  The result of many tests is corrected by
Holm's method (Scandinavian Journal of Statistics 6, 1979): it holds the probability of any false alarm among them,
whatever else is different, and however the times of one boot depend on each other.

SciPy has the same test, but with NumPy it is 218 MB on disk and takes two seconds to import.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import comb, exp, log
from statistics import NormalDist, median, quantiles

FALSE_ALARMS = 0.005
"""The probability that any of the comparisons of a run shows a difference that does not exist, at most."""
CONFIDENCE = 0.95
"""The confidence of the interval of one ratio; it is not corrected for the number of comparisons."""
POWER = 0.95
"""The probability with which a difference of the size `visible` is shown, about."""
_NORMAL_POWER = 0.99
"""The same by the normal approximation: the long tails of real times leave `POWER` of it (tools/false_alarms.py)."""


@dataclass(frozen=True)
class Summary:
    """A sample of times: how many, the median, and the interquartile range as a part of it (None for a single one)."""

    count: int
    median: float
    spread: float | None


@dataclass(frozen=True)
class Ratio:
    """How many times as long the times of a variant are as those of the base.

    `low` and `high` are the ends of the interval of `CONFIDENCE`, None if there are too few samples for one.  `p_value`
    is two-sided: the probability of samples at least as different if there is no difference.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float


def summary(times: Sequence[float]) -> Summary:
    """Return the summary of at least one time, which must be positive."""
    middle = median(times)
    if len(times) == 1:
        return Summary(1, middle, None)
    first, _, third = quantiles(times, n=4, method="inclusive")
    return Summary(len(times), middle, (third - first) / middle)


def ratio_of(base: Sequence[float], variant: Sequence[float]) -> Ratio:
    """Return the ratio of `variant` to `base`, each with at least one time; all must be positive."""
    differences = _differences(base, variant)
    ends = _interval(differences, len(base), len(variant), 1 - CONFIDENCE)
    low, high = (None, None) if ends is None else (exp(ends[0]), exp(ends[1]))
    return Ratio(exp(median(differences)), low, high, p_value(base, variant))


def p_value(base: Sequence[float], variant: Sequence[float]) -> float:
    """Return the two-sided p-value of the Mann-Whitney test of two samples.

    A pair of equal times counts against a difference, so that the distribution without ties can be used.
    """
    longer = sum(after > before for before in base for after in variant)
    shorter = sum(after < before for before in base for after in variant)
    return min(1.0, 2 * _tail(len(base), len(variant))[max(longer, shorter)])


def holm(p_values: Sequence[float], alpha: float = FALSE_ALARMS) -> tuple[bool, ...]:
    """Return, for each p-value, whether its hypothesis is rejected.

    The probability that any true one is rejected is at most `alpha`.
    """
    rejected = [False] * len(p_values)
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    for rank, at in enumerate(order):
        if p_values[at] > alpha / (len(p_values) - rank):
            break
        rejected[at] = True
    return tuple(rejected)


def visible(base: Sequence[float], variant: Sequence[float], alpha: float) -> float | None:
    """Return the ratio that such samples show with a probability of about `POWER`; None if they can show none.

    `alpha` is the p-value that a difference must have.  If half the width of the interval of this level is W, a
    difference of W is shown with a probability of one half.  How much larger it must be follows from the normal
    approximation of the test's distribution, by which W is z(1 - alpha/2) standard errors.
    """
    ends = _interval(_differences(base, variant), len(base), len(variant), alpha)
    if ends is None:
        return None
    normal = NormalDist()
    critical = normal.inv_cdf(1 - alpha / 2)
    return exp((ends[1] - ends[0]) / 2 * (critical + normal.inv_cdf(_NORMAL_POWER)) / critical)


def samples_needed(alpha: float) -> int:
    """Return how many samples of each side make a p-value of at most `alpha` possible."""
    count = 1
    while 2 / comb(2 * count, count) > alpha:
        count += 1
    return count


def _differences(base: Sequence[float], variant: Sequence[float]) -> list[float]:
    """Return the differences of the logarithms of all pairs, the smallest first."""
    before, after = [log(time) for time in base], [log(time) for time in variant]
    return sorted(second - first for first in before for second in after)


def _interval(differences: Sequence[float], base: int, variant: int, alpha: float) -> tuple[float, float] | None:
    """Return the ends of the interval that the true difference is in, with a probability of at least 1 - `alpha`.

    They are the smallest and the largest difference that the test does not reject.  None if it can reject none.
    """
    tail = _tail(base, variant)
    beyond = sum(probability <= alpha / 2 for probability in tail)
    return (differences[beyond - 1], differences[-beyond]) if beyond else None


@lru_cache(maxsize=64)
def _tail(base: int, variant: int) -> tuple[float, ...]:
    """Return, for each U from 0 to `base` * `variant`, the probability that Mann and Whitney's U is at least so large.

    The number of orders with each U is a coefficient of the Gaussian binomial (base + variant over base).
    """
    ways = [1] + [0] * (base * variant)
    for step in range(1, base + 1):
        for u in range(len(ways) - 1, variant + step - 1, -1):
            ways[u] -= ways[u - variant - step]
        for u in range(step, len(ways)):
            ways[u] += ways[u - step]
    total = comb(base + variant, base)
    return tuple(count / total for count in accumulate(reversed(ways)))[::-1]

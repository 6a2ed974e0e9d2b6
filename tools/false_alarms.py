# SPDX-License-Identifier: GPL-2.0-only
"""Measure how often the comparison of times is wrong, from many boots of one kernel.

    tools/false_alarms.py results/same-... tests/unit/data/times/quiet.json

Each comparison draws 2n boots, and takes half of them as the base and half as the variant.  Since all are of one
kernel, a difference that is shown is a false alarm.  Then the times of the variant are made longer: how often is that
shown?  `tools/same.yaml` makes the boots, with ``orch run --repeat 40``.

    tools/false_alarms.py --kernel slow results/slow-... --base base.json

says how often a kernel that really is slower is shown, against the boots of its base.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from orchestrator.result.compare.statistics import FALSE_ALARMS, POWER, holm, p_value, visible
from orchestrator.result.compare.times import compare_times
from orchestrator.result.store.load import load_run

BOOTS = 15
"""Boots of each kernel for which 20 % are found; docs/how-to/times.md recommends this number."""
COMPARISONS = 1000
MOST_ALARMS = 0.01
"""What the rate of false alarms must not exceed; the comparison aims at half of it (`FALSE_ALARMS`)."""
SLOWDOWN = 1.2
LEAST_NS = 100_000_000
"""A slowdown is required to be found only in times that are at least so long."""
LEAST_BOOTS = 60
Judge = Callable[[Sequence[float]], Sequence[bool]]
"""Decides which p-values of one comparison of kernels show a difference."""


@dataclass(frozen=True)
class Boots:
    """The times of boots of one kernel: `boots` has a tuple for each boot, with a time in ns for each of `names`."""

    about: str
    names: tuple[str, ...]
    boots: tuple[tuple[float, ...], ...]

    def medians(self) -> dict[str, float]:
        """The median of each time, in ns."""
        return {name: median(boot[at] for boot in self.boots) for at, name in enumerate(self.names)}

    def of(self, name: str) -> list[float]:
        """One time of all boots."""
        return [boot[self.names.index(name)] for boot in self.boots]


def read(source: Path, kernel: str | None = None) -> Boots:
    """Read the boots of a run's directory (of `kernel` only, if given), or of a file that `save` wrote."""
    if source.is_dir():
        return of_run(source, kernel)
    data = json.loads(source.read_text())
    return Boots(data["about"], tuple(data["names"]), tuple(map(tuple, data["boots"])))


def of_run(directory: Path, only: str | None = None) -> Boots:
    """Take the times of a run, in the order of the boots: of the kernel `only`, or of all, which must be equal."""
    run = load_run(directory)
    times = compare_times(run)
    if times is None:
        raise SystemExit(f"{directory}: boots each kernel once; run it with --repeat 40")
    if only is None and len({facts.get("build") for facts in run.kernels.values()}) > 1:
        raise SystemExit(f"{directory}: has several kernels; choose one with --kernel")
    by_name: dict[str, dict[tuple[int, str], float]] = {}
    for (place, name, kernel), samples in times.samples.items():
        if only not in (None, kernel):
            continue
        found = by_name.setdefault(f"{place.test}/{name}", {})
        found |= {(sample.round, kernel): sample.value for sample in samples}
    whole = sorted(set.intersection(*(set(found) for found in by_name.values())))
    order = [(number, kernel) for number in dict.fromkeys(n for n, _ in whole) for kernel in run.scenario.kernels]
    boots = tuple(tuple(found[boot] for found in by_name.values()) for boot in order if boot in set(whole))
    return Boots(f"{run.id}, {run.accelerator}", tuple(by_name), boots)


def save(boots: Boots, path: Path) -> None:
    """Write the boots, a line for each."""
    lines = ",\n".join(f"    {json.dumps([round(time) for time in boot])}" for boot in boots.boots)
    head = f'    "about": {json.dumps(boots.about)},\n    "unit": "ns/GiB",\n    "names": {json.dumps(boots.names)}'
    path.write_text(f'{{\n{head},\n    "boots": [\n{lines}\n    ]\n}}\n')


def drawn(boots: Boots, count: int, generator: random.Random) -> tuple[Sequence[Sequence[float]], ...]:
    """Draw the boots of a base and of a variant, `count` of each, none twice."""
    chosen = generator.sample(boots.boots, 2 * count)
    return chosen[:count], chosen[count:]


def shown(
    boots: Boots, count: int, generator: random.Random, planted: Mapping[str, float], judge: Judge = holm
) -> Sequence[bool]:
    """Compare once, and return which times show a difference; `planted` makes times of the variant longer."""
    base, variant = drawn(boots, count, generator)
    factors = [planted.get(name, 1.0) for name in boots.names]
    return judge(
        [
            p_value([boot[at] for boot in base], [boot[at] * factor for boot in variant])
            for at, factor in enumerate(factors)
        ]
    )


def alarm_rate(boots: Boots, count: int, comparisons: int = COMPARISONS, judge: Judge = holm, seed: int = 1) -> float:
    """Return how many comparisons of equal kernels show any difference."""
    generator = random.Random(seed)
    return sum(any(shown(boots, count, generator, {}, judge)) for _ in range(comparisons)) / comparisons


def alarms_in_order(boots: Boots, count: int, judge: Judge = holm) -> tuple[int, int]:
    """Compare every other boot with the one after it, as a run does, which sees what changes slowly on the machine.

    Returns the number of false alarms, and that of the comparisons, each of `count` rounds in a row.
    """
    base, variant = boots.boots[::2], boots.boots[1::2]
    starts = range(len(variant) - count + 1)
    alarms = 0
    for start in starts:
        rounds = slice(start, start + count)
        sides = [([b[at] for b in base[rounds]], [b[at] for b in variant[rounds]]) for at in range(len(boots.names))]
        alarms += any(judge([p_value(before, after) for before, after in sides]))
    return alarms, len(starts)


def found_rates(
    boots: Boots, count: int, comparisons: int = COMPARISONS, slowdown: float = SLOWDOWN, judge: Judge = holm
) -> dict[str, float]:
    """Return, for each time, how often it shows a slowdown of it alone."""
    rates = {}
    for at, name in enumerate(boots.names):
        generator = random.Random(at)
        hits = (shown(boots, count, generator, {name: slowdown}, judge)[at] for _ in range(comparisons))
        rates[name] = sum(hits) / comparisons
    return rates


def shown_rates(base: Boots, variant: Boots, count: int, comparisons: int = COMPARISONS) -> dict[str, float]:
    """Return, for each time, how often `variant`, a kernel that really is slower, is shown to differ from `base`."""
    generator, hits = random.Random(1), Counter[str]()
    for _ in range(comparisons):
        before, after = (generator.sample(boots.boots, count) for boots in (base, variant))
        p_values = [p_value([b[at] for b in before], [b[at] for b in after]) for at in range(len(base.names))]
        hits.update(name for name, found in zip(base.names, holm(p_values), strict=True) if found)
    return {name: hits[name] / comparisons for name in base.names}


def visible_rates(boots: Boots, count: int, comparisons: int = COMPARISONS) -> dict[str, float]:
    """Return, for each time, how often a slowdown is shown that another comparison says it could have seen."""
    alpha = FALSE_ALARMS / len(boots.names)
    rates = {}
    for at, name in enumerate(boots.names):
        generator, hits = random.Random(at), 0
        for _ in range(comparisons):
            (before, after), (base, variant) = drawn(boots, count, generator), drawn(boots, count, generator)
            size = visible([boot[at] for boot in before], [boot[at] for boot in after], alpha) or 1.0
            hits += p_value([boot[at] for boot in base], [boot[at] * size for boot in variant]) <= alpha
        rates[name] = hits / comparisons
    return rates


def report(boots: Boots, count: int) -> bool:
    """Print the rates of one source, and return whether they are as good as orch claims."""
    print(f"{boots.about}: {len(boots.boots)} boots, {len(boots.names)} times, n={count}")
    alarms, (in_order, windows) = alarm_rate(boots, count), alarms_in_order(boots, count)
    print(
        f"  false alarms: {alarms:.1%} of {COMPARISONS} comparisons, {in_order} of {windows} in the order of the boots"
    )
    found, seen, medians = found_rates(boots, count), visible_rates(boots, count), boots.medians()
    print(f"  {'time':<28} {'median/GiB':>11} {f'{SLOWDOWN - 1:.0%} found':>10} {'could have seen':>16}")
    for name in boots.names:
        print(f"  {name:<28} {medians[name] / 1e6:>8.1f} ms {found[name]:>10.1%} {seen[name]:>16.1%}")
    required = [name for name in boots.names if medians[name] >= LEAST_NS]
    return alarms <= MOST_ALARMS and all(found[name] >= POWER for name in required)


def report_slower(base: Boots, variant: Boots, count: int) -> None:
    """Print how often a kernel that really is slower is shown."""
    before, after = base.medians(), variant.medians()
    print(f"{variant.about}, against {base.about}: n={count}")
    for name, rate in shown_rates(base, variant, count).items():
        print(f"  {name:<28} ratio {after[name] / before[name]:.2f}, shown in {rate:.1%} of {COMPARISONS} comparisons")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rates of all sources; 1 if one of them is worse than claimed."""
    parser = argparse.ArgumentParser(description="how often the comparison of times is wrong")
    parser.add_argument("sources", nargs="+", type=Path, metavar="RUN|FILE", help="a run's directory, or saved times")
    parser.add_argument("-n", type=int, default=BOOTS, help=f"boots of each kernel in a comparison ({BOOTS})")
    parser.add_argument("--save", type=Path, metavar="FILE", help="only keep the times of the first source")
    parser.add_argument("--kernel", metavar="NAME", help="of a run, only the boots of this kernel")
    parser.add_argument("--base", type=Path, metavar="FILE", help="the saved times of the base of a slower kernel")
    options = parser.parse_args(arguments)
    sources = [read(source, options.kernel) for source in options.sources]
    if options.save:
        save(sources[0], options.save)
    elif options.base:
        report_slower(read(options.base), sources[0], options.n)
    else:
        least = max(LEAST_BOOTS, 2 * options.n)
        if few := [boots.about for boots in sources if len(boots.boots) < least]:
            raise SystemExit(f"{few[0]}: too few boots; at least {least} are needed")
        good = [report(boots, options.n) for boots in sources]
        return 0 if all(good) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-only
"""How often the comparison of times is wrong, recomputed from the times of real boots (docs/explanation/times.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import pytest

from orchestrator.result.compare.statistics import FALSE_ALARMS, POWER
from tests.unit.result.store.test_repeated_run import in_turn, started
from tools.false_alarms import (
    BOOTS,
    COMPARISONS,
    LEAST_BOOTS,
    LEAST_NS,
    MOST_ALARMS,
    Boots,
    Judge,
    alarm_rate,
    alarms_in_order,
    found_rates,
    main,
    read,
    save,
    shown_rates,
    visible_rates,
)

DATA = Path(__file__).parent / "data/times"
QUIET, BUSY = (read(DATA / f"{name}.json") for name in ("quiet", "busy"))
both = pytest.mark.parametrize("boots", [QUIET, BUSY], ids=["quiet", "busy"])


@both
def test_equal_kernels_hardly_ever_differ(boots: Boots) -> None:
    assert len(boots.boots) >= LEAST_BOOTS
    assert alarm_rate(boots, BOOTS) <= MOST_ALARMS
    assert alarms_in_order(boots, BOOTS)[0] == 0


def uncorrected(p_values: Sequence[float]) -> Sequence[bool]:
    """Every test alone, as if a run had only one."""
    return [p_value <= FALSE_ALARMS for p_value in p_values]


def lenient(p_values: Sequence[float]) -> Sequence[bool]:
    """The 5 % of textbooks, divided by the number of comparisons."""
    return [p_value <= 0.05 / len(p_values) for p_value in p_values]


def one_sided(p_values: Sequence[float]) -> Sequence[bool]:
    """Half of each p-value, as if the direction were known."""
    return [p_value / 2 <= 2 * FALSE_ALARMS / len(p_values) for p_value in p_values]


@pytest.mark.parametrize("judge", [uncorrected, lenient, one_sided])
@both
def test_a_wrong_statistic_is_seen_by_its_alarms(boots: Boots, judge: Judge) -> None:
    assert alarm_rate(boots, BOOTS, judge=judge) > MOST_ALARMS


def test_a_slowdown_of_a_fifth_is_found_in_every_time_that_is_long_enough() -> None:
    medians = QUIET.medians()
    long_enough = [name for name in QUIET.names if medians[name] >= LEAST_NS]
    assert len(long_enough) == 4
    found = found_rates(QUIET, BOOTS, COMPARISONS // 4)
    assert all(found[name] >= POWER for name in long_enough), found


def test_what_could_have_been_seen_mostly_is() -> None:
    seen = [rate for boots in (QUIET, BUSY) for rate in visible_rates(boots, BOOTS, 200).values()]
    assert min(seen) >= 0.85
    assert mean(seen) >= POWER


def test_a_source_is_kept_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept.json"
    save(QUIET, kept)
    assert read(kept) == QUIET
    assert main([str(kept)]) == 0
    printed = capsys.readouterr().out
    assert "80 boots, 6 times, n=15" in printed
    assert "false alarms: 0.4% of 1000 comparisons" in printed
    assert main([str(kept), "-n", "8"]) == 1, "eight boots are too few for a fifth"


def test_a_kernel_with_a_slower_fault_handler_is_found_where_it_faults_for_every_page() -> None:
    """The patch is tests/vm/patches/slow-fault.patch; a PMD entry is not delayed."""
    base, slow = (read(DATA / f"{name}.json") for name in ("slow-base", "slow"))
    rates = shown_rates(base, slow, BOOTS, 500)
    before, after = base.medians(), slow.medians()
    for name, rate in rates.items():
        if name.startswith("qemu/"):
            assert rate <= MOST_ALARMS
        else:
            assert 1.15 < after[name] / before[name] < 1.25
            assert rate >= POWER


def test_too_few_boots_are_refused(tmp_path: Path) -> None:
    few = tmp_path / "few.json"
    save(Boots("few", QUIET.names, QUIET.boots[:50]), few)
    with pytest.raises(SystemExit, match="few: too few boots; at least 60 are needed"):
        main([str(few)])


def test_the_boots_of_a_run_are_read_in_their_order(tmp_path: Path) -> None:
    store, names = started(tmp_path, 3)
    in_turn(store, names)
    boots = read(store.path)
    assert boots.names == ("kernel/touch_time", "kernel/dma_time", "qemu/touch_time", "qemu/dma_time")
    assert len(boots.boots) == 3 * len(names)
    assert len(read(store.path, names[0]).boots) == 3


def test_boots_of_different_kernels_are_no_boots_of_one(tmp_path: Path) -> None:
    store, names = started(tmp_path, 3)
    in_turn(store, names)
    for name in names:
        store.end_build(f"build/{name}", {"build": name}, seconds=1.0)
    with pytest.raises(SystemExit, match="has several kernels; choose one with --kernel"):
        read(store.path)


def test_a_run_that_boots_once_has_no_samples(tmp_path: Path) -> None:
    store, _ = started(tmp_path, 1)
    with pytest.raises(SystemExit, match="boots each kernel once; run it with --repeat 40"):
        read(store.path)

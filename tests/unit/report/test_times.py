# SPDX-License-Identifier: GPL-2.0-only
"""The times of repeated boots, as tables and for programs: no number for what the data does not show."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from orchestrator.report import as_json, terminal
from orchestrator.report.times import finding, times_tables
from orchestrator.result.compare.alignment import compare
from orchestrator.result.repeated import with_boots
from tests.unit.result.compare.test_times import SPREAD, Factors, repeated, slower

SHOWN = {"base": SPREAD, "thp": slower(1 / 446), "same": slower(1.0), "slow": slower(1.2)}

TABLE = """\
testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
                               ratio  95 %
kernel  time      n  spread  to base  interval
base    touch    15     5 %
thp     touch    15     5 %    1/446  1/459 to 1/433
same    touch    15     5 %
  no difference shown (n=15, could have seen 9 %)
slow    touch    15     5 %     1.20  1.17 to 1.23
base    DMA map  15     5 %
thp     DMA map  15     5 %    1/446  1/459 to 1/433
same    DMA map  15     5 %
  no difference shown (n=15, could have seen 9 %)
slow    DMA map  15     5 %     1.20  1.17 to 1.23
"""

UNDER_KVM = """\
testdev BAR2, 2 GiB, placement kernel (mmap with NULL hint)
                                       ratio  95 %
kernel  time      n   median  spread  to base  interval
"""


def tables(factors: Factors, accelerator: str = "tcg (set)", width: int = 80) -> list[str]:
    comparison = compare(repeated(factors, accelerator=accelerator))
    return ["\n".join(lines) + "\n" for lines in times_tables(comparison, width, color=False)]


def test_under_emulation_there_are_ratios_and_no_times() -> None:
    title, table = tables(SHOWN)
    assert table == TABLE
    assert "Under emulation there are only ratios." in title.replace("\n", " ")
    assert not re.search(r"\d (ns|us|ms|s)\b", title + table)


def test_only_a_boot_with_several_placements_has_earlier_tests() -> None:
    title, _ = tables(SHOWN)
    assert "earlier test" not in title
    run = repeated(SHOWN)
    others = (
        replace(boot, measurements=(*boot.measurements, *(replace(one, test="qemu") for one in boot.measurements)))
        for boot in run.samples
    )
    title = " ".join(times_tables(compare(with_boots(run, others)), 80, color=False)[0])
    assert "It may come from an earlier test of the same boot; to be sure, give each placement a workload." in title


def test_under_kvm_there_are_medians() -> None:
    title, table = tables(SHOWN, "kvm (usable)")
    assert "Under emulation" not in title
    assert "base    touch    15   1.68 s     5 %\n" in table
    assert "thp     touch    15  3.76 ms     5 %    1/446  1/459 to 1/433\n" in table


@pytest.mark.parametrize(
    ("factors", "sentence"),
    [
        (SHOWN, "ratio to base 1/446 (95 % interval 1/459 to 1/433, n=15)"),
        ({"base": SPREAD, "v": SPREAD}, "no difference shown (n=15, could have seen 8 %)"),
        ({"base": SPREAD, "v": slower(1.0)[:10]}, "no difference shown (n=15 and 10, could have seen 10 %)"),
        (
            {"base": SPREAD[:5], "v": slower(9.0)[:5]},
            "no difference can be shown (n=5; it takes 6 boots of each kernel)",
        ),
        (
            {"base": SPREAD, "v": [9 ** (1 - number % 3) for number in range(15)]},
            "no difference shown (n=15, could have seen a factor of 48.2)",
        ),
    ],
)
def test_a_finding_is_one_sentence(factors: Factors, sentence: str) -> None:
    times = compare(repeated(factors)).times
    assert times is not None
    assert finding(times.comparisons[0], times.needed) == sentence


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("accelerator", ["tcg (set)", "kvm (usable)"])
def test_no_line_is_too_wide(accelerator: str, width: int) -> None:
    factors = {f"{name}-of-a-kernel-with-a-name-of-its-own": values for name, values in SHOWN.items()}
    for table in tables(factors, accelerator, width):
        assert max(map(len, table.splitlines())) <= width


def test_the_report_says_how_often_each_kernel_was_booted() -> None:
    text = terminal.render(compare(repeated(SHOWN)), 80)
    assert "each kernel is booted 15 times, interleaved\n" in text
    assert TABLE in text
    assert "Cost per GiB" not in text


def test_with_too_few_boots_the_costs_are_as_for_one_and_nothing_is_claimed() -> None:
    factors = {name: values[:3] for name, values in SHOWN.items()}
    text = terminal.render(compare(repeated(factors)), 80)
    assert "Cost per GiB." in text
    words = " ".join(text.split())
    assert "Each is the median of 3 boots; to show a difference takes 7 boots of each kernel." in words
    assert "difference shown" not in words


def test_one_kernel_alone_has_its_spread() -> None:
    _, table = tables({"base": SPREAD})
    assert "base    touch    15     5 %\n" in table
    assert "shown" not in table
    assert table in terminal.render(compare(repeated({"base": SPREAD})), 80)
    assert "Cost per GiB" in terminal.render(compare(repeated({"base": SPREAD[:5]})), 80)


def test_programs_get_every_sample_and_the_finding() -> None:
    data = json.loads(json.dumps(as_json.to_json(compare(repeated(SHOWN)))))
    by_key = {(time["kernel"], time["name"]): time for time in data["times"]}
    assert len(by_key) == 8
    base, slow = by_key["base", "touch_time"], by_key["slow", "touch_time"]
    assert base["comparison"] is None
    assert (base["unit"], base["n"], base["emulated"], base["test"]) == ("ns/GiB", 15, True, "kernel")
    assert [sample["round"] for sample in slow["samples"]] == list(range(1, 16))
    assert slow["samples"][0]["value"] == pytest.approx(1.2 * SPREAD[-1] * 3_350_000_000 / 2, rel=1e-6)
    found = slow["comparison"]
    assert found["finding"] == "ratio to base 1.20 (95 % interval 1.17 to 1.23, n=15)"
    assert found["low"] < found["ratio"] < found["high"]
    assert found["shown"] is True
    assert by_key["same", "dma_time"]["comparison"]["shown"] is False


def test_programs_get_no_times_of_a_run_that_boots_once() -> None:
    from tests.unit.result.test_samples import pud_run  # noqa: PLC0415

    assert not {"times", "boots", "repeat"} & as_json.to_json(compare(pud_run())).keys()

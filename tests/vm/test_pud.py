# SPDX-License-Identifier: GPL-2.0-only
"""`orch run scenarios/pud.yaml` shows how each kernel maps a BAR, with evidence."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.vm.conftest import ORCH, SCENARIO, Finished, orch

GIB = 1 << 30
PTES, PMDS, PUDS = 2 * GIB >> 12, 2 * GIB >> 21, 2 * GIB >> 30
CASES = 4 * 4 + 1
"""Cases of one kernel."""
HANDFUL = 8
"""At most so many faults are the program's own."""

_KERNEL_PLACEMENT = {
    "base": ("PTE", PTES),
    "no-huge": ("PTE", PTES),
    "vfio-thp": ("PMD", PMDS),
    "vfio-size": ("PUD", PUDS),
    "mm-align": ("PUD", PUDS),
}


def measured(run: Path, kernel: str, placement: str) -> dict[str, int]:
    """The measurements of one placement on one kernel by name."""
    lines = (run / "boots" / kernel / "alignment/guest/measurements.jsonl").read_text().splitlines()
    values = [json.loads(line) for line in lines]
    return {one["name"]: one["value"] for one in values if one["test"] == placement}


def test_every_kernel_behaves_as_understood(pud: Finished) -> None:
    assert pud.status == 0, pud.out + pud.err
    assert pud.record["status"] == "finished"


@pytest.mark.parametrize("kernel", _KERNEL_PLACEMENT)
def test_the_kernels_own_placement_gives_the_level_of_the_thread(pud: Finished, kernel: str) -> None:
    level, entries = _KERNEL_PLACEMENT[kernel]
    values = measured(pud.run, kernel, "kernel")
    by_level = {"PTE": values["entries_pte"], "PMD": values["entries_pmd"], "PUD": values["entries_pud"]}
    assert by_level == {"PTE": 0, "PMD": 0, "PUD": 0, level: entries}
    assert entries <= values["faults"] <= entries + HANDFUL
    assert entries <= values["dma_faults"] <= entries + HANDFUL


@pytest.mark.parametrize("kernel", _KERNEL_PLACEMENT)
def test_qemus_placement_gives_pud_entries_on_every_kernel_that_has_them(pud: Finished, kernel: str) -> None:
    values = measured(pud.run, kernel, "qemu")
    expected = PTES if kernel == "no-huge" else PUDS
    assert values["entries_pte"] + values["entries_pmd"] + values["entries_pud"] == expected
    assert expected <= values["faults"] <= expected + HANDFUL


def test_the_misaligned_control_never_profits(pud: Finished) -> None:
    for kernel in _KERNEL_PLACEMENT:
        assert measured(pud.run, kernel, "misaligned")["entries_pte"] == PTES


def test_the_booted_kernel_is_the_one_that_was_built(pud: Finished) -> None:
    for kernel in _KERNEL_PLACEMENT:
        key = json.loads((pud.run / "kernels" / kernel / "provenance.json").read_text())["key"]
        assert f"#{key[:12]}" in (pud.run / "boots" / kernel / "alignment/guest/version").read_text()


def test_the_comparison_is_printed_in_eighty_columns(pud: Finished) -> None:
    assert all(len(line) <= 80 for line in pud.out.splitlines() if str(pud.results) not in line)
    for word in ("base", "no-huge", "vfio-thp", "vfio-size", "mm-align", "524288", "1024", "fix", "regression"):
        assert word in pud.out


def test_junit_has_a_suite_per_kernel_and_a_case_per_check(pud: Finished) -> None:
    suites = ET.parse(pud.run / "junit.xml").getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == list(_KERNEL_PLACEMENT)
    for suite in suites:
        cases = suite.findall("testcase")
        # run, oracle, attributes and level of 4 placements; the guest kernel's log
        assert len(cases) == CASES
        assert len({case.get("name") for case in cases}) == len(cases)
        assert suite.get("failures") == "0"
        assert suite.get("errors") == "0"
        properties = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
        assert properties["version"] == "7.3.4" or properties["version"].startswith("7.3.")  # type: ignore[union-attr]
        assert {"config_sha256", "compiler", "qemu", "virtme_ng", "device", "accelerator"} <= properties.keys()


def test_the_result_directory_has_all_that_a_reviewer_needs(pud: Finished) -> None:
    for kernel in _KERNEL_PLACEMENT:
        built = {path.name for path in (pud.run / "kernels" / kernel).iterdir()}
        assert {"config", "build.log", "commands.sh", "provenance.json", "result.json"} <= built
        booted = {path.name for path in (pud.run / "boots" / kernel / "alignment").iterdir()}
        assert {"console.log", "command.sh", "result.json", "guest"} <= booted
        console = (pud.run / "boots" / kernel / "alignment/console.log").read_text()
        assert "Linux version 7.3" in console
        assert "reboot: Power down" in console
    assert (pud.run / "kernels/mm-align/patches").is_dir()
    assert (pud.run / "scenario.yaml").read_text() == SCENARIO.read_text()


def test_the_guest_kernel_is_as_clean_after_the_workload_as_before(pud: Finished) -> None:
    for kernel in _KERNEL_PLACEMENT:
        guest = pud.run / "boots" / kernel / "alignment/guest"
        assert (guest / "tainted.before").read_text() == (guest / "tainted.after").read_text() == "0\n"


def test_the_base_build_compiles_few_objects(pud: Finished) -> None:
    assert pud.build("base").objects <= 1000


def test_a_second_run_builds_nothing(again: Finished) -> None:
    assert again.status == 0, again.out + again.err
    assert all(kernel["cached"] for kernel in again.record["kernels"].values())
    assert "build start" not in again.err
    events = [json.loads(line) for line in (again.run / "events.jsonl").read_text().splitlines()]
    assert not [event for event in events if event.get("phase") in ("clone", "patch", "configure", "build")]


def test_exact_measurements_are_equal_on_every_run(pud: Finished, again: Finished) -> None:
    def exact(run: Path, kernel: str) -> list[dict[str, Any]]:
        lines = (run / "boots" / kernel / "alignment/guest/measurements.jsonl").read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["exact"]]

    for kernel in _KERNEL_PLACEMENT:
        first, second = exact(pud.run, kernel), exact(again.run, kernel)
        assert first == second
        assert {one["name"] for one in first} >= {"alignment", "entries_pud", "faults", "dma_faults"}


def test_compare_prints_the_stored_run_as_the_run_did(pud: Finished) -> None:
    shown = orch(pud.results, "compare")
    assert shown.status == 0
    assert shown.out == pud.out
    comparison = json.loads(orch(pud.results, "compare", "--json").out)
    assert comparison["counts"] == {"PASS": len(_KERNEL_PLACEMENT) * CASES}


def test_the_plan_says_that_all_is_cached(again: Finished) -> None:
    import subprocess  # noqa: PLC0415

    planned = subprocess.run([ORCH, "plan", str(SCENARIO), "--json"], capture_output=True, text=True, check=True)
    steps = json.loads(planned.stdout)
    assert [step["cached"] for step in steps if step["job"].startswith("build/")] == [True] * 5

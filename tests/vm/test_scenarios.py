# SPDX-License-Identifier: GPL-2.0-only
"""The shipped scenarios: each runs green, and gives the answer that the README quotes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.vm.conftest import REPOSITORY, Finished, orch

SCENARIOS = sorted(path.stem for path in (REPOSITORY / "scenarios").glob("*.yaml"))
ELSEWHERE = {"pud", "stage2", "vmm", "selftests", "command", "arm64", "distro", "noiommu", "riscv64"}
"""Those that have a module of their own."""
LONG = {"history", "matrix", "sub-page"}
"""Those that build kernels whole that no other test needs: 6.1, 6.12 and 7.2, about five minutes each."""


def run(name: str, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    done = orch(tmp_path_factory.mktemp(name), "run", str(REPOSITORY / f"scenarios/{name}.yaml"))
    assert done.status == 0, done.out + done.err
    return done


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run("history", tmp_path_factory)


@pytest.fixture(scope="module")
def proposals(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run("proposals", tmp_path_factory)


@pytest.fixture(scope="module")
def placement(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run("placement", tmp_path_factory)


def cases(done: Finished) -> dict[tuple[str, str], str]:
    """The status of every case by kernel and name."""
    return {(case["kernel"], case["name"]): case["status"] for case in comparison(done)["cases"]}


def comparison(done: Finished) -> dict[str, list[dict[str, str]]]:
    data: dict[str, list[dict[str, str]]] = json.loads(orch(done.results, "compare", "--json").out)
    return data


def table(done: Finished, heading: str) -> dict[str, list[str]]:
    """The words of each row of the table under `heading`, by its first word."""
    block = done.out.split(heading, 1)[1].split("\n\n", 1)[0]
    return {line.split()[0]: line.split()[1:] for line in block.splitlines()[1:] if line and not line[0].isspace()}


@pytest.mark.long
def test_the_history_is_shown_in_one_table(history: Finished) -> None:
    rows = table(history, "placement kernel (mmap with NULL hint)")
    assert {name: (row[2], row[3], row[4]) for name, row in rows.items() if name.startswith("linux")} == {
        "linux-6.1": ("PTE", "524288", "1"),
        "linux-6.12": ("PMD", "1024", "1024"),
        "linux-7.2": ("PTE", "524288", "524288"),
        "linux-7.3": ("PTE", "524288", "524288"),
    }


def test_the_proposals_differ_for_parts_of_a_bar(proposals: Finished) -> None:
    further = table(proposals, "further tests of workload alignment")
    for test in ("repeat.topdown", "repeat.bottomup", "random"):
        assert further[test] == ["PTE", "PMD", "PUD", "PUD", "PUD"]
    assert "entries: 1 PUD + 253 PMD + 511 PTE" in proposals.out
    assert "entries: 765 PMD + 511 PTE" in proposals.out


def test_every_test_of_the_program_runs_somewhere(placement: Finished) -> None:
    """Skipped on both kernels is only what the emulated devices do not have."""
    found = cases(placement)
    by_test: dict[str, set[str]] = {}
    for (_, name), status in found.items():
        match = re.fullmatch(r"[^/]+/[^/]+/BAR\d/(.*)/run", name)
        if match:
            by_test.setdefault(match[1], set()).add(status)
    assert {test for test, statuses in by_test.items() if statuses == {"SKIP"}} <= {
        "life.reset",
        "life.reset-pmd",
        "life.reset-pte",
    }
    assert len(by_test) > 50


def test_what_stock_kernels_do_with_a_split_pud_entry_is_known_and_fixed(placement: Finished) -> None:
    found = cases(placement)
    for test in ("content/ram/BAR2/life.mremap", "content/ram/BAR2/life.mremap-part", "split/ram/BAR2/split.munmap"):
        assert (found["base", f"{test}/run"], found["fixed", f"{test}/run"]) == ("XFAIL", "PASS")
    assert found["base", "split/ram/boot"] == "XFAIL"


def test_two_runs_with_one_seed_draw_the_same_ranges(placement: Finished) -> None:
    lines = [
        json.loads(line)
        for kernel in ("base", "vfio-size")
        for line in (placement.run / f"boots/{kernel}/place/guest/measurements.jsonl").read_text().splitlines()
    ]
    for name in ("seed", "long_pmd", "long_pud"):
        drawn = [one["value"] for one in lines if one["test"] == "random" and one["name"] == name]
        assert len(drawn) == 2
        assert len(set(drawn)) == 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
        for name in SCENARIOS
        if name not in ELSEWHERE
    ],
)
def test_no_guest_kernel_complains(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    known = {"history", "proposals", "placement"}
    done = request.getfixturevalue(name) if name in known else orch(tmp_path, "run", f"scenarios/{name}.yaml")
    assert done.status == 0, done.out + done.err
    logs = {key: status for key, status in cases(done).items() if key[1].endswith("/log")}
    assert logs
    known_to_complain = {"XFAIL"} if name == "placement" else set()
    assert set(logs.values()) == {"PASS"} | known_to_complain


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_says_its_question_first(name: str) -> None:
    lines = (REPOSITORY / f"scenarios/{name}.yaml").read_text().splitlines()
    assert lines[0] == "# SPDX-License-Identifier: GPL-2.0-only"
    assert "question" in " ".join(lines[1:8]).lower()
    assert f"scenarios/{name}.yaml" in (REPOSITORY / "docs/scenarios/index.md").read_text()

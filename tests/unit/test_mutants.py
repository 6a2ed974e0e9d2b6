# SPDX-License-Identifier: GPL-2.0-only
"""The list of mutants and their results.

The list is whole and of these patches, and each survivor has a reason.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.scenario.load import load
from tools import mutants
from tools.mutants import Mutant, Outcome

ALL = mutants.read_mutants()
BASES = sorted({one.base for one in ALL})


def test_there_are_enough_of_every_kind() -> None:
    assert len(ALL) >= 45
    assert set(Counter(one.kind for one in ALL)) == set(mutants.CLASSES)
    files = Counter(one.file for one in ALL)
    for file in ("drivers/vfio/pci/vfio_pci_core.c", "mm/huge_memory.c", "mm/memory.c"):
        assert files[file] >= 5


def test_no_two_are_the_same_change() -> None:
    assert len({(one.digest, one.base) for one in ALL}) == len(ALL)


@pytest.mark.parametrize("base", BASES)
def test_a_batch_is_a_scenario_that_orch_takes(base: str, tmp_path: Path) -> None:
    batch = [one for one in ALL if one.base == base]
    (tmp_path / "batch.yaml").write_text(yaml.safe_dump(mutants.scenario_of(base, batch), sort_keys=False))
    scenario = load(tmp_path / "batch.yaml")
    assert scenario.base == base
    assert [kernel.name for kernel in scenario.kernels] == [base, *(one.name for one in batch)]
    first, *rest = scenario.kernels
    assert all(kernel.patches[:-1] == first.patches and kernel.expect == first.expect for kernel in rest)


def test_the_result_is_of_these_very_mutants() -> None:
    """A patch that was changed, added or removed needs `make mutants`."""
    results = mutants.read_results()
    assert {name: one.digest for name, one in results.items()} == {one.name: one.digest for one in ALL}
    assert mutants.TABLE.read_text() == mutants.render(ALL, results)


def test_what_survives_has_a_reason_and_nothing_else_has() -> None:
    results = mutants.read_results()
    assert [one.name for one in ALL if bool(one.survives) == bool(results[one.name].by)] == []


def case(kernel: str, name: str, status: str) -> dict[str, str]:
    return {"kernel": kernel, "name": name, "status": status, "message": "why"}


def compared(cases: list[dict[str, str]], change: str | None = None) -> dict[str, Any]:
    row = {"kernel": "mutant", "change": change}
    return {"cases": cases, "blocks": [{"workload": "place", "test": "offset", "rows": [row]}]}


PASSES, SKIPS = case("mutant", "place/run", "PASS"), case("mutant", "place/reset", "SKIP")


@pytest.mark.parametrize(
    ("comparison", "by"),
    [
        (compared([PASSES, SKIPS]), ()),
        (compared([PASSES], "fix"), ()),
        (compared([PASSES], "unchanged"), ()),
        (compared([PASSES], "incomplete"), ()),
        (compared([PASSES], "regression"), ("place/offset: regression",)),
        (compared([PASSES, case("mutant", "place/log", "FAIL")]), ("place/log: FAIL",)),
        (compared([case("mutant", "place/boot", "CRASH")]), ("place/boot: CRASH",)),
        (compared([case("mutant", "place/boot", "TIMEOUT")]), ("place/boot: TIMEOUT",)),
        (compared([case("mutant", "place/run", "XPASS")]), ("place/run: XPASS",)),
        (compared([PASSES, case("base", "place/log", "FAIL")]), ()),
        (compared([case("mutant", "a", "ERROR"), case("mutant", "b", "FAIL")]), ("b: FAIL",)),
    ],
)
def test_what_kills(comparison: dict[str, Any], by: tuple[str, ...]) -> None:
    assert mutants.killers(comparison, "mutant") == by


@pytest.mark.parametrize("cases", [[], [case("base", "a", "PASS")], [PASSES, case("mutant", "a", "ERROR")]])
def test_what_was_not_tried_is_no_survivor(cases: list[dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="not tried"):
        mutants.killers(compared(cases), "mutant")


HEADER = "Wrong: all\nClass: pfn\nBase: fixed\nExpect: content\n"


def patch(place: Path, header: str, change: str = "+wrong") -> Mutant:
    path = place / "one.patch"
    path.write_text(f"{header}\ndiff --git a/mm/memory.c b/mm/memory.c\n{change}\n")
    return mutants.read_mutant(path)


@pytest.mark.parametrize("header", ["Wrong: all\n", HEADER.replace("pfn", "odd"), HEADER.replace("Base: fixed\n", "")])
def test_a_header_that_lacks_something_is_refused(header: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the header needs"):
        patch(tmp_path, header)


def test_a_reason_does_not_make_a_result_stale_and_a_change_does(tmp_path: Path) -> None:
    before = patch(tmp_path, HEADER)
    assert before.file == "mm/memory.c"
    assert patch(tmp_path, HEADER + "Survives: equivalent\n").digest == before.digest
    assert patch(tmp_path, HEADER, "+otherwise").digest != before.digest


@pytest.mark.parametrize(
    ("outcome", "run"),
    [
        (None, True),
        (Outcome("other", ("a",), 1, "new"), True),
        (Outcome("d", ("a",), 1, "new"), False),
        (Outcome("d", ("a",), 1, "old"), False),
        (Outcome("d", (), 1, "new"), False),
        (Outcome("d", (), 1, "old"), True),
    ],
)
def test_what_is_run(outcome: Outcome | None, run: bool) -> None:
    mutant = Mutant("two", "mm/memory.c", "lock", "fixed", "nothing", "log", "", "d")
    assert mutants.pending(mutant, outcome, "new") is run


def test_the_table_names_survivors_first_and_sums_up(tmp_path: Path) -> None:
    survivor = patch(tmp_path, HEADER + "Survives: it is the same\n")
    killed = Mutant("two", survivor.file, "lock", "fixed", "nothing", "log", "", "d")
    results = {"one": Outcome(survivor.digest, (), 9, "v"), "two": Outcome("d", tuple("abcdef"), 8, "v")}
    table = mutants.render((killed, survivor), results).splitlines()
    assert "| all | 2 | 1 | 1 |" in table
    assert table[-2].startswith("| one |") and "**survives**: it is the same" in table[-2]
    assert table[-1].endswith("| killed | `a`, `b`, `c`, `d` and 2 more | 8 |")


def test_results_are_read_as_they_are_written() -> None:
    stored = json.loads(mutants.RESULTS.read_text())
    assert mutants.read_results() == {name: Outcome(**{**one, "by": tuple(one["by"])}) for name, one in stored.items()}

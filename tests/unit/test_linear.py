# SPDX-License-Identifier: GPL-2.0-only
"""Any output of a guest is read in time that grows with its length."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine.console import Ended, find_end
from orchestrator.machine.kernel_log import find_splats
from orchestrator.report import junit, kcidb, markdown, terminal
from orchestrator.report.grid import cell
from orchestrator.report.html import page
from orchestrator.result.compare.alignment import Comparison, compare
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Run
from orchestrator.result.store.excerpt import Evidence
from orchestrator.workload.ktap.parse import parse_ktap
from orchestrator.workload.suite.cases import suite_cases
from tests.unit.result.test_samples import GOOD, run_of

LONG = 250_000
SECONDS = 1.5
"""What any of it may take here, of the processor; quadratic in a line of this length is ten seconds at least."""


def repeated(text: str, size: int = LONG) -> str:
    return (text * (size // len(text) + 1))[:size]


def within_time(work: Callable[[], object]) -> None:
    began = time.process_time()
    work()
    assert time.process_time() - began < SECONDS


WORDS = [
    "a",
    "1",
    "a.b",
    "[ ",
    "rcu: INFO: ",
    "qemu-system-a: terminating on signal 1 from pid 1 (",
    "# ",
    " ",
    "0f",
    "\x1b]",
]
ENDS = {
    "time": Ended(timed_out=True),
    "flood": Ended(flooded=True),
    "status": Ended(status=2, began=True),
    "lost": Ended(),
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("ended", ENDS.values(), ids=ENDS)
def test_the_end_of_a_boot_is_found_in_any_line(word: str, ended: Ended) -> None:
    line = repeated(word)
    within_time(lambda: find_end(f"[    1.000000] Linux version 7\n[    2.000000] {line}z\n{line}\n", ended))


@pytest.mark.parametrize("word", WORDS)
def test_splats_are_found_in_any_line(word: str) -> None:
    line = repeated(word)
    within_time(lambda: find_splats(f"[    1.000000] WARNING: {line}z\n[    2.000000] BUG: {line}\n{line}", "log"))


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "form", ["# {}z\nnot ok 1 x", "not ok 1 {}z", "ok 1 x # {}", "    ok 1 {0}\nok 1 {0}", "ok 1 x\n  ---\n  {}\n  ..."]
)
def test_ktap_is_read_whatever_a_line_is(word: str, form: str) -> None:
    document = f"KTAP version 1\n1..1\n{form.format(repeated(word))}\n"
    within_time(lambda: suite_cases(parse_ktap(document)))


DOCUMENTS = {
    "blocks of YAML": "TAP version 13\n1..1\nok 1 x\n" + repeated("  ---\n  ...\n", 4 * LONG),
    "results": "TAP version 13\n" + repeated("ok 1 x\n"),
    "versions": repeated("KTAP version 1\n"),
    "levels": "".join(f"{' ' * (at % 70)}ok {at} x\n" for at in range(1, 10_000)),
    "a long name above many": "1..1\n" + "".join(f"    ok {at} x\n" for at in range(1, 5000)) + f"ok 1 {'p' * LONG}\n",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_ktap_is_read_however_many_lines_it_has(document: str) -> None:
    within_time(lambda: suite_cases(parse_ktap(document)))


def test_a_name_stays_unique_when_it_is_cut() -> None:
    name = "p" * LONG
    cases = suite_cases(parse_ktap(f"1..2\n    1..1\n    ok 1 a\nok 1 {name}a\n    1..1\n    ok 1 a\nok 2 {name}b\n"))
    assert len({case.name for case in cases}) == 2
    assert max(len(case.name) for case in cases) < 5000


def flood(kernel: str, bar: int, count: int = 5000) -> BootResult:
    """A boot with many failed cases."""
    cases = tuple(
        Case(CaseId(kernel, "mm", "dev", bar, f"t/{at}", "run"), Status.FAIL, message=f"m{at}") for at in range(count)
    )
    return BootResult(kernel, "mm", "dev", GOOD, cases)


def suite(run: Run) -> Run:
    return replace(run, scenario=replace(run.scenario, workloads={"mm": {"command": "true", "device": "dev"}}))


FLOODS = {
    "places": run_of(flood("base", 2), flood("new", 2)),
    "a suite": suite(run_of(flood("base", -1), flood("new", -1))),
    "a suite that one kernel lacks": suite(run_of(flood("base", -1), flood("new", -1, 1))),
}


@pytest.mark.parametrize("run", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_cases_is_compared_and_shown(run: Run) -> None:
    within_time(lambda: terminal.render(compare(run)))


def test_a_flood_of_cases_is_written_as_junit() -> None:
    within_time(lambda: junit.render(FLOODS["places"]))


@pytest.mark.parametrize("run", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("form", [page.render, markdown.render], ids=["page", "markdown"])
def test_a_flood_of_cases_is_written_for_readers(run: Run, form: Callable[[Comparison], str]) -> None:
    comparison = compare(run)
    within_time(lambda: form(comparison))


@pytest.mark.parametrize("word", WORDS)
def test_a_cell_of_any_length_is_written(word: str) -> None:
    text = repeated(word)
    within_time(lambda: (cell(text), markdown.code(text), markdown.plain_or_code(text), kcidb.test_path(named(text))))
    within_time(lambda: Evidence(Path("none")).excerpt(f"{text}:1"))


def named(text: str) -> CaseId:
    return CaseId("base", "w", test=text, check="run")

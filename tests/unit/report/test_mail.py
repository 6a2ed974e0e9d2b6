# SPDX-License-Identifier: GPL-2.0-only
"""Runs as the text of a mail: its content, its width, and that nothing hostile acts in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.report import mail
from orchestrator.report.mail import Reported
from orchestrator.result.compare.alignment import compare
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import Run
from orchestrator.result.store.review import REVIEW_FILE, ReviewRecord, read_review
from tests.unit.report.test_hostile import ACTING, HOSTILE, everywhere, suite_run
from tests.unit.result.compare.test_finding import compared
from tests.unit.result.test_samples import PMD, PTE, PUD, broken_run, killed_run, pud_run

WIDTH = 72
REVIEW = ReviewRecord(
    key="0" * 64,
    title="vfio: align the mmap of a BAR",
    version=2,
    patches=3,
    author="A Developer <dev@example.org>",
    date="Sat, 28 Nov 2026 09:00:00 +0000",
    message_id="20261128090000.1-1-dev@example.org",
    base="v7.3.4",
    reason="by the blob ids of 3 of 3 files",
    notes=("base-commit 0123456789ab is not in the git repository",),
    chosen="because the series touches mm/mmap.c",
    arguments=("20261128090000.1-1-dev@example.org", "--base", "v7.3.4", "--scenario", "scenarios/pud.yaml"),
)


def render(run: Run, review: ReviewRecord | None = None, tested_by: str = "") -> str:
    run = replace(run, tools={**run.tools, "virtme_ng": "1.42"})
    return mail.render([Reported(compare(run), review)], tested_by)


def test_a_review_is_this_text() -> None:
    assert (
        render(compared(PTE, PUD), REVIEW, "A Tester <t@example.org>")
        == """\
orch tested "[PATCH v2 0/3] vfio: align the mmap of a BAR":

* new maps 2 GiB of testdev BAR2 (placement kernel) with 2 PUD entries,
  and base with 524,288 PTE entries. 5 of 14 compared values differ.

Series:   3 patches from A Developer <dev@example.org>
Link:     https://lore.kernel.org/r/20261128090000.1-1-dev@example.org
Base:     v7.3.4, by the blob ids of 3 of 3 files
          base-commit 0123456789ab is not in the git repository
Machine:  QEMU 10.0.2, emulated CPU (TCG)
Scenario: scenarios/pud.yaml, because the series touches mm/mmap.c
Tool:     orch 0.1.0, virtme-ng 1.42

case                                         base    new  change
2 GiB of testdev BAR2 (placement kernel)
  alignment                                 4 KiB  1 GiB  fix
  level                                       PTE    PUD  fix
  entries                                 524,288      2  fix
  faults                                  524,288      2  fix
  dma faults                              524,288      2  fix

Not tested:
- times: each kernel was booted 1 time

To repeat:
  orch review 20261128090000.1-1-dev@example.org --base v7.3.4 \\
    --scenario scenarios/pud.yaml

Tested-by: A Tester <t@example.org>
"""
    )


def test_a_run_of_several_variants_has_a_table_for_each_place_that_differs() -> None:
    text = render(pud_run())
    start = text[: text.index("\nKernels:")]
    assert all(name in start for name in pud_run().scenario.kernels)
    assert "testdev BAR2, 2 GiB, placement kernel" in text
    assert "To repeat:\n  orch run scenarios/pud.yaml\n" in text


def test_a_crash_is_the_finding_and_not_as_expected() -> None:
    text = render(broken_run())
    assert re.search(r"^\* \S+ (crashes|hangs), and base does not", text, re.MULTILINE)
    assert "Not as expected:" in text
    assert "CRASH" in text


def test_nothing_to_report_is_one_sentence_and_no_table() -> None:
    text = render(compared(PMD, PMD))
    assert "* new shows no difference from base in 14 compared values.\n" in text
    assert "change" not in text.split("Machine:")[1].split("Not tested")[0]


@pytest.mark.parametrize("run", [killed_run(), broken_run(), compared(PUD, PMD)], ids=["killed", "crashed", "worse"])
def test_no_trailer_where_something_is_worse_or_not_known(run: Run) -> None:
    assert "Tested-by" not in render(run, REVIEW, "A Tester <t@example.org>")


def test_no_trailer_without_a_name() -> None:
    assert "Tested-by" not in render(compared(PTE, PUD), REVIEW)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("A Tester <t@example.org>", True),
        ("Jürgen Ünal <j@example.org>", True),
        ("A Tester", False),
        ("<t@example.org>", False),
        ("t@example.org", False),
        ("A Tester <t@example.org>\nReviewed-by: B <b@example.org>", False),
        ("A Tester <t@example.org>\r\nX: y", False),
        ("A <Tester> <t@example.org>", False),
        ("A \u202eTester <t@example.org>", False),
        ("A Tester <t @example.org>", False),
        ("", False),
    ],
)
def test_a_tester_is_a_name_and_an_address_in_one_line(text: str, good: bool) -> None:
    assert mail.is_person(text) is good


def test_paths_of_this_machine_are_in_no_command() -> None:
    run = compared(PTE, PUD)
    run = replace(run, scenario=replace(run.scenario, path="/home/me/x/own.yaml", overrides="--tree /home/me/linux"))
    assert "To repeat:\n  orch run own.yaml --tree linux\n" in render(run)


def test_a_failed_build_has_no_path_of_a_log() -> None:
    case = Case(CaseId.of_build("new"), Status.FAIL, message="kernel 'new' does not build: x (log: /home/me/x.log)")
    assert "/home/me" not in render(replace(compared(PTE, PTE), builds=(case,)))


def test_a_long_link_is_not_broken() -> None:
    identity = "a" * 90 + "@example.org"
    assert f"https://lore.kernel.org/r/{identity}\n" in render(compared(PTE, PUD), replace(REVIEW, message_id=identity))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_hostile_acts_or_makes_a_line_of_its_own(text: str) -> None:
    """Each line has a form that the text alone decides, and at most the width, but for a link."""
    for run in (pud_run(), broken_run(), suite_run(), compared(PTE, PUD)):
        shown = render(everywhere(run, text), everywhere(REVIEW, text))
        assert not ACTING.search(shown.replace("\n", ""))
        assert len(shown) < 60_000
        long = [line for line in shown.splitlines() if len(line) > WIDTH and "https://" not in line]
        assert all(line.startswith("  ") for line in long), long[:3]
        assert all(len(line) <= 420 for line in long), max(map(len, long))


def test_the_record_of_a_review_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / REVIEW_FILE).write_text(REVIEW.text)
    assert read_review(tmp_path) == REVIEW


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"key": 1}', '{"title": "x"}', "null", '{"key": "x", "title": []}']
)
def test_a_damaged_record_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / REVIEW_FILE).write_text(content)
    assert read_review(tmp_path) is None
    (tmp_path / REVIEW_FILE).unlink()
    (tmp_path / REVIEW_FILE).symlink_to("/etc/hostname")
    assert read_review(tmp_path) is None

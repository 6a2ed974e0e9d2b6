# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the guest program's group life, compiled for the local machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.workload.alignment.program import GUEST

DATA = Path(__file__).parents[2] / "data" / "workload"


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("life") / "life_harness"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, DATA / "life_harness.c", "-o", binary], check=True)
    return binary


def output(harness: Path, *arguments: str) -> list[str]:
    return subprocess.run([harness, *arguments], check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("record", "judged"),
    [
        (
            "3,410,9456008,-;mm/pgtable-generic.c:44: bad pud 1(2)\n SUBSYSTEM=x\n",
            "bad: mm/pgtable-generic.c:44: bad pud 1(2)",
        ),
        ("4,411,9456010,-;WARNING: CPU: 0 PID: 46 at mm/mremap.c:1", "bad: WARNING: CPU: 0 PID: 46 at mm/mremap.c:1"),
        ("1,411,9456010,-;BUG: Bad page map in process x", "bad: BUG: Bad page map in process x"),
        ("3,411,9456010,-;vfio-pci 0000:00:10.0: no", "bad: vfio-pci 0000:00:10.0: no"),
        # An error, but whose?
        ("3,411,9456010,-;ata1: no", "error: ata1: no"),
        ("4,412,9456011,-;clocksource: Marking clocksource 'tsc' as unstable", "fine"),
        ("6,413,9456012,-;vfio-pci 0000:00:10.0: resetting", "fine"),
        # The facility of user space, whatever the level.
        ("11,414,9456013,-;virtme-ng-init: BUG: an error", "fine"),
        ("no record", "fine"),
    ],
)
def test_the_kernels_errors_are_distinguished_from_the_rest_of_the_log(harness: Path, record: str, judged: str) -> None:
    assert output(harness, "log", record) == [judged]


def test_a_signal_is_reported_by_name_in_every_thread(harness: Path) -> None:
    found = "no signal SIGBUS SIGSEGV SIGSEGV SIGBUS 4096"
    assert output(harness, "probe") == [f"here: {found}", f"there: {found}"]


BEFORE = "00000001 00000002 00000003"


def test_tags_are_written_once_and_taken_back(harness: Path) -> None:
    before, count, written, after = output(harness, "tags", "ram")
    assert before == after == BEFORE
    assert count == "3 tags, kept"
    assert len({*written.split(), *BEFORE.split()}) == 6


@pytest.mark.parametrize(
    ("bar", "outcome"), [("none", "not kept"), ("one", "not kept"), ("alias", "not kept"), ("fails", "failed")]
)
def test_what_does_not_keep_all_tags_is_at_once_as_it_was(harness: Path, bar: str, outcome: str) -> None:
    assert output(harness, "tags", bar) == [BEFORE, f"3 tags, {outcome}", BEFORE, BEFORE]

# SPDX-License-Identifier: GPL-2.0-only
"""The program's verdict on each placement."""

from __future__ import annotations

from pathlib import Path

from orchestrator.workload.alignment.outcomes import ProgramStatus, ProgramVerdict, setup_failure, verdicts
from orchestrator.workload.ktap.parse import parse_ktap

DATA = Path(__file__).parents[2] / "data" / "workload"
PLACEMENTS = ("kernel", "qemu", "offset", "misaligned")


def statuses(log: str) -> dict[tuple[int, str], str]:
    tap = parse_ktap((DATA / log).read_text())
    return {(v.bar, v.test): v.status.value for v in verdicts(tap, "0000:00:10.0", PLACEMENTS)}


def test_a_real_log() -> None:
    expected = {(bar, placement): "ok" for bar in (0, 2) for placement in PLACEMENTS}
    assert statuses("alignment-7.3-2G.ktap.log") == expected | {(1, placement): "skip" for placement in PLACEMENTS}


def test_a_guest_that_was_killed() -> None:
    found = statuses("alignment-7.3-killed.ktap.log")
    assert found[2, "offset"] == "ok"
    assert (2, "misaligned") not in found


def test_reasons_and_evidence() -> None:
    tap = parse_ktap(
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 BAR1 # SKIP not mappable: I/O ports\n"
        "    KTAP version 1\n    1..1\n    not ok 1 kernel # cannot map the BAR: Cannot allocate memory (errno 12)\n"
        "  not ok 2 BAR2\nnot ok 1 0000:00:10.0\n"
    )
    assert verdicts(tap, "0000:00:10.0", ["kernel"], "boots/a/ktap.log") == (
        ProgramVerdict(1, "kernel", ProgramStatus.SKIP, "not mappable: I/O ports", "boots/a/ktap.log:5"),
        ProgramVerdict(
            2,
            "kernel",
            ProgramStatus.NOT_OK,
            "cannot map the BAR: Cannot allocate memory (errno 12)",
            "boots/a/ktap.log:8",
        ),
    )
    assert verdicts(tap, "0000:00:11.0", ["kernel"]) == ()
    assert setup_failure(tap) == ""


def test_a_program_that_could_not_start() -> None:
    tap = parse_ktap("KTAP version 1\n1..1\nnot ok 1 0000:00:10.0 # ERROR no IOMMU group: No such device\n")
    assert verdicts(tap, "0000:00:10.0", PLACEMENTS) == ()
    assert setup_failure(tap) == "0000:00:10.0: no IOMMU group: No such device"

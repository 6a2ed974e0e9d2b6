# SPDX-License-Identifier: GPL-2.0-only
"""Find the verdicts of the `alignment` program on each placement in its KTAP."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.workload.ktap.model import Directive, Outcome, Tap, TapTest

_BAR = re.compile(r"BAR([0-5])", re.ASCII)


class ProgramStatus(StrEnum):
    """The program's status of a placement: fully measured, not fully measured, nothing to measure."""

    OK = "ok"
    NOT_OK = "not ok"
    SKIP = "skip"


@dataclass(frozen=True)
class ProgramVerdict:
    """The program's own verdict on one placement of one BAR.

    It does not judge the measured numbers.  `reason` is empty for OK.  `evidence` is a path relative to the run
    directory, with `:line`.
    """

    bar: int
    test: str
    status: ProgramStatus
    reason: str
    evidence: str


def verdicts(tap: Tap, address: str, placements: Iterable[str], path: str = "ktap.log") -> tuple[ProgramVerdict, ...]:
    """Return the verdicts on the device at `address`, in the order of the KTAP.

    A BAR that the program skipped is skipped for all of `placements`.  A test that was planned and not reported has no
    verdict; the end of the boot explains it.  `path`, relative to the run directory, is the file in the evidence.
    Never raises.
    """
    wanted = tuple(placements)
    bars = [bar for device in tap.tests if device.name == address for bar in device.subtests]
    numbered = [(int(match[1]), bar) for bar in bars if (match := _BAR.fullmatch(bar.name))]
    return tuple(verdict for number, bar in numbered for verdict in _of_bar(number, bar, wanted, path))


def setup_failure(tap: Tap) -> str:
    """Return why the program could not measure anything (no IOMMU, no vfio-pci, …).

    Returns "" if it could.
    """
    failed = [test for test in tap.tests if test.directive is Directive.ERROR]
    return "; ".join(f"{test.name}: {test.comment}" for test in failed)


def _of_bar(number: int, bar: TapTest, placements: tuple[str, ...], path: str) -> list[ProgramVerdict]:
    if bar.directive is Directive.SKIP and not bar.subtests:
        return [_verdict(number, placement, bar, path) for placement in placements]
    reported = [test for test in bar.subtests if test.outcome is not Outcome.MISSING]
    return [_verdict(number, test.name, test, path) for test in reported]


def _verdict(bar: int, placement: str, test: TapTest, path: str) -> ProgramVerdict:
    status = ProgramStatus.OK if test.outcome is Outcome.OK else ProgramStatus.NOT_OK
    if test.directive is Directive.SKIP:
        status = ProgramStatus.SKIP
    reason = "" if status is ProgramStatus.OK else test.comment
    return ProgramVerdict(bar, placement, status, reason, f"{path}:{test.line}")

# SPDX-License-Identifier: GPL-2.0-only
"""A guest kernel's taint and log as a case."""

from __future__ import annotations

import pytest

from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.codec import decode_boot, encode_boot
from orchestrator.result.log import log_case, spell_taint
from orchestrator.result.model import Case, Status
from orchestrator.result.record import BootResult

WARNING = "[    2.100000][   T34] WARNING: mm/memory.c:1 at f+0x1, CPU#0: alignment/80"


def case(taint: tuple[int, int] | None, *warnings: str, noiommu: bool = False) -> Case:
    report = BootReport(BootEnd.OK, 1.0, (), "boots/k/w/console.log:7", warnings, taint)
    return log_case("k", "w", "testdev", report, noiommu=noiommu)


def test_the_same_taint_and_a_silent_log_pass() -> None:
    found = case((4096, 4096))
    assert (found.id.name, found.status, found.message) == ("w/testdev/log", Status.PASS, "")
    assert (found.expected, found.measured) == ("taint unchanged, no warning", "taint 4096 (O), no warning")
    assert found.evidence == "boots/k/w/console.log:7"


def test_a_new_taint_fails_with_its_letters() -> None:
    found = case((0, 512))
    assert (found.status, found.message) == (Status.FAIL, "the guest kernel's taint went from 0 to 512 (W)")
    assert found.measured == "taint from 0 to 512 (W), no warning"


@pytest.mark.parametrize(("before", "after"), [(0, 64), (0, 0), (64, 64), (512, 576)])
def test_no_iommu_mode_may_taint_a_kernel_as_it_always_does(before: int, after: int) -> None:
    found = case((before, after), noiommu=True)
    assert (found.status, found.message) == (Status.PASS, "")
    assert found.expected == "taint unchanged but for 64 (U) of no-IOMMU mode, no warning"


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [(0, 512, "from 0 to 512 (W)"), (0, 576, "from 0 to 576 (UW)"), (64, 0, "from 64 (U) to 0")],
)
def test_no_iommu_mode_excuses_no_other_taint(before: int, after: int, change: str) -> None:
    found = case((before, after), noiommu=True)
    assert (found.status, found.message) == (Status.FAIL, f"the guest kernel's taint went {change}")


def test_the_taint_of_no_iommu_mode_is_none_behind_an_iommu() -> None:
    assert case((0, 64)).message == "the guest kernel's taint went from 0 to 64 (U)"
    assert case((0, 64), WARNING, noiommu=True).status is Status.FAIL
    assert case(None, noiommu=True).status is Status.ERROR


def test_a_warning_fails_with_its_line_and_without_its_time() -> None:
    found = case((0, 512), WARNING, WARNING)
    assert found.status is Status.FAIL
    assert found.message == (
        "the guest kernel warned: WARNING: mm/memory.c:1 at f+0x1, CPU#0: alignment/80 (and 1 more)"
    )
    assert found.measured == "taint from 0 to 512 (W), 2 warnings"
    assert case((0, 0), WARNING).measured == "taint 0, 1 warning"


def test_an_unknown_taint_proves_nothing() -> None:
    assert case(None).status is Status.ERROR
    assert case(None, WARNING).status is Status.FAIL


@pytest.mark.parametrize(
    ("taint", "text"),
    [(0, "0"), (1, "1 (P)"), (128 | 512, "640 (DW)"), (1 << 19, "524288 (J)"), (1 << 40, f"{1 << 40} (?)")],
)
def test_taints_are_spelled_as_the_kernels_documentation_does(taint: int, text: str) -> None:
    assert spell_taint(taint) == text


def test_the_taint_is_kept_with_the_results() -> None:
    for taint in ((0, 512), None):
        kept = BootResult("k", "w", "testdev", BootReport(BootEnd.OK, 1.0, taint=taint))
        assert decode_boot(encode_boot(kept)) == kept
    older = encode_boot(kept)
    del older["boot"]["taint"]
    assert decode_boot(older).boot.taint is None

# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest kernel is after a workload what it was before: the same taint, and nothing in its log."""

from __future__ import annotations

import re

from orchestrator.machine.model import BootReport
from orchestrator.result.model import Case, CaseId, Status

TIMESTAMP = re.compile(r"^\s*\[ *\d+\.\d+\](\[ *[CT]\d+\])? ?")
"""What printk puts before a line."""

_LETTERS = "PFSRMBUDAWCIOELKXTNJ"
"""The letters of the bits of /proc/sys/kernel/tainted, from bit 0 (Documentation/admin-guide/tainted-kernels.rst)."""

TAINT_USER = 1 << 6
"""What VFIO taints the kernel with when no-IOMMU mode gives it a device (vfio_group_find_or_alloc in 7.3's group.c)."""


def log_case(kernel: str, workload: str, device: str, report: BootReport, *, noiommu: bool = False) -> Case:
    """The case of a boot that ended OK, called ``log``: FAIL where the guest kernel warned or got tainted.

    With `noiommu` the taint of VFIO's no-IOMMU mode is none, and no other is.  A guest that did not tell its taint has
    proven nothing: ERROR.  Never raises.
    """
    owed = TAINT_USER if noiommu else 0
    status, message = _judged(report, owed)
    unchanged = f"taint unchanged{f' but for {spell_taint(owed)} of no-IOMMU mode' if owed else ''}"
    measured = "" if report.taint is None else f"taint {_change(*report.taint)}, {_count(report)}"
    expected = f"{unchanged}, no warning"
    return Case(CaseId.of_log(kernel, workload, device), status, expected, measured, message, report.evidence)


def _judged(report: BootReport, owed: int) -> tuple[Status, str]:
    if report.warnings:
        more = f" (and {len(report.warnings) - 1} more)" if len(report.warnings) > 1 else ""
        return Status.FAIL, f"the guest kernel warned: {TIMESTAMP.sub('', report.warnings[0]).strip()}{more}"
    if report.taint is None:
        return Status.ERROR, "the guest did not tell its taint, in tainted.before and tainted.after"
    before, after = report.taint
    return (
        (Status.PASS, "")
        if after in (before, before | owed)
        else (Status.FAIL, f"the guest kernel's taint went {_change(*report.taint)}")
    )


def _change(before: int, after: int) -> str:
    return spell_taint(before) if before == after else f"from {spell_taint(before)} to {spell_taint(after)}"


def _count(report: BootReport) -> str:
    count = len(report.warnings)
    return {0: "no warning", 1: "1 warning"}.get(count, f"{count} warnings")


def spell_taint(taint: int) -> str:
    """A taint with its letters, such as "512 (W)"; a bit without one is a question mark."""
    bits = [bit for bit in range(taint.bit_length()) if taint >> bit & 1]
    letters = "".join(_LETTERS[bit] if bit < len(_LETTERS) else "?" for bit in bits)
    return f"{taint} ({letters})" if letters else str(taint)

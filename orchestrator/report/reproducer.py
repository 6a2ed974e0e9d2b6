# SPDX-License-Identifier: GPL-2.0-only
"""Write the C program that shows one failing case of a mapping without orch (`reproducer_c`).

Only numbers, and words from lists of orch's own, reach the program as code.  Names of a run are in its comment only,
with nothing in them that could end it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from orchestrator.errors import UsageError
from orchestrator.report.reproducer_c import BY_KERNEL, BY_RULE, PROGRAM
from orchestrator.result.compare.readings import CompareKey, Reader
from orchestrator.result.judge.levels import best_entries
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import Run
from orchestrator.scenario.model import Level, Placement
from orchestrator.yamlfile.units import format_size, parse_size

PTE, PMD, PUD = 1 << 12, 1 << 21, 1 << 30
_FAILING = (Status.FAIL, Status.XFAIL)
_DUMPS = {"x86_64": "page_tables/current_kernel", "arm64": "current_user_page_tables"}
_OTHERS = {
    "dma_faults": "is about a DMA map",
    "stage2": "is about the entries of KVM",
    "stage2_faults": "is about the faults of a vCPU",
    "oracle": "compares all numbers with orch's prediction",
    "attributes": "is about the memory type of each entry",
    "run": "is the program's own verdict",
}
_LONGEST_NAME = 40
_MOST = 1 << 62
"""Bytes; no BAR is larger."""


@dataclass(frozen=True)
class _Check:
    """What is expected, in words and as a C expression that is true if the failure shows."""

    words: str
    fails: str


def reproducer(run: Run, name: str) -> str:
    """Return the program for the case `name`: KERNEL/CASE, or CASE if one kernel only fails in it.

    Raises UsageError if there is no such case, if it did not fail, or if a program of this kind cannot show it.
    """
    case = _find(run, name)
    placement = next((each for each in Placement if each.value == case.id.test), None)
    if placement is None or case.id.check not in _CHECKS:
        raise UsageError(f"{_full(case.id)}: {_why_not(case.id)}")
    place = CompareKey(case.id.workload, case.id.device, case.id.bar, case.id.test)
    numbers = Reader(run).read(case.id.kernel, place).numbers
    if not _is_a_range(numbers) or not 0 <= case.id.bar < 6:
        raise UsageError(f"{_full(case.id)}: the run did not measure which part of the BAR was mapped")
    return _program(run, case, placement, numbers)


def _is_a_range(numbers: Mapping[str, int]) -> bool:
    """Whether a range was measured, in whole pages as every mapping is."""
    offset, length = numbers.get("offset", -1), numbers.get("length", 0)
    return 0 <= offset < _MOST and 0 < length < _MOST and offset % PTE == length % PTE == 0


def _program(run: Run, case: Case, placement: Placement, numbers: Mapping[str, int]) -> str:
    check = _CHECKS[case.id.check](case, numbers)
    device = run.scenario.devices.get(case.id.device, {})
    values = {
        "PLACE": _place(placement, numbers, device),
        "CHECK": f"\treturn {check.fails};",
        "DUMP": _dump(run, case),
        "BAR": str(case.id.bar),
        "OFFSET": hex(numbers["offset"]),
        "LENGTH": hex(numbers["length"]),
        "WHAT": f"{case.id.check} of the placement {placement}",
        "VERSION": _comment(str(run.kernels.get(case.id.kernel, {}).get("version", "?"))),
        "KERNEL": _comment(case.id.kernel),
        "DEVICE": _device(device),
        "EXPECTED": check.words,
    }
    text = PROGRAM
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _find(run: Run, name: str) -> Case:
    failing = {_full(case.id): case for case in run.cases if case.status in _FAILING}
    found = [full for full, case in failing.items() if name in (full, case.id.name)]
    if len(found) == 1:
        return failing[found[0]]
    if found:
        raise UsageError(f"{name} fails on several kernels; choose {' or '.join(found[:3])}")
    if any(name in (_full(case.id), case.id.name) for case in run.cases):
        raise UsageError(f"{name} did not fail in {run.id}; there is nothing to show")
    near = get_close_matches(name, failing, cutoff=0.3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; no case of it failed" if not failing else ""
    raise UsageError(f"{run.id} has no failing case {name!r}{hint}")


def _full(case: CaseId) -> str:
    return f"{case.kernel}/{case.name}"


def _why_not(case: CaseId) -> str:
    able = "a reproducer shows the alignment, level, entries or faults of one mmap, of a test of a placement"
    if case.check in _CHECKS:
        return f"{able}, and {case.test or 'this'} is another test"
    return f"{able}; the check {case.check or case.workload} {_OTHERS.get(case.check, 'is about a whole boot')}"


def _alignment(case: Case, _: Mapping[str, int]) -> _Check:
    least = _parsed(case, r"at least (\d+ (?:B|KiB|MiB|GiB))")
    return _Check(case.expected, f"ALIGNMENT(at) < {hex(parse_size(least))}UL")


def _level(case: Case, numbers: Mapping[str, int]) -> _Check:
    level = Level(_parsed(case, r"(PTE|PMD|PUD)(?:, which is [0-9A-Z +]+ here)?"))
    best = best_entries(numbers, level)
    if best is None:
        raise UsageError(f"{_full(case.id)}: the run did not measure where the BAR was mapped")
    counts = (best.pte, best.pmd, best.pud)
    wrong = " || ".join(f"n[{at}] != {count}" for at, count in enumerate(counts))
    return _Check("{} PTE {} PMD {} PUD".format(*counts), f"n[0] + n[1] + n[2] ? {wrong} : 2")


def _entries(case: Case, _: Mapping[str, int]) -> _Check:
    count = _parsed(case, r"(\d+)")
    return _Check(f"{count} entries", f"n[0] + n[1] + n[2] ? n[0] + n[1] + n[2] != {count} : 2")


def _faults(case: Case, _: Mapping[str, int]) -> _Check:
    least = _parsed(case, r"(\d+) to \d+")
    most = _parsed(case, r"\d+ to (\d+)")
    return _Check(f"{least} to {most} faults", f"faults < {least} || faults > {most}")


_CHECKS = {"alignment": _alignment, "level": _level, "entries": _entries, "faults": _faults}


def _parsed(case: Case, pattern: str) -> str:
    """Return what `pattern` finds in the expected value, which is orch's own text unless the run was changed."""
    found = re.fullmatch(pattern, case.expected, re.ASCII)
    if found is None or len(case.expected) > 100:
        raise UsageError(f"{_full(case.id)}: the expected value {case.expected[:40]!r} is none that orch writes")
    return found[1]


def _place(placement: Placement, numbers: Mapping[str, int], device: Mapping[str, object]) -> str:
    """Return the statements that choose the address, by the rules of the guest's program (lib/placement.c)."""
    offset, length = numbers["offset"], numbers["length"]
    if placement is Placement.KERNEL:
        return BY_KERNEL
    if placement is Placement.QEMU_V4:
        size = device.get("bar_size")
        if not isinstance(size, int):
            raise UsageError("the run does not have the size of the BAR, which the placement qemu-v4 depends on")
        align, phase = _power(size), offset
    else:
        align, phase = {
            Placement.QEMU: (min(length & -length, PUD), 0),
            Placement.CLOUD_HYPERVISOR: (_power(length), 0),
            Placement.OFFSET: (PUD if length >= PUD else PMD if length >= PMD else PTE, offset),
            Placement.PMD: (PUD, offset + PUD // 2),
            Placement.MISALIGNED: (PMD, offset + PTE),
        }[placement]
    rule = f"The placement {placement}: {hex(phase % align)} modulo {format_size(align)}."
    text = BY_RULE.replace("@RULE@", rule).replace("@ALIGN@", hex(align))
    return text.replace("@PHASE@", hex(phase % align))


def _power(size: int) -> int:
    """Return the next power of two of a size, at least a page and at most 1 GiB."""
    return min(max(PTE, 1 << max(0, size - 1).bit_length()), PUD)


def _dump(run: Run, case: Case) -> str:
    """Return the file in debugfs with the page tables of the process."""
    arch = run.kernels.get(case.id.kernel, {}).get("arch")
    return _DUMPS.get(str(arch), _DUMPS["x86_64"])


def _device(device: Mapping[str, object]) -> str:
    size = device.get("bar_size")
    of_size = f", BAR of {format_size(size)}" if isinstance(size, int) and 0 < size < _MOST else ""
    return _comment(str(device.get("model") or device.get("found") or "unknown")) + of_size


def _comment(text: str) -> str:
    """Return a name as a part of a comment: no character in it ends the comment or the line."""
    return re.sub(r"[^A-Za-z0-9._+:, -]", "?", text[:_LONGEST_NAME])

# SPDX-License-Identifier: GPL-2.0-only
"""Judge the guest kernel's log and taint of a whole boot.

There must be no splat, and no taint that shows a fault.

A boot is judged alone, without the base; `result.compare.alignment` finds what is new against the base.  Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from posixpath import normpath

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.machine.splat_kinds import PANIC
from orchestrator.result.judge.taint import EVENTS, SPLATTERS, letters_of, spell_taint
from orchestrator.result.judge.xfail import reason_for_any
from orchestrator.result.model import Case, CaseId, Status

Known = Sequence[tuple[str, str]]
"""Patterns of the names of cases that are known to fail, and why."""

_LINES = 12
"""Splats that a case lists at most."""


def log_cases(kernel: str, workload: str, device: str, report: BootReport, ordinary: int, known: Known) -> list[Case]:
    """Return the case ``log`` of a boot, if it has one.

    It is a FAIL if the guest kernel wrote a splat or has a taint beyond `ordinary`.  A boot that did not end OK has
    this case only if it is a FAIL.  If the guest did not report its taint, it is an ERROR.  If `known` matches every
    splat, it is an XFAIL; see `names_of`.  Never raises.
    """
    splats = _beside_the_end(report)
    status, message = _judged(report, splats, ordinary)
    if report.end is not BootEnd.OK and status is not Status.FAIL:
        return []
    measured = "" if report.taint is None else f"taint {_change(*report.taint)}, {_count(splats)}"
    evidence = _evidence(report, splats[0]) if splats else report.evidence
    lines = tuple(f"{_evidence(report, splat)}: {splat.text}{_times(splat)}" for splat in splats[:_LINES])
    case_id = CaseId.of_log(kernel, workload, device)
    case = Case(case_id, status, _expected(report, ordinary), measured, message, evidence, lines)
    return [_with_xfail(case, known, _troubles(report, splats, EVENTS | ~ordinary))]


def complaints(report: BootReport) -> Mapping[str, str]:
    """Return the complaints of a guest kernel, each with its place in the logs.

    The place of a taint is "".  Two boots with the same complaint have equal keys, so that the comparison can find what
    is new under a variant.
    """
    places = {splat.title: _evidence(report, splat) for splat in report.splats}
    return {trouble: places.get(trouble, "") for trouble in _troubles(report, report.splats, EVENTS)}


def names_of(case: CaseId, trouble: str) -> tuple[str, ...]:
    """Return the names of a splat or a taint in `xfail`.

    They are ``log`` and ``log/TITLE``, and both after the workload's name.
    """
    return ("log", f"{case.workload}/log", f"log/{trouble}", f"{case.workload}/log/{trouble}")


def _beside_the_end(report: BootReport) -> tuple[Splat, ...]:
    """Return the splats, without the one that ended the boot, and without panics.

    The end of the boot is in the case ``boot``.
    """
    if report.end not in (BootEnd.OOPS, BootEnd.PANIC):
        return report.splats
    place = f"/{report.evidence}"
    return tuple(splat for splat in report.splats if splat.kind != PANIC and not place.endswith(f"/{splat.place}"))


def _troubles(report: BootReport, splats: Sequence[Splat], faults: int) -> tuple[str, ...]:
    """Return the titles of the splats, and the taints among `faults` that no splat explains."""
    before, after = report.taint or (0, 0)
    taint = (before | after) & faults & ~(SPLATTERS if splats else 0)
    return (*(splat.title for splat in splats), *(f"taint {letter}" for letter in letters_of(taint)))


def _judged(report: BootReport, splats: Sequence[Splat], ordinary: int) -> tuple[Status, str]:
    if splats:
        more = f" (and {len(splats) - 1} more)" if len(splats) > 1 else ""
        return Status.FAIL, f"the guest kernel warned: {splats[0].text}{more}"
    if report.taint is None:
        return Status.ERROR, "the guest did not report its taint, in tainted.before and tainted.after"
    before, after = report.taint
    if before & ~ordinary:
        return Status.FAIL, f"the guest kernel was tainted before the workload began: {spell_taint(before)}"
    if after & ~ordinary or before & ~after:
        return Status.FAIL, f"the guest kernel's taint went {_change(before, after)}"
    return Status.PASS, ""


def _expected(report: BootReport, ordinary: int) -> str:
    """Return the expected value, with the ordinary bits that were seen."""
    seen = 0 if report.taint is None else (report.taint[0] | report.taint[1]) & ordinary
    return f"no taint{f' but {spell_taint(seen)}' if seen else ''}, no warning"


def _with_xfail(case: Case, known: Known, troubles: Sequence[str]) -> Case:
    """Return `case` as an XFAIL if all that is wrong is known.

    It is an XPASS if ``log`` is known and nothing is wrong.  A pattern without ``log``, such as ``*``, is about tests.
    """
    of_logs = [(pattern, why) for pattern, why in known if "log" in pattern.split("/")[:2]]
    reasons = [reason_for_any(names_of(case.id, trouble), of_logs) for trouble in troubles or ("",)]
    if not all(reasons) or case.status not in (Status.PASS, Status.FAIL):
        return case
    reason = "; ".join(dict.fromkeys(filter(None, reasons)))
    if case.status is Status.PASS:
        return replace(case, status=Status.XPASS, message=f"passes, but xfail says: {reason}; remove the xfail")
    return replace(case, status=Status.XFAIL, message=f"{reason} ({case.message})")


def _evidence(report: BootReport, splat: Splat) -> str:
    directory = report.evidence.rpartition("/")[0]
    return normpath(f"{directory}/{splat.place}") if directory else splat.place


def _times(splat: Splat) -> str:
    return f" ({splat.count} times)" if splat.count > 1 else ""


def _change(before: int, after: int) -> str:
    return spell_taint(before) if before == after else f"from {spell_taint(before)} to {spell_taint(after)}"


def _count(splats: Sequence[Splat]) -> str:
    count = sum(splat.count for splat in splats)
    return {0: "no warning", 1: "1 warning"}.get(count, f"{count} warnings")

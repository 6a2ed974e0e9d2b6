# SPDX-License-Identifier: GPL-2.0-only
"""Cases that are known to fail, by patterns of their names, with the reason of each.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from orchestrator.result.model import Case, Status

_TOUCHED = (Status.PASS, Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.XFAIL)
"""A skip and a fault of the infrastructure stay what they are."""


def with_xfail(case: Case, known: Iterable[tuple[str, str]]) -> Case:
    """`case` as an XFAIL where it failed and `known` has a pattern of its name and why, as an XPASS where it passed.

    A case that is about no test goes by its check, or by its workload and check (`split/boot`).
    """
    reason = reason_for(case, known)
    if reason is None or case.status not in _TOUCHED:
        return case
    if case.status is Status.PASS:
        message = f"passes, but xfail says: {reason}; remove the xfail"
        return replace(case, status=Status.XPASS, message=message)
    return replace(case, status=Status.XFAIL, message=f"{reason} ({case.message})")


def reason_for(case: Case, known: Iterable[tuple[str, str]]) -> str | None:
    """Why `case` is known to fail; None where nothing is known of it."""
    names = [case.id.test] if case.id.test else [case.id.check, f"{case.id.workload}/{case.id.check}"]
    return reason_for_any(names, known)


def reason_for_any(names: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Why what goes by any of `names` is known to fail; None where nothing is known of it."""
    return next(
        (why for pattern, why in known if any(name == pattern or fnmatchcase(name, pattern) for name in names)), None
    )


def cases_with_xfail(cases: Sequence[Case], known: Sequence[tuple[str, str]]) -> list[Case]:
    """All `cases` of one test: those that failed are XFAILs; where none did, the first is an XPASS."""
    if all(case.status is Status.PASS for case in cases):
        return [with_xfail(cases[0], known), *cases[1:]]
    return [case if case.status is Status.PASS else with_xfail(case, known) for case in cases]


def boot_with_xfail(case: Case, known: Sequence[tuple[str, str]], *, began: bool) -> Case:
    """The case of a boot: only a crash can be known, and only one that came after the workload began."""
    return with_xfail(case, known) if began and case.status is Status.CRASH else case


def known_reason(message: str) -> str:
    """The reason in the message of an XFAIL, without what was seen this time, which stands in the last parentheses."""
    depth = 0
    for at in range(len(message) - 1, -1, -1):
        depth += (message[at] == ")") - (message[at] == "(")
        if not depth:
            break
    return message[:at].rstrip() if message.endswith(")") and at else message

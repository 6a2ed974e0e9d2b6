# SPDX-License-Identifier: GPL-2.0-only
"""Cases that are known to fail, by patterns of their names, with the reason of each.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from orchestrator.result.model import Case, Status

_TOUCHED = (Status.PASS, Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.XFAIL)
"""A skip and a fault of the infrastructure stay what they are."""


def with_xfail(case: Case, known: Iterable[tuple[str, str]]) -> Case:
    """`case` as an XFAIL where it failed and `known` has a pattern of its name and why, as an XPASS where it passed.

    A case that is about no test goes by its check (`exit-status`), or by its workload and check (`split/boot`).
    """
    names = [case.id.test] if case.id.test else [case.id.check, f"{case.id.workload}/{case.id.check}"]
    reason = next((why for pattern, why in known if any(fnmatchcase(name, pattern) for name in names)), None)
    if reason is None or case.status not in _TOUCHED:
        return case
    if case.status is Status.PASS:
        message = f"passes, but xfail says: {reason}; remove the xfail"
        return replace(case, status=Status.XPASS, message=message)
    return replace(case, status=Status.XFAIL, message=f"{reason} ({case.message})")


def known_reason(message: str) -> str:
    """The reason in the message of an XFAIL, without what was seen this time, which stands in the last parentheses."""
    depth = 0
    for at in range(len(message) - 1, -1, -1):
        depth += (message[at] == ")") - (message[at] == "(")
        if not depth:
            break
    return message[:at].rstrip() if message.endswith(")") and at else message

# SPDX-License-Identifier: GPL-2.0-only
"""Known failures: patterns of the names of cases, each with a reason.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from orchestrator.result.model import Case, Status

_TOUCHED = (Status.PASS, Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.XFAIL)
"""The statuses that a known failure changes; a skip and a failure of the infrastructure are not changed."""

_OF_THE_WHOLE = ("boot", "build", "log", "plan", "share", "suite", "xfail")
"""The cases that are not about a test.  Most of them exist only if something is wrong."""


def with_xfail(case: Case, known: Iterable[tuple[str, str]]) -> Case:
    """Return `case` as an XFAIL or XPASS if a pattern matches its name.

    It is an XFAIL if it failed, an XPASS if it passed.  `known` has patterns with reasons.  A case that is not about a
    test is named by its check, or by its workload and check (`split/boot`).
    """
    reason = reason_for(case, known)
    if reason is None or case.status not in _TOUCHED:
        return case
    if case.status is Status.PASS:
        message = f"passes, but xfail says: {reason}; remove the xfail"
        return replace(case, status=Status.XPASS, message=message)
    return replace(case, status=Status.XFAIL, message=f"{reason} ({case.message or 'no reason given'})")


def reason_for(case: Case, known: Iterable[tuple[str, str]]) -> str | None:
    """Return why `case` is known to fail, or None if it is not."""
    return reason_for_any(_names(case), known)


def reason_for_any(names: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Return why a case with any of `names` is known to fail, or None.

    An entry that is exactly one of the names comes before all patterns, since ``map[2M]`` is a name, too.
    """
    entries = tuple(known)
    exact = (why for pattern, why in entries if pattern in names)
    return next(exact, next((why for pattern, why in entries if any(names_it(pattern, name) for name in names)), None))


def names_it(pattern: str, name: str) -> bool:
    """Whether an entry of ``xfail`` is `name` itself or a pattern that matches it."""
    return pattern == name or fnmatchcase(name, pattern)


def without_case(cases: Sequence[Case], known: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the entries of `known` that match none of `cases`.

    `cases` are all cases of a suite that ran to its end.  Left out is an entry below a case that did not pass
    (``mm:a/b``, if ``mm:a`` was skipped), since it is not known what that would have reported.  Also left out is an
    entry for a case that exists only if something is wrong, such as ``log/TITLE`` and ``suite``.
    """
    names = {name for case in cases for name in _names(case)}
    stopped = {name for case in cases if case.status is not Status.PASS for name in _names(case)}
    workload = cases[0].id.workload if cases else ""
    return tuple(
        pattern
        for pattern, _ in known
        if not (
            any(names_it(pattern, name) for name in names)
            or any(names_it(above, name) for above in _above(pattern) for name in stopped)
            or pattern.removeprefix(f"{workload}/").partition("/")[0] in _OF_THE_WHOLE
        )
    )


def _names(case: Case) -> tuple[str, ...]:
    """Return the names of a case in ``xfail``."""
    return (case.id.test,) if case.id.test else (case.id.check, f"{case.id.workload}/{case.id.check}")


def _above(pattern: str) -> Iterator[str]:
    """Return the patterns of all cases above those of `pattern`: ``a`` and ``a/b`` for ``a/b/c``."""
    parts = pattern.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def cases_with_xfail(cases: Sequence[Case], known: Sequence[tuple[str, str]]) -> list[Case]:
    """Return all `cases` of one test, with what is known of them.

    Cases that failed are XFAILs.  If none failed, the first is an XPASS.
    """
    if all(case.status is Status.PASS for case in cases):
        return [with_xfail(cases[0], known), *cases[1:]]
    return [case if case.status is Status.PASS else with_xfail(case, known) for case in cases]


def boot_with_xfail(case: Case, known: Sequence[tuple[str, str]], *, began: bool) -> Case:
    """Return the case of a boot, as an XFAIL if it is known.

    Only a crash can be known, and only after the workload has started.
    """
    return with_xfail(case, known) if began and case.status is Status.CRASH else case


def known_reason(message: str) -> str:
    """Return the reason in the message of an XFAIL.

    What happened this time, in the last parentheses, is left out.
    """
    depth = 0
    for at in range(len(message) - 1, -1, -1):
        depth += (message[at] == ")") - (message[at] == "(")
        if not depth:
            break
    return message[:at].rstrip() if message.endswith(")") and at else message

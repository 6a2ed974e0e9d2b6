# SPDX-License-Identifier: GPL-2.0-only
"""Cases that are known to fail, by patterns of their names, with the reason of each.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from orchestrator.result.model import Case, Status

_TOUCHED = (Status.PASS, Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.XFAIL)
"""A skip and a fault of the infrastructure stay what they are."""

_OF_THE_WHOLE = ("boot", "build", "log", "plan", "share", "suite", "xfail")
"""The cases that are about no test, most of which exist only where something is wrong."""


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
    return replace(case, status=Status.XFAIL, message=f"{reason} ({case.message or 'no reason given'})")


def reason_for(case: Case, known: Iterable[tuple[str, str]]) -> str | None:
    """Why `case` is known to fail; None where nothing is known of it."""
    return reason_for_any(_names(case), known)


def reason_for_any(names: Sequence[str], known: Iterable[tuple[str, str]]) -> str | None:
    """Why what goes by any of `names` is known to fail; None where nothing is known of it.

    A name that is exactly that of the case comes before every pattern: ``map[2M]`` is a name, too.
    """
    entries = tuple(known)
    exact = (why for pattern, why in entries if pattern in names)
    return next(exact, next((why for pattern, why in entries if any(names_it(pattern, name) for name in names)), None))


def names_it(pattern: str, name: str) -> bool:
    """Whether an entry of ``xfail`` is `name` itself or a pattern of it."""
    return pattern == name or fnmatchcase(name, pattern)


def without_case(cases: Sequence[Case], known: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The entries of `known` that name none of `cases`, which are all of one suite that ran to its end.

    An entry below a case that did not pass is left out (``mm:a/b``, where ``mm:a`` was skipped), since nobody knows
    what that would have reported.  So is one that names a case that exists only where something is wrong, such as
    ``log/TITLE`` and ``suite``.
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
    """The names by which ``xfail`` may know a case."""
    return (case.id.test,) if case.id.test else (case.id.check, f"{case.id.workload}/{case.id.check}")


def _above(pattern: str) -> Iterator[str]:
    """The patterns of all cases above those that `pattern` names: ``a`` and ``a/b`` for ``a/b/c``."""
    parts = pattern.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


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

# SPDX-License-Identifier: GPL-2.0-only
"""The cases of a suite that others wrote, found in its KTAP: one for each test, under a stable and unique name.

A name is the path of the tests' names: ``vfio:vfio_pci_device_test/vfio_pci_device_test.reset``.  A test with subtests
is a case only where it says what they do not: that it failed although none of them did, or that its time was over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from orchestrator.workload.ktap.model import Directive, Outcome, Tap, TapTest

_LINES = 12
"""Lines of its output that a case which went wrong keeps."""

_LONGEST = 4000
"""Characters of a name: a test of 1 MB with a thousand below it would take a thousand times as much."""

_RUNNER = re.compile(r"selftests: (?P<target>\S+): (?P<program>\S+)(?: .*)?")
_SKIP_ALL = re.compile(r"1\.\.0\s+#\s+SKIP\s*(?P<reason>.*)", re.IGNORECASE)
_TELLING = re.compile(r"(?<=\S)\.\w{1,20}:\d{1,9}:|\bexpected\b|\bassert", re.IGNORECASE)
"""A file and a line, or a word of an assertion.  Bounded: with \\S+ before the dot, a word of 1 MB takes minutes."""
_NOISE = re.compile(
    r"^(?:$|selftests: |overriding timeout|timeout set to|Starting \d|RUN |OK |FAIL |SKIP |PASSED: |FAILED: |Totals: |"
    r"\d+ skipped test|TAP version|1\.\.\d)"
)
"""What the runner and the harness say of every test (tools/testing/selftests/kselftest_harness.h)."""


class SuiteStatus(StrEnum):
    """What came out of a test, before the boot's end is looked at."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    XPASS = "xpass"
    """It passed, and says itself that it should not: ``ok # TODO``."""
    TIMEOUT = "timeout"
    ERROR = "error"
    MISSING = "missing"
    """It was planned, and never reported."""


_OF_DIRECTIVE = {
    Directive.SKIP: SuiteStatus.SKIP,
    Directive.XFAIL: SuiteStatus.XFAIL,
    Directive.XPASS: SuiteStatus.XPASS,
    Directive.TIMEOUT: SuiteStatus.TIMEOUT,
    Directive.ERROR: SuiteStatus.ERROR,
}


@dataclass(frozen=True)
class SuiteCase:
    """One case: `message` is one sentence, empty for a PASS; `line` is that of the result, 0 where there is none.

    `lines` are the last of what the test wrote, where it went wrong.
    """

    name: str
    came: SuiteStatus
    message: str = ""
    line: int = 0
    lines: tuple[str, ...] = ()


def suite_cases(tap: Tap, planned: Iterable[str] = ()) -> tuple[SuiteCase, ...]:
    """The cases of a document, in the order in which they were said, missing ones last.

    `planned` are the names of the tests at the top, in their order, where they are known: a test that never reported
    has no other name, and one that the document does not even count is missing, too.  Names that occur again are
    numbered.  Never raises.
    """
    plan = tuple(planned)
    names = _top_names(tap, plan)
    found = [case for name, test in zip(names, tap.tests, strict=True) for case in _cases(_short(name), test)]
    never = (SuiteCase(name, SuiteStatus.MISSING) for name in dict.fromkeys(plan) if name not in names)
    return tuple(_numbered([*found, *never, *_breaches(tap)]))


def _breaches(tap: Tap) -> Iterator[SuiteCase]:
    """One case for all that breaks the protocol, for then nobody knows whether the cases are all and right."""
    if not tap.problems:
        return
    unbelievable = [problem for problem in tap.problems if problem.what.startswith("the plan is ")]
    first, more = (unbelievable or tap.problems)[0], len(tap.problems) - 1
    line = int(first.where.rpartition(":")[2])
    message = f"{first.what} (and {more} more breaches of the protocol)" if more else first.what
    yield SuiteCase("plan", SuiteStatus.ERROR if unbelievable else SuiteStatus.FAIL, message, line)


def _top_names(tap: Tap, planned: tuple[str, ...]) -> list[str]:
    """The names of the tests at the top: a missing one has that of its place in the plan.

    Up to Linux 6.12 the runner counts the programs of every target from 1.
    """
    told = {name for test in tap.tests if (name := _told_name(test))}
    parts = [planned] if tap.plan == len(planned) else _by_target(planned)
    names: list[str] = []
    for test in tap.tests:
        name = _told_name(test)
        parts = next((parts[index:] for index, part in enumerate(parts) if name in part), parts)
        if not name and test.outcome is Outcome.MISSING and test.number > 0:
            index = test.number - 1
            name = next((part[index] for part in parts if index < len(part) and part[index] not in told), "")
            told.add(name)
        names.append(name or _name(test))
    return names


def _by_target(planned: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(part) for _, part in groupby(planned, key=lambda name: name.partition(":")[0])]


def _told_name(test: TapTest) -> str:
    """What the kernel's runner calls a test, "" for a test of others and for one that never reported."""
    match = _RUNNER.fullmatch(test.name)
    return f"{match['target']}:{match['program']}" if match else ""


def _name(test: TapTest) -> str:
    return test.name or f"#{test.number}"


def _cases(path: str, test: TapTest) -> Iterator[SuiteCase]:
    """The cases of a test and of all below it."""
    below = [case for each in test.subtests for case in _cases(_short(f"{path}/{_name(each)}"), each)]
    came = _came(test)
    yield from (_explained(case, test, came) for case in below)
    if not below or _says_more(came, below):
        yield _case(path, test, came, with_subtests=bool(below))


def _short(path: str) -> str:
    """A path that stays unique: of a long one, the beginning and a hash of the whole.  It stands in all below it."""
    if len(path) <= _LONGEST:
        return path
    return f"{path[:_LONGEST]}...{hashlib.sha256(path.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _came(test: TapTest) -> SuiteStatus:
    if test.outcome is Outcome.MISSING:
        return SuiteStatus.MISSING
    if test.directive is Directive.TODO:
        return SuiteStatus.XPASS if test.outcome is Outcome.OK else SuiteStatus.XFAIL
    plain = SuiteStatus.PASS if test.outcome is Outcome.OK else SuiteStatus.FAIL
    if test.directive is Directive.XPASS and plain is SuiteStatus.FAIL:
        return plain
    return _OF_DIRECTIVE.get(test.directive, plain) if test.directive else plain


def _says_more(came: SuiteStatus, below: list[SuiteCase]) -> bool:
    """Whether a test says of itself what none of the cases below it does."""
    wrong = any(
        case.came in (SuiteStatus.FAIL, SuiteStatus.TIMEOUT, SuiteStatus.ERROR, SuiteStatus.MISSING) for case in below
    )
    return came in (SuiteStatus.TIMEOUT, SuiteStatus.ERROR, SuiteStatus.XPASS) or (
        came in (SuiteStatus.FAIL, SuiteStatus.MISSING) and not wrong
    )


def _explained(case: SuiteCase, parent: TapTest, came: SuiteStatus) -> SuiteCase:
    """A case that never reported, with what is known of the program that should have reported it."""
    if case.came is not SuiteStatus.MISSING or case.message:
        return case
    if came is SuiteStatus.TIMEOUT:
        return replace(case, came=SuiteStatus.TIMEOUT, message=f"never reported: {_comment(parent)}")
    if came is SuiteStatus.SKIP:
        return replace(case, came=SuiteStatus.SKIP, message=_why_skipped(parent))
    if came is SuiteStatus.MISSING:
        return case
    return replace(case, message=f"never reported: {_name(parent)} ended before it ({_comment(parent)})")


def _why_skipped(parent: TapTest) -> str:
    """The reason of a program, or of the nameless result with which it ends (kselftest.h's ksft_exit_skip())."""
    nameless = (test for test in reversed(parent.subtests) if not test.name and test.directive is Directive.SKIP)
    return parent.comment or next((test.comment for test in nameless if test.comment), "")


def _comment(test: TapTest) -> str:
    directive = f"{test.directive} " if test.directive else ""
    return f"{directive}{test.comment}".strip() or test.outcome.value


def _case(name: str, test: TapTest, came: SuiteStatus, *, with_subtests: bool) -> SuiteCase:
    if came is SuiteStatus.PASS:
        return SuiteCase(name, came, line=test.line)
    message = _message(test, came)
    if with_subtests and came is SuiteStatus.FAIL:
        message = f"not ok, although none of its subtests failed: {message or 'it gave no reason'}"
    quiet = came in (SuiteStatus.SKIP, SuiteStatus.XFAIL)
    lines = () if quiet else tuple(line for line in test.diagnostics if line.strip())[-_LINES:]
    return SuiteCase(name, came, message, test.line, lines)


def _message(test: TapTest, came: SuiteStatus) -> str:
    """Why a test did not pass: what it says itself, or else the most telling line that it wrote."""
    told = [line.strip() for line in test.diagnostics]
    skipped = [match["reason"] for line in told if (match := _SKIP_ALL.fullmatch(line))]
    if came is SuiteStatus.SKIP:
        return test.comment or next(iter(skipped), "") or _last(told)
    if came is SuiteStatus.XPASS:
        return f"passes, but says {_comment(test)}"
    if came is SuiteStatus.TIMEOUT:
        return f"not ended within {test.comment}" if test.comment else "its time was over"
    telling = next((line for line in told if _TELLING.search(line)), "") or _last(told)
    return "; ".join(part for part in (test.comment, telling) if part)


def _last(told: list[str]) -> str:
    return next((line for line in reversed(told) if not _NOISE.match(line)), "")


def _numbered(cases: list[SuiteCase]) -> Iterator[SuiteCase]:
    """Give every name but the first of its kind a number, and one that no test has by itself."""
    names = {case.name for case in cases}
    seen: dict[str, int] = {}
    for case in cases:
        count = seen.get(case.name, 0) + 1
        seen[case.name] = count
        if count == 1:
            yield case
            continue
        while f"{case.name} ({count})" in names:
            count += 1
        names.add(f"{case.name} ({count})")
        seen[case.name] = count
        yield replace(case, name=f"{case.name} ({count})")

# SPDX-License-Identifier: GPL-2.0-only
"""Find the cases of a suite in its KTAP.

There is one case for each test, with a stable and unique name.  A name is the path of the tests' names:
``vfio:vfio_pci_device_test/vfio_pci_device_test.reset``.  A test with subtests is a case only if it reports more than
they do: that it failed although none of them did, or that it timed out.
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
"""Maximum number of output lines that a failed case keeps."""

_LONGEST = 4000
"""Maximum number of characters of a name.  A name of 1 MB would be repeated in the names of a thousand subtests."""

_RUNNER = re.compile(r"selftests: (?P<target>\S+): (?P<program>\S+)(?: .*)?")
_SKIP_ALL = re.compile(r"1\.\.0\s+#\s+SKIP\s*(?P<reason>.*)", re.IGNORECASE)
_INFORMATIVE = re.compile(r"(?<=\S)\.\w{1,20}:\d{1,9}:|\bexpected\b|\bassert", re.IGNORECASE)
"""A file and a line, or a word of an assertion.  Bounded: with \\S+ before the dot, 1 MB of text takes minutes."""
_NOISE = re.compile(
    r"^(?:$|selftests: |overriding timeout|timeout set to|Starting \d|RUN |OK |FAIL |SKIP |PASSED: |FAILED: |Totals: |"
    r"\d+ skipped test|TAP version|1\.\.\d)"
)
"""Lines that the runner and the harness print for every test (tools/testing/selftests/kselftest_harness.h)."""


class SuiteStatus(StrEnum):
    """The status of a test, before the end of the boot is considered."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    XPASS = "xpass"
    """It passed, but its own directive says that it should not: ``ok # TODO``."""
    TIMEOUT = "timeout"
    ERROR = "error"
    MISSING = "missing"
    """It was planned, but not reported."""


_OF_DIRECTIVE = {
    Directive.SKIP: SuiteStatus.SKIP,
    Directive.XFAIL: SuiteStatus.XFAIL,
    Directive.XPASS: SuiteStatus.XPASS,
    Directive.TIMEOUT: SuiteStatus.TIMEOUT,
    Directive.ERROR: SuiteStatus.ERROR,
}


@dataclass(frozen=True)
class SuiteCase:
    """One case; `status` is its status, `message` one sentence, empty for a PASS.

    `line` is the line number of the result, 0 if there is none.  `lines` are the last lines of a failed test's output.
    """

    name: str
    status: SuiteStatus
    message: str = ""
    line: int = 0
    lines: tuple[str, ...] = ()


def suite_cases(tap: Tap, planned: Iterable[str] = ()) -> tuple[SuiteCase, ...]:
    """Return the cases of a document, in its order, missing ones last.

    `planned` has the names of the top-level tests, in order, if they are known.  They give a name to tests that
    reported no result; planned tests that are not in the document at all are missing too.  Repeated names are
    numbered.  Never raises.
    """
    plan = tuple(planned)
    names = _top_names(tap, plan)
    found = [case for name, test in zip(names, tap.tests, strict=True) for case in _cases(_short(name), test)]
    unreported = (SuiteCase(name, SuiteStatus.MISSING) for name in dict.fromkeys(plan) if name not in names)
    return tuple(_numbered([*found, *unreported, *_breaches(tap)]))


def _breaches(tap: Tap) -> Iterator[SuiteCase]:
    """Yield one case for all violations of the protocol.

    After a violation, the other cases can be incomplete or wrong.
    """
    if not tap.problems:
        return
    implausible = [problem for problem in tap.problems if problem.what.startswith("the plan is ")]
    first, more = (implausible or tap.problems)[0], len(tap.problems) - 1
    line = int(first.where.rpartition(":")[2])
    message = f"{first.what} (and {more} more breaches of the protocol)" if more else first.what
    yield SuiteCase("plan", SuiteStatus.ERROR if implausible else SuiteStatus.FAIL, message, line)


def _top_names(tap: Tap, planned: tuple[str, ...]) -> list[str]:
    """Return the names of the top-level tests.

    A missing test has the name at its position in the plan.  Up to Linux 6.12, the runner numbers the programs of every
    target from 1.
    """
    used = {name for test in tap.tests if (name := _runner_name(test))}
    parts = [planned] if tap.plan == len(planned) else _by_target(planned)
    names: list[str] = []
    for test in tap.tests:
        name = _runner_name(test)
        parts = next((parts[index:] for index, part in enumerate(parts) if name in part), parts)
        if not name and test.outcome is Outcome.MISSING and test.number > 0:
            index = test.number - 1
            name = next((part[index] for part in parts if index < len(part) and part[index] not in used), "")
            used.add(name)
        names.append(name or _name(test))
    return names


def _by_target(planned: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(part) for _, part in groupby(planned, key=lambda name: name.partition(":")[0])]


def _runner_name(test: TapTest) -> str:
    """Return a test's name in the kernel's runner.

    Returns "" for other tests, and for tests that reported no result.
    """
    match = _RUNNER.fullmatch(test.name)
    return f"{match['target']}:{match['program']}" if match else ""


def _name(test: TapTest) -> str:
    return test.name or f"#{test.number}"


def _cases(path: str, test: TapTest) -> Iterator[SuiteCase]:
    """Yield the cases of a test and of all its subtests."""
    below = [case for each in test.subtests for case in _cases(_short(f"{path}/{_name(each)}"), each)]
    status = _status(test)
    yield from (_explained(case, test, status) for case in below)
    if not below or _reports_more(status, below):
        yield _case(path, test, status, with_subtests=bool(below))


def _short(path: str) -> str:
    """Shorten a long path to its start and a hash of the whole, which is unique.

    The paths of subtests include it.
    """
    if len(path) <= _LONGEST:
        return path
    return f"{path[:_LONGEST]}...{hashlib.sha256(path.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _status(test: TapTest) -> SuiteStatus:
    if test.outcome is Outcome.MISSING:
        return SuiteStatus.MISSING
    if test.directive is Directive.TODO:
        return SuiteStatus.XPASS if test.outcome is Outcome.OK else SuiteStatus.XFAIL
    plain = SuiteStatus.PASS if test.outcome is Outcome.OK else SuiteStatus.FAIL
    if test.directive is Directive.XPASS and plain is SuiteStatus.FAIL:
        return plain
    return _OF_DIRECTIVE.get(test.directive, plain) if test.directive else plain


def _reports_more(status: SuiteStatus, below: list[SuiteCase]) -> bool:
    """Return whether a test's own status reports something that none of the cases below it does."""
    wrong = any(
        case.status in (SuiteStatus.FAIL, SuiteStatus.TIMEOUT, SuiteStatus.ERROR, SuiteStatus.MISSING) for case in below
    )
    return status in (SuiteStatus.TIMEOUT, SuiteStatus.ERROR, SuiteStatus.XPASS) or (
        status in (SuiteStatus.FAIL, SuiteStatus.MISSING) and not wrong
    )


def _explained(case: SuiteCase, parent: TapTest, status: SuiteStatus) -> SuiteCase:
    """Return `case`, with an explanation if it was not reported.

    `parent` is the program that should have reported it, and `status` that program's status.
    """
    if case.status is not SuiteStatus.MISSING or case.message:
        return case
    if status is SuiteStatus.TIMEOUT:
        return replace(case, status=SuiteStatus.TIMEOUT, message=f"never reported: {_comment(parent)}")
    if status is SuiteStatus.SKIP:
        return replace(case, status=SuiteStatus.SKIP, message=_why_skipped(parent))
    if status is SuiteStatus.MISSING:
        return case
    return replace(case, message=f"never reported: {_name(parent)} ended before it ({_comment(parent)})")


def _why_skipped(parent: TapTest) -> str:
    """Return the reason why a program was skipped.

    It is the program's comment, or that of the result without a name that ends it (kselftest.h, ksft_exit_skip()).
    """
    nameless = (test for test in reversed(parent.subtests) if not test.name and test.directive is Directive.SKIP)
    return parent.comment or next((test.comment for test in nameless if test.comment), "")


def _comment(test: TapTest) -> str:
    directive = f"{test.directive} " if test.directive else ""
    return f"{directive}{test.comment}".strip() or test.outcome.value


def _case(name: str, test: TapTest, status: SuiteStatus, *, with_subtests: bool) -> SuiteCase:
    if status is SuiteStatus.PASS:
        return SuiteCase(name, status, line=test.line)
    message = _message(test, status)
    if with_subtests and status is SuiteStatus.FAIL:
        message = f"not ok, although none of its subtests failed: {message or 'it gave no reason'}"
    quiet = status in (SuiteStatus.SKIP, SuiteStatus.XFAIL)
    lines = () if quiet else tuple(line for line in test.diagnostics if line.strip())[-_LINES:]
    return SuiteCase(name, status, message, test.line, lines)


def _message(test: TapTest, status: SuiteStatus) -> str:
    """Return why a test did not pass.

    This is its own comment, or the most informative line of its output.
    """
    output = [line.strip() for line in test.diagnostics]
    skipped = [match["reason"] for line in output if (match := _SKIP_ALL.fullmatch(line))]
    if status is SuiteStatus.SKIP:
        return test.comment or next(iter(skipped), "") or _last(output)
    if status is SuiteStatus.XPASS:
        return f"passes, but says {_comment(test)}"
    if status is SuiteStatus.TIMEOUT:
        return f"not ended within {test.comment}" if test.comment else "it timed out"
    informative = next((line for line in output if _INFORMATIVE.search(line)), "") or _last(output)
    return "; ".join(part for part in (test.comment, informative) if part)


def _last(output: list[str]) -> str:
    return next((line for line in reversed(output) if not _NOISE.match(line)), "")


def _numbered(cases: list[SuiteCase]) -> Iterator[SuiteCase]:
    """Add a number to every repeated name.

    The new name is one that no other test has.
    """
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

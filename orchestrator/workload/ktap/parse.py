# SPDX-License-Identifier: GPL-2.0-only
"""Parse KTAP text into a frozen tree of test results.  Pure functions that never raise, for any text.

The parser follows Documentation/dev-tools/ktap.rst, and also accepts what else occurs in kernel logs:

- TAP 13 and 14: tests without numbers, ``- `` before a description, YAML blocks, ``# Subtest:`` headers, ``Bail out!``;
- subtests of any indentation, and those that kselftest's runner marks with ``# `` instead;
- output of other programs in between, and timestamps before every line if the first line of (K)TAP has one;
- output that ends early: a test that was planned but not reported is `Outcome.MISSING`;
- colours, carriage returns and NULs, which are ignored.

ktap.rst allows a missing plan.  Here it is a problem, because output without a plan looks complete if it ends early.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from orchestrator.errors import Problem
from orchestrator.machine.printk import strip_timestamp
from orchestrator.workload.ktap.line import clean_lines, split_description, split_skip
from orchestrator.workload.ktap.model import Outcome, Tap, TapTest

MOST_MISSING = 4096
"""Maximum number of missing tests.  If a plan has more, they are reported as one problem instead of as cases."""

MOST_BEHIND = 1000
"""Number of diagnostic lines of a result at which no further YAML block is kept.  TAP 14 allows only one block."""

_DEEPEST = 64

_LOG_LEVEL = re.compile(r"<\d{1,3}>", re.ASCII)
_VERSION = re.compile(r"(?P<indent>(?:[ \t]|# )*)(?P<kind>K?TAP) version \d+\s*", re.ASCII)
_PLAN = re.compile(r"(?P<indent>[ \t]*)1\.\.(?P<tests>\d{1,9})\s*(?:#\s*(?P<comment>.*))?", re.ASCII)
_RESULT = re.compile(
    r"(?P<indent>[ \t]*)(?P<outcome>ok|not ok)(?:\s+(?P<number>\d{1,9}))?(?:\s+(?P<rest>.*)|\s*)", re.ASCII
)
_NUMBERED = re.compile(r"[ \t]*(?:ok|not ok)\s+\d{1,9}(?:\s.*)?", re.ASCII)
_UNNUMBERED = re.compile(r"not ok(?:\s.*)?")
_SUBTEST = re.compile(r"(?P<indent>[ \t]*)# Subtest(?:: (?P<name>.*))?", re.ASCII)
_BAIL_OUT = re.compile(r"\s*Bail out!\s*(?P<reason>.*)", re.IGNORECASE)


def parse_ktap(text: str, path: str = "ktap.log") -> Tap:
    """Parse a document; `path` is its name in problems.  Never raises."""
    parser = _Parser(path)
    for number, line in enumerate(text.split("\n"), start=1):
        for shown in clean_lines(line):
            parser.feed(number, shown)
    return parser.finish()


@dataclass(eq=False)
class _Level:
    """The tests of one indentation level during parsing.

    `subtests` are kept until the result of their parent is read.  `another` is whether a version line started this
    level after another document.
    """

    prefix: str
    name: str = ""
    another: bool = False
    plan: int | None = None
    skip_all: str = ""
    tests: list[TapTest] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    last: int = 0
    notes: list[str] = field(default_factory=list)
    subtests: tuple[TapTest, ...] = ()
    subtests_name: str = ""

    @property
    def fresh(self) -> bool:
        """Whether at most a header was read so far."""
        return self.plan is None and not self.tests and not self.subtests

    def add(self, test: TapTest) -> None:
        """Add a result with the subtests and diagnostics before it."""
        self.tests.append(replace(test, diagnostics=tuple(self.notes), subtests=self.subtests))
        self.seen.add(test.number)
        self.last = test.number
        self.notes, self.subtests, self.subtests_name = [], (), ""

    def add_orphans(self) -> None:
        """Add subtests whose parent reported no result, below a missing parent."""
        if self.subtests:
            self.add(TapTest(self.last + 1, self.subtests_name, Outcome.MISSING))

    @property
    def where(self) -> str:
        """A description of this level for the middle of a sentence.

        It is empty for the top level.
        """
        return f" of the subtests {self.name}".rstrip() if self.prefix else ""

    @property
    def beyond(self) -> int:
        """The largest test number that is not in the plan, or 0 if all are."""
        return max((number for number in self.seen if self.plan is not None and number > self.plan), default=0)

    def add_missing(self) -> bool:
        """Add the tests that were planned but not reported.

        Return False if they are too many to be plausible.
        """
        plan = self.plan or 0
        if plan - len(self.seen) > MOST_MISSING:
            return False
        missing = [number for number in range(1, plan + 1) if number not in self.seen]
        self.tests += [TapTest(number, "", Outcome.MISSING) for number in missing]
        self.seen.update(missing)
        return True


class _Parser:
    def __init__(self, path: str) -> None:
        self.path = path
        self.levels = [_Level("")]
        self.finished: list[TapTest] = []
        self.problems: list[Problem] = []
        self.bail_out: str | None = None
        self.stamped: bool | None = None
        self.ktap = False
        self.number = 0
        self.yaml: tuple[str, list[str]] | None = None

    def feed(self, number: int, line: str) -> None:
        self.number = number
        message = _message(line)
        stamp = message != line
        if self.stamped is None and _is_tap(message):
            self.stamped = stamp
        if self.stamped and stamp:
            line = message
        elif self.stamped:
            self._note(self.levels[-1], line)
            return
        if not self._feed_yaml(line):
            self._feed_tap(line)

    def finish(self) -> Tap:
        self._end_yaml()
        self._close_to(0)
        root = self.levels[0]
        self._complete(root)
        return Tap(
            (*self.finished, *root.tests),
            root.plan,
            root.skip_all,
            self.bail_out,
            tuple(root.notes),
            tuple(self.problems),
        )

    def _problem(self, what: str) -> None:
        self.problems.append(Problem(f"{self.path}:{self.number}", what))

    # A YAML block belongs to the result before it, and its content is not TAP.

    def _feed_yaml(self, line: str) -> bool:
        if not self.yaml:
            return self._begin_yaml(line)
        indent, block = self.yaml
        if not line.startswith(indent) or _VERSION.fullmatch(line):
            self._end_yaml()
            return False
        block.append(line[len(indent) :])
        if line.strip() == "...":
            self._end_yaml()
        return True

    def _begin_yaml(self, line: str) -> bool:
        level = self.levels[-1]
        rest = line.removeprefix(level.prefix)
        if rest.strip() != "---" or not rest[0].isspace() or not line.startswith(level.prefix) or not level.tests:
            return False
        self.yaml = (line[: line.index("---")], ["---"])
        return True

    def _end_yaml(self) -> None:
        if self.yaml:
            tests = self.levels[-1].tests
            if len(tests[-1].diagnostics) < MOST_BEHIND:
                tests[-1] = replace(tests[-1], diagnostics=(*tests[-1].diagnostics, *self.yaml[1]))
        self.yaml = None

    def _feed_tap(self, line: str) -> None:
        level = self._level(line)
        rest = line[len(level.prefix) :]
        if match := _VERSION.fullmatch(rest):
            self._version(level, match)
        elif match := _PLAN.fullmatch(rest):
            self._plan(self._enter(level, match["indent"]), match)
        elif (match := _RESULT.fullmatch(rest)) and (match["number"] or not self.ktap):
            self._result(self._enter(level, match["indent"]), match)
        elif match := _SUBTEST.fullmatch(rest):
            self._subtest(level, match)
        elif level is self.levels[0] and _UNNUMBERED.fullmatch(rest):
            self._problem(f"a result without a number: {rest.strip()}")
            self._note(level, rest)
        elif match := _BAIL_OUT.fullmatch(rest):
            self.bail_out = match["reason"].strip()
        else:
            self._note(level, rest)

    def _level(self, line: str) -> _Level:
        return next(level for level in reversed(self.levels) if line.startswith(level.prefix))

    def _enter(self, level: _Level, indent: str) -> _Level:
        """Return the level of a line indented by `indent` in `level`.

        It is a new level, or `level` after its subtests end.
        """
        self._close_to(self.levels.index(level))
        if not indent or len(self.levels) == _DEEPEST:
            return level
        self.levels.append(_Level(level.prefix + indent, level.subtests_name))
        return self.levels[-1]

    def _version(self, level: _Level, match: re.Match[str]) -> None:
        self.ktap = self.ktap or match["kind"] == "KTAP"
        level = self._enter(level, match["indent"])
        if level.fresh:
            return
        if level is self.levels[0]:
            self._complete(level)
            self.finished += level.tests
            self.levels[0] = _Level("", another=True)
        else:
            self._close_to(self.levels.index(level) - 1)
            self.levels[-1].add_orphans()
            self.levels.append(_Level(level.prefix))

    def _plan(self, level: _Level, match: re.Match[str]) -> None:
        if level.plan is not None:
            self._problem(f"a second plan, 1..{match['tests']}, after 1..{level.plan}")
        level.plan = int(match["tests"])
        if not level.plan:
            level.skip_all = split_skip(match["comment"] or "")

    def _result(self, level: _Level, match: re.Match[str]) -> None:
        number = int(match["number"]) if match["number"] else level.last + 1
        if number in level.seen:
            self._problem(f"test {number} has a second result")
        elif number < level.last:
            self._problem(f"test {number} comes after test {level.last}")
        name, directive, comment = split_description(match["rest"] or "")
        level.add(TapTest(number, name, Outcome(match["outcome"]), directive, comment, line=self.number))

    def _subtest(self, level: _Level, match: re.Match[str]) -> None:
        """Use a header as the name of its level, or of the next level."""
        name = (match["name"] or "").strip()
        if match["indent"]:
            level = self._enter(level, match["indent"])
        if level is not self.levels[0] and level.fresh:
            level.name = name
        else:
            self._close_to(self.levels.index(level))
            level.subtests_name = name

    def _note(self, level: _Level, rest: str) -> None:
        """Keep a diagnostic line at its level, and any other line at the innermost one."""
        text = rest.strip()
        if text.startswith("#"):
            level.notes.append(text[1:].strip())
        elif text:
            self.levels[-1].notes.append(rest)

    def _close_to(self, depth: int) -> None:
        """Move the tests of every level below `depth` to the level above it, for their parent's result."""
        self._end_yaml()
        while len(self.levels) > depth + 1:
            level = self.levels.pop()
            self._complete(level)
            parent = self.levels[-1]
            parent.add_orphans()
            parent.subtests = tuple(level.tests)
            parent.subtests_name = level.name or parent.subtests_name
            parent.notes += level.notes
            if level.skip_all:
                parent.notes.append(f"1..0 # SKIP {level.skip_all}")

    def _complete(self, level: _Level) -> None:
        level.add_orphans()
        if level.plan is None and (level.tests or level.another):
            self._problem(f"no plan{level.where}: without 1..N, how many tests there should be is not known")
        if level.beyond:
            self._problem(f"test {level.beyond} is beyond the plan, 1..{level.plan}")
        if not level.add_missing():
            self._problem(f"the plan is 1..{level.plan}, but only {len(level.seen)} tests reported")


def _is_tap(line: str) -> bool:
    return any(pattern.fullmatch(line) for pattern in (_VERSION, _PLAN, _NUMBERED))


def _message(line: str) -> str:
    """Return `line` without printk's time and the log level before it; a line without a time is returned whole."""
    level = _LOG_LEVEL.match(line)
    text = line[level.end() :] if level else line
    message = strip_timestamp(text)
    return message if message != text else line

# SPDX-License-Identifier: GPL-2.0-only
"""What a (K)TAP document said, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import Problem


class Outcome(StrEnum):
    """How a test's result line begins; MISSING where there is none."""

    OK = "ok"
    NOT_OK = "not ok"
    MISSING = "missing"


class Directive(StrEnum):
    """The keyword after the hash sign, which changes what ok and not ok mean."""

    SKIP = "SKIP"
    TODO = "TODO"
    XFAIL = "XFAIL"
    XPASS = "XPASS"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"


@dataclass(frozen=True)
class TapTest:
    """One test.

    `comment` is what follows the hash sign and the directive.  `diagnostics` are the lines before the result that
    belong to no subtest, without their hash sign; lines of others are among them.  `line` is the number of the result
    line, 0 for a missing one.  Names need not be unique, and may be empty.
    """

    number: int
    name: str
    outcome: Outcome
    directive: Directive | None = None
    comment: str = ""
    diagnostics: tuple[str, ...] = ()
    subtests: tuple[TapTest, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Tap:
    """A whole document.

    `plan` is the number of tests that it promised, None where it did not.  `skip_all` is the reason of a plan of
    no tests.  `diagnostics` follow the last result.  `problems` are breaches of the protocol, in the order of lines.
    """

    tests: tuple[TapTest, ...] = ()
    plan: int | None = None
    skip_all: str = ""
    bail_out: str | None = None
    diagnostics: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def walk(self) -> Iterator[tuple[tuple[str, ...], TapTest]]:
        """Every test with the names of its parents and its own, parents first."""
        yield from _walk((), self.tests)


def _walk(parents: tuple[str, ...], tests: tuple[TapTest, ...]) -> Iterator[tuple[tuple[str, ...], TapTest]]:
    for test in tests:
        names = (*parents, test.name)
        yield names, test
        yield from _walk(names, test.subtests)

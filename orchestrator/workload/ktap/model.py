# SPDX-License-Identifier: GPL-2.0-only
"""The content of a (K)TAP document as frozen values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import Problem


class Outcome(StrEnum):
    """The start of a test's result line; MISSING if there is no line."""

    OK = "ok"
    NOT_OK = "not ok"
    MISSING = "missing"


class Directive(StrEnum):
    """The keyword after the hash sign, which changes the meaning of ok and not ok."""

    SKIP = "SKIP"
    TODO = "TODO"
    XFAIL = "XFAIL"
    XPASS = "XPASS"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"


@dataclass(frozen=True)
class TapTest:
    """One test.

    `comment` is the text after the hash sign and the directive.  `diagnostics` are the lines before the result that
    belong to no subtest, without their hash sign; output of other programs is included.  `line` is the number of the
    result line, 0 for a missing one.  Names can be repeated, and can be empty.
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

    `plan` is the number of planned tests, None if there is no plan.  `skip_all` is the reason of a plan without tests.
    `diagnostics` are the lines after the last result.  `problems` are violations of the protocol, in line order.
    """

    tests: tuple[TapTest, ...] = ()
    plan: int | None = None
    skip_all: str = ""
    bail_out: str | None = None
    diagnostics: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def walk(self) -> Iterator[tuple[tuple[str, ...], TapTest]]:
        """Yield every test with the names of its parents and its own name, parents first."""
        yield from _walk((), self.tests)


def _walk(parents: tuple[str, ...], tests: tuple[TapTest, ...]) -> Iterator[tuple[tuple[str, ...], TapTest]]:
    for test in tests:
        names = (*parents, test.name)
        yield names, test
        yield from _walk(names, test.subtests)

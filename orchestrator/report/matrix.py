# SPDX-License-Identifier: GPL-2.0-only
"""The table of tests that do not measure one mapping.

It has a line per test and a column per kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from orchestrator.report.facts import facts
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, one_line, paint, wrap
from orchestrator.result.compare.alignment import Block, Row
from orchestrator.result.judge.xfail import known_reason
from orchestrator.result.model import Status
from orchestrator.workload.alignment.tests import measures_mapping

_ABSENT = "-"


def is_further(block: Block) -> bool:
    """Whether the block's test is shown in such a table.

    It measures no mapping, or was skipped on all kernels.
    """
    if not block.place.test:
        return False
    return not measures_mapping(block.place.test) or all(row.status is Status.SKIP for row in block.rows)


@dataclass(frozen=True)
class Matrix:
    """The tests of a workload and BAR that measure no mapping: a line per test, a column per kernel."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def names(self) -> Column:
        """The column with the names of the tests."""
        return Column("test", tuple(Cell(block.place.test) for block in self.blocks), left=True)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the kernels, the base first."""
        return tuple(_column(self.blocks, at) for at in range(len(self.blocks[0].rows)))

    @property
    def reasons(self) -> tuple[tuple[Status, str], ...]:
        """Why tests were skipped or are known to fail: each reason once, with its tests and kernels."""
        return tuple(_reasons(self.blocks))


def further(blocks: tuple[Block, ...]) -> Iterator[Matrix]:
    """Yield a matrix for each workload and BAR with such tests."""
    found = [block for block in blocks if is_further(block)]
    for (workload, device, bar), group in groupby(found, key=lambda b: (b.place.workload, b.place.device, b.place.bar)):
        yield Matrix(f"{device} BAR{bar}, further tests of workload {workload}", tuple(group))


def matrices(blocks: tuple[Block, ...], width: int, color: bool) -> Iterator[list[str]]:
    """Yield the lines of each matrix.  The reasons of skipped tests are below it."""
    yield from (_lines(matrix, width, color) for matrix in further(blocks))


def _lines(matrix: Matrix, width: int, color: bool) -> list[str]:
    lines = [paint(fit(matrix.title, width), "bold", color)]
    for part in _parts(matrix.names, matrix.columns, width):
        table = lay_out((matrix.names, *part), width, color)
        lines += [*table.header, *table.rows]
    return lines + [line for status, why in matrix.reasons for line in wrap(why, width, f"{status:<6}", "      ")]


def _column(blocks: tuple[Block, ...], at: int) -> Column:
    """Return the column of the kernel whose row has the index `at` in each block."""
    return Column(blocks[0].rows[at].kernel, tuple(_cell(block.rows[at]) for block in blocks), left=True)


def _parts(names: Column, columns: tuple[Column, ...], width: int) -> Iterator[list[Column]]:
    """Yield groups of as many columns as fit beside the names."""
    part: list[Column] = []
    room = width - names.width
    for column in columns:
        if part and sum(added.width + 2 for added in (*part, column)) > room:
            yield part
            part = []
        part.append(column)
    yield part


def _cell(row: Row) -> Cell:
    """Return the result of a test.

    It is the level that its mmaps allow, if the test is about that, else status and facts.
    """
    if row.status is None:
        return Cell(_ABSENT)
    run = row.reading.case("run")
    if row.status is Status.XFAIL and run and run.status is Status.SKIP:
        return Cell(run.status)  # not reached, since the boot crashed in a known way
    level = row.reading.case("level")
    if level and level.measured and row.status is Status.PASS:
        return Cell(level.measured.split(" ")[0])
    if row.status is Status.PASS:
        return Cell(" ".join((row.status, facts(row.reading.values))).strip())
    return Cell(row.status, "" if row.status.expected else "red")


def _reasons(blocks: tuple[Block, ...]) -> Iterator[tuple[Status, str]]:
    """Yield why tests were skipped or are known to fail.

    Each reason comes once, with its tests, and with its kernels unless it is the reason on all of them.
    """
    found: dict[tuple[Status, str], dict[str, list[str]]] = {}
    for block in blocks:
        for row in block.rows:
            case = row.reading.case("run")
            if case and case.status in (Status.SKIP, Status.XFAIL):
                why = one_line(case.message)
                key = (case.status, why if case.status is Status.SKIP else known_reason(why))
                found.setdefault(key, {}).setdefault(row.kernel, []).append(block.place.test)
    for (status, why), by_kernel in found.items():
        yield status, _reason(why, by_kernel, len(blocks[0].rows))


def _reason(reason: str, by_kernel: dict[str, list[str]], nr_kernels: int) -> str:
    tests = list(dict.fromkeys(test for tests in by_kernel.values() for test in tests))
    kernels = f" on {', '.join(by_kernel)}" if len(by_kernel) < nr_kernels else ""
    return f"{reason} ({', '.join(tests)}{kernels})"

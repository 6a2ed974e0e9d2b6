# SPDX-License-Identifier: GPL-2.0-only
"""The table of tests that do not measure one mapping.

It has a line per test and a column per kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def matrices(blocks: tuple[Block, ...], width: int, color: bool) -> Iterator[list[str]]:
    """Yield the lines of a table for each workload and BAR.

    Only those with such tests have one.  The reasons of skipped tests are below it.
    """
    further = [block for block in blocks if is_further(block)]
    for (workload, device, bar), group in groupby(
        further, key=lambda b: (b.place.workload, b.place.device, b.place.bar)
    ):
        title = f"{device} BAR{bar}, further tests of workload {workload}"
        yield _matrix(title, list(group), width, color)


def _matrix(title: str, blocks: list[Block], width: int, color: bool) -> list[str]:
    lines = [paint(fit(title, width), "bold", color)]
    names = Column("test", tuple(Cell(block.place.test) for block in blocks), left=True)
    columns = [_column(blocks, at) for at in range(len(blocks[0].rows))]
    for part in _parts(names, columns, width):
        table = lay_out((names, *part), width, color)
        lines += [*table.header, *table.rows]
    return lines + _reasons(blocks, width)


def _column(blocks: list[Block], at: int) -> Column:
    """Return the column of the kernel whose row has the index `at` in each block."""
    return Column(blocks[0].rows[at].kernel, tuple(_cell(block.rows[at]) for block in blocks), left=True)


def _parts(names: Column, columns: list[Column], width: int) -> Iterator[list[Column]]:
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


def _reasons(blocks: list[Block], width: int) -> list[str]:
    """Return why tests were skipped or are known to fail.

    Each reason is shown once, with its tests, and with its kernels unless it is the reason on all of them.
    """
    found: dict[tuple[Status, str], dict[str, list[str]]] = {}
    for block in blocks:
        for row in block.rows:
            case = row.reading.case("run")
            if case and case.status in (Status.SKIP, Status.XFAIL):
                why = one_line(case.message)
                key = (case.status, why if case.status is Status.SKIP else known_reason(why))
                found.setdefault(key, {}).setdefault(row.kernel, []).append(block.place.test)
    lines = (_reason(*key, tests, len(blocks[0].rows), width) for key, tests in found.items())
    return [line for reason in lines for line in reason]


def _reason(status: Status, reason: str, by_kernel: dict[str, list[str]], nr_kernels: int, width: int) -> list[str]:
    tests = list(dict.fromkeys(test for tests in by_kernel.values() for test in tests))
    kernels = f" on {', '.join(by_kernel)}" if len(by_kernel) < nr_kernels else ""
    return wrap(f"{reason} ({', '.join(tests)}{kernels})", width, f"{status:<6}", "      ")

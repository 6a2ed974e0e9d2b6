# SPDX-License-Identifier: GPL-2.0-only
"""A run as Markdown for a forge: GitHub and GitLab.

Texts of a run are in code spans.  In these nothing is a link, an image, HTML, a heading or an emphasis (CommonMark),
and no forge makes a mention, a reference or a link of what is in them.  Only words and numbers that orch itself writes
are outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.report.blocks import HOW_DEDUCED, exact_columns, has_deduced, notes, place_words
from orchestrator.report.costs import TITLE, cost_columns
from orchestrator.report.failures import Failure, failures
from orchestrator.report.finding import sentences
from orchestrator.report.given import device_lines
from orchestrator.report.grid import Grid, grid
from orchestrator.report.matrix import Matrix, further, is_further
from orchestrator.report.origin import commands, provenance
from orchestrator.report.overview import overview
from orchestrator.report.suites import Noteworthy, noteworthy, suite_columns, suite_title
from orchestrator.report.text import fit, in_a_line, one_line
from orchestrator.report.verdict import how_far, is_good, summary
from orchestrator.result.compare.alignment import Block, Comparison
from orchestrator.result.compare.finding import findings
from orchestrator.result.compare.suite import Suite, compare_suites
from orchestrator.result.store.excerpt import Excerpt

LONGEST = 60_000
"""Characters of a document at most: a comment on GitHub has 65,536."""
MOST_ROWS = 60
"""Rows of a table at most."""
MOST_GROUPS = 20
"""Groups of cases of a suite, and cases that are not as expected, at most."""
_LONGEST_LINE = 200
_LONGEST_TEXT = 600
_WORD = r"(?![0-9a-f]{7})[A-Za-z]{1,12}"
_NUMBER = r"[0-9]{1,6}(?:,[0-9]{3}){0,6}(?:\.[0-9]{1,2})?"
_PLAIN = re.compile(
    rf"-|SHA-256 of the {_WORD}|\(base\)|<0\.1|1/[0-9]{{1,6}}|{_NUMBER}|"
    rf"(?:{_NUMBER} )?{_WORD}(?:,? {_WORD}){{0,3}}(?: {_NUMBER})?"
)
"""Cells and headers that need no code span.  A hexadecimal word of seven letters could be the id of a commit."""


_LONGEST_FINDING = 600


def render(comparison: Comparison) -> str:
    """Return the document, of bounded length.  Reads the lines that show the failures.  Never raises."""
    kept: list[str] = []
    room, left_out = LONGEST, 0
    for section in _sections(comparison):
        if len(section) + 2 > room:
            left_out += 1
            continue
        kept.append(section)
        room -= len(section) + 2
    if left_out:
        kept.append(f"{left_out} more parts are left out, since a comment has no room for them: see `orch compare`.")
    return "\n\n".join(kept) + "\n"


def code(text: str) -> str:
    """Return `text` as a code span that is safe in a table, too.

    The fence is longer than any run of backticks inside (CommonMark 0.31, 6.1).  A table ends its cells at a pipe even
    inside of code, and no escape of a backslash before a pipe is read alike by all forges; so a pipe is put between two
    spans, as a character reference.
    """
    shown = one_line(text)
    return "&#124;".join(_span(part) for part in shown.split("|")) if shown else ""


def _span(part: str) -> str:
    if not part:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", part)), default=0) + 1)
    pad = " " if part[0] in "` " or part[-1] in "` " else ""
    return f"{fence}{pad}{part}{pad}{fence}"


def plain_or_code(text: str) -> str:
    """Return what a cell has: a number or a word of orch's own as it is, any other text as code."""
    return text.replace("<", "&lt;") if _PLAIN.fullmatch(text[:100]) and len(text) <= 100 else code(text)


def _sections(comparison: Comparison) -> Iterator[str]:
    run = comparison.run
    yield "\n\n".join(_head(comparison))
    table = overview(comparison)
    if table:
        yield _table(table, table.caption)
    yield from _failures(comparison)
    for block in comparison.blocks:
        if not is_further(block):
            yield from _place(comparison, block)
    yield from (_tests(matrix) for matrix in further(comparison.blocks))
    for suite in compare_suites(run):
        yield _suite(suite)
    yield "\n\n".join(_origin(comparison))


def _tests(matrix: Matrix) -> str:
    shown = replace(matrix, blocks=matrix.blocks[:MOST_ROWS])
    reasons = [f"- {status}: {code(why)}" for status, why in shown.reasons]
    rest = len(matrix.blocks[MOST_ROWS:])
    more = [f"{rest} more rows are left out."] if rest else []
    return "\n\n".join([_table(grid("", (shown.names, *shown.columns)), code(matrix.title)), *more, *_list(reasons)])


def _head(comparison: Comparison) -> Iterator[str]:
    run = comparison.run
    yield f"## {code(run.scenario.name) or 'orch'}"
    yield f"**{'As expected.' if is_good(run) else 'Not as expected.'}** {summary(run)}"
    if how_far(run):
        yield how_far(run)
    yield from _list([f"- {code(text[:_LONGEST_FINDING])}" for text in sentences(findings(comparison))])
    if run.scenario.description.strip():
        yield code(run.scenario.description)
    facts = [
        ("run", run.id),
        ("base", run.scenario.base),
        ("with", run.scenario.overrides),
        ("accelerator", run.accelerator.split(" ", 1)[0]),
        ("started", run.started),
    ]
    yield ", ".join(f"{name} {code(value)}" for name, value in facts if value)
    yield from _list([f"- {code(line)}" for line in device_lines(run.scenario)])


def _list(lines: Sequence[str]) -> list[str]:
    return ["\n".join(lines)] if lines else []


def _table(table: Grid, title: str = "") -> str:
    """Return a table, with its title above it."""
    lines = [f"**{title}**", ""] if title else []
    lines.append(_row(plain_or_code(head) for head in table.heads))
    lines.append(_row("---:" if numeric else "---" for numeric in table.numeric))
    for row in table.rows[:MOST_ROWS]:
        first, *rest = (each.text for each in row)
        lines.append(_row((code(fit(first, _LONGEST_LINE)), *(plain_or_code(text) for text in rest))))
    left_out = len(table.rows) - MOST_ROWS
    more = f"{left_out} more rows are left out." if left_out > 0 else ""
    return "\n".join([*lines, *(part for note in (table.detail, more) if note for part in ("", note))])


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _failures(comparison: Comparison) -> Iterator[str]:
    found = failures(comparison)
    if not found.shown:
        return
    yield "### Not as expected"
    yield from (_failure(failure) for failure in found.shown[:MOST_GROUPS])
    rest = found.cases_left_out + sum(len(failure.group.cases) for failure in found.shown[MOST_GROUPS:])
    if rest:
        yield f"{rest} more cases that are not as expected are left out: see junit.xml."


def _failure(failure: Failure) -> str:
    group, case = failure.group, failure.group.first
    title = f"**{case.status}** {code(case.id.kernel)}: {code(fit(case.id.name, _LONGEST_TEXT))}{group.more}"
    parts = [title, code(fit(one_line(group.detail), _LONGEST_TEXT))]
    if failure.excerpt:
        parts += _excerpt(failure.excerpt)
    elif case.evidence:
        parts.append(f"see {code(case.evidence)}")
    return "\n\n".join(part for part in parts if part)


def _excerpt(excerpt: Excerpt) -> list[str]:
    """Return the lines of an excerpt, folded.  The fence is longer than any run of backticks in them."""
    lines = [
        fit(f"{line.number:>6}{'>' if line.marked else ' '} {in_a_line(line.text)}", _LONGEST_LINE)
        for line in excerpt.lines
    ]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    about = f"see {code(excerpt.path)}" if excerpt.path else "the lines that show it"
    if len(lines) == 1:
        return [about, code(fit(lines[0].strip(), _LONGEST_TEXT))]
    block = "\n".join([f"{fence}text", *lines, fence])
    return [about, f"<details><summary>{len(lines)} lines</summary>\n\n{block}\n\n</details>"]


def _place(comparison: Comparison, block: Block) -> Iterator[str]:
    name, why = place_words(comparison.run, block)
    remarks = [fit("; ".join(notes(row)), _LONGEST_LINE) for row in block.rows]
    parts = [f"### {code(name)}", why, _table(grid("", exact_columns(block), remarks))]
    yield "\n\n".join(part for part in (*parts, f"\\* {HOW_DEDUCED}" if has_deduced(block) else "") if part)
    costs = cost_columns(block)
    if costs:
        yield f"{TITLE}\n\n{_table(grid('', costs))}"


def _suite(suite: Suite) -> str:
    found = noteworthy(suite)
    table = _table(grid("", suite_columns(suite), [row.note for row in suite.rows]))
    parts = [f"### {code(suite_title(suite))}", table, *_list([_outcomes(group) for group in found[:MOST_GROUPS]])]
    rest = sum(len(group.labels) for group in found[MOST_GROUPS:])
    return "\n\n".join([*parts, *([f"{rest} more cases are left out: see junit.xml."] if rest else [])])


def _outcomes(group: Noteworthy) -> str:
    lines = [f"- {code(fit(group.title, _LONGEST_TEXT))}"]
    for kernels, status, message, _ in group.outcomes:
        why = f": {code(fit(one_line(message), _LONGEST_TEXT))}" if message else ""
        lines.append(f"  - {status or 'absent'} {code(fit(', '.join(kernels), _LONGEST_TEXT))}{why}")
    return "\n".join(lines)


def _origin(comparison: Comparison) -> Iterator[str]:
    origin = provenance(comparison.run)
    yield "### Kernels"
    if len(origin.table.heads) > 1:
        yield _table(origin.table)
    yield from _list([f"- {plain_or_code(name)}: {code(value)}" for name, value in (*origin.shared, *origin.tools)])
    lines = [f"- {what}: {code(line)}" for what, them in commands(comparison.run) for line in them]
    yield from _list(lines)

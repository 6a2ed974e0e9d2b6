# SPDX-License-Identifier: GPL-2.0-only
"""A run as one page of HTML that opens from a disk.

Everything is in the file: style, script and pictures.  By its Content-Security-Policy a browser loads nothing else, and
uses only this style and this script, which it knows by their SHA-256.  The page is complete without the script, which
only sorts and filters.  Every text passes through `_shown` and is then escaped, so that nothing of it acts.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.report.blocks import HOW_DEDUCED, exact_columns, has_deduced, notes, place_words
from orchestrator.report.costs import cost_columns
from orchestrator.report.failures import failures
from orchestrator.report.finding import sentences
from orchestrator.report.given import device_lines
from orchestrator.report.grid import Grid, grid
from orchestrator.report.html.cases import case_list
from orchestrator.report.html.picture import Picture, picture
from orchestrator.report.html.plot import Plot, plots
from orchestrator.report.matrix import further, is_further
from orchestrator.report.origin import commands, provenance, scenario_file
from orchestrator.report.overview import overview
from orchestrator.report.suites import Noteworthy, noteworthy, suite_columns, suite_title
from orchestrator.report.text import fit, in_a_line, one_line
from orchestrator.report.verdict import how_far, is_good, summary
from orchestrator.result.compare.alignment import Block, Comparison
from orchestrator.result.compare.finding import findings
from orchestrator.result.compare.suite import Suite, compare_suites
from orchestrator.result.model import Status
from orchestrator.result.run import Run

MOST_PLACES = 40
"""Places that are shown with table and pictures at most."""
MOST_TESTS = 400
"""Lines of a table of further tests at most."""
MOST_GROUPS = 60
"""Groups of cases of a suite at most."""
_LONGEST_NOTE = 160
_HERE = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Place:
    """One place: its heading, what was counted, the pictures, and the costs."""

    name: str
    why: str
    table: Grid
    picture: Picture | None
    plots: tuple[Plot, ...]
    costs: Grid | None
    deduced: str


@dataclass(frozen=True)
class Tests:
    """A table of tests that measure no mapping, and why some were skipped."""

    table: Grid
    reasons: tuple[tuple[Status, str], ...]
    left_out: int


@dataclass(frozen=True)
class SuitePart:
    """A suite: a line per kernel, and the cases that did not pass everywhere."""

    table: Grid
    cases: tuple[Noteworthy, ...]
    left_out: int


def render(comparison: Comparison) -> str:
    """Return the page.  Reads the lines that show the failures from the run directory.  Never raises."""
    run = comparison.run
    blocks = [block for block in comparison.blocks if not is_further(block)]
    style, script = (Markup(source(name)) for name in ("style.css", "script.js"))
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=run,
            good=is_good(run),
            summary=summary(run),
            unfinished=how_far(run),
            findings=sentences(findings(comparison)),
            facts=tuple(_facts(run)),
            overview=overview(comparison),
            failures=failures(comparison),
            places=tuple(_place(run, block) for block in blocks[:MOST_PLACES]),
            places_left_out=len(blocks[MOST_PLACES:]),
            tests=tuple(_tests(comparison)),
            suites=tuple(_suite(suite) for suite in compare_suites(run)),
            provenance=provenance(run),
            commands=commands(run),
            scenario_file=scenario_file(run),
            cases=case_list(run),
            style=style,
            script=script,
            policy=_policy(style, script),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["one_line"] = one_line
    return environment


def _shown(value: object) -> object:
    """Return what a template prints: of a text the start, with no character that acts."""
    return in_a_line(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def source(name: str) -> str:
    """Return the style or the script of every page."""
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    sources = f"style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _facts(run: Run) -> Iterator[str]:
    yield f"run {run.id}"
    kernels = len(run.scenario.kernels)
    yield f"{kernels} kernel{'' if kernels == 1 else 's'}, the base is {run.scenario.base}"
    if run.scenario.overrides:
        yield f"with {run.scenario.overrides}"
    yield from (f"{name} {value}" for name, value in (("started", run.started), ("ended", run.ended)) if value)
    if run.accelerator:
        yield f"accelerator {run.accelerator.split(' ', 1)[0]}"
    yield from device_lines(run.scenario)


def _place(run: Run, block: Block) -> Place:
    name, why = place_words(run, block)
    remarks = [fit("; ".join(notes(row)), _LONGEST_NOTE) for row in block.rows]
    costs = cost_columns(block)
    return Place(
        name,
        why,
        grid("Entries, faults, and the change from the base", exact_columns(block), remarks),
        picture(block),
        plots(block, run.repeat),
        grid("Cost per GiB", costs) if costs else None,
        HOW_DEDUCED if has_deduced(block) else "",
    )


def _tests(comparison: Comparison) -> Iterator[Tests]:
    for matrix in further(comparison.blocks):
        shown = replace(matrix, blocks=matrix.blocks[:MOST_TESTS])
        table = grid(matrix.title, (shown.names, *shown.columns))
        yield Tests(table, shown.reasons, len(matrix.blocks[MOST_TESTS:]))


def _suite(suite: Suite) -> SuitePart:
    table = grid(suite_title(suite), suite_columns(suite), [row.note for row in suite.rows])
    found = noteworthy(suite)
    return SuitePart(table, found[:MOST_GROUPS], sum(len(group.labels) for group in found[MOST_GROUPS:]))

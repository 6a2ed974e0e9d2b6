# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of two runs, as text for a terminal or a mail, and as JSON.

The text is ASCII as far as the runs are, has a given width, and is always the same for the same runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from orchestrator.report.as_json import FORMAT, run_record
from orchestrator.report.table import Cell, Column, Table, lay_out
from orchestrator.report.text import in_a_line, paint, path_text, wrap
from orchestrator.result.compare.diff import RunDiff
from orchestrator.result.compare.diff_pair import OF_A_BOOT, Difference, KernelPair, PairDiff
from orchestrator.result.compare.status import Change
from orchestrator.result.model import NO_BAR, CaseId
from orchestrator.result.run import Run

MOST = 200
"""Differences of one pair of kernels that are shown; the JSON has all."""

_COLOURS = {Change.FIX: "green", Change.REGRESSION: "red"}
_CHECKS_OF_ALL = (*OF_A_BOOT, "build")


def render(diff: RunDiff, width: int = 80, color: bool = False) -> str:
    """Return the whole report, with a final newline.

    Lines have at most `width` characters (at least 60), except paths, which are never cut.
    """
    sections = [
        wrap(f"{diff.first.id} ({diff.first.started}) -> {diff.second.id} ({diff.second.started})", width, rest="  "),
        _listed("Not the same in both runs:", diff.conditions, width),
        _listed("Not compared:", diff.left_out, width),
        *(_pair(diff, pair, width, color) for pair in diff.pairs),
        [*wrap(_total(diff), width), *(f"{which}: {path_text(run.path)}" for which, run in _sides(diff))],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def to_json(diff: RunDiff) -> dict[str, Any]:
    """Return `diff` as values that `json.dumps` accepts, with the keys in a fixed order."""
    return {
        "format": FORMAT,
        "first": run_record(diff.first),
        "second": run_record(diff.second),
        "conditions": list(diff.conditions),
        "left_out": list(diff.left_out),
        "pairs": [_pair_record(pair) for pair in diff.pairs],
    }


def _pair_record(pair: PairDiff) -> dict[str, Any]:
    return {
        "base": pair.pair.base,
        "variant": pair.pair.variant,
        "same_build": pair.same_build,
        "builds": list(pair.builds),
        "unchanged": pair.unchanged,
        "unknown": pair.unknown,
        "differences": [_record(difference) for difference in pair.differences],
    }


def _record(difference: Difference) -> dict[str, Any]:
    place = asdict(difference.place) | {"bar": None if difference.place.bar == NO_BAR else difference.place.bar}
    return {
        **place,
        "check": difference.check,
        "change": difference.change,
        "base": difference.base,
        "variant": difference.variant,
        "note": difference.note,
        "evidence": difference.evidence,
    }


def _sides(diff: RunDiff) -> tuple[tuple[str, Run], tuple[str, Run]]:
    return ("first ", diff.first), ("second", diff.second)


def _listed(title: str, sentences: tuple[str, ...], width: int) -> list[str]:
    lines = [line for sentence in sentences for line in wrap(sentence, width, "  ", "    ")]
    return [title, *lines] if lines else []


def _pair(diff: RunDiff, pair: PairDiff, width: int, color: bool) -> list[str]:
    lines = [paint(line, "bold", color) for line in wrap(_heading(pair), width, rest="  ")]
    lines += [line for sentence in pair.builds for line in wrap(sentence, width, "  ", "    ")]
    shown = pair.differences[:MOST]
    if shown:
        table = lay_out(_columns(pair.pair, shown), width - 2, color)
        lines += [f"  {line}" for line in table.header]
        lines += _groups(diff.second, shown, table, width)
    if len(pair.differences) > MOST:
        lines.append(f"  ... and {len(pair.differences) - MOST} more: see --json")
    return [*lines, *wrap(_counts(pair), width, "  ", "  ")]


def _heading(pair: PairDiff) -> str:
    names = pair.pair
    both = in_a_line(names.base)
    if names.base != names.variant:
        both += f" -> {in_a_line(names.variant)}"
    builds = {True: ": the same build", False: ": another build", None: ""}
    return both + builds[pair.same_build]


def _columns(pair: KernelPair, shown: tuple[Difference, ...]) -> tuple[Column, ...]:
    names = (pair.base, pair.variant) if pair.base != pair.variant else ("first", "second")
    changes = tuple(Cell(each.change, _COLOURS.get(each.change, "")) for each in shown)
    return (
        Column("check", tuple(Cell(f"  {_check(each)}") for each in shown), left=True),
        Column(names[0], tuple(Cell(each.base) for each in shown), short="first", left=True),
        Column(names[1], tuple(Cell(each.variant) for each in shown), short="second", left=True),
        Column("change", changes, left=True),
    )


def _check(difference: Difference) -> str:
    return "case" if _of_suite(difference) else difference.check


def _of_suite(difference: Difference) -> bool:
    return difference.place.bar == NO_BAR and difference.check not in _CHECKS_OF_ALL


def _title(difference: Difference) -> str:
    """Return what a difference is about: a build, a boot, a place, or a case of a suite."""
    place = difference.place
    if not place.workload:
        return ""
    if _of_suite(difference):
        return "/".join(part for part in (place.workload, place.device, difference.check) if part)
    return CaseId("", place.workload, place.device, place.bar, place.test).name


def _groups(second: Run, shown: tuple[Difference, ...], table: Table, width: int) -> Iterator[str]:
    """Yield the rows of the table, those of one place below its name, and then what explains them.

    Places with the same rows and the same explanation share them; an explanation is not repeated.
    """
    by_title = groupby(zip(shown, table.rows, strict=True), key=lambda row: _title(row[0]))
    bodies = ((title, *_body(second, list(rows), width)) for title, rows in by_title)
    before: list[str] = []
    for (rows, why), group in groupby(bodies, key=lambda body: body[1:]):
        for title, _, _ in group:
            yield from wrap(in_a_line(title), width, "  ", "    ") if title else ()
        yield from rows
        yield from why if why != before else ()
        before = why


def _body(second: Run, rows: list[tuple[Difference, str]], width: int) -> tuple[list[str], list[str]]:
    """Return the rows of one place, and the lines that explain the worst of them."""
    lines = [f"  {line}" for _, line in rows]
    worst = next((each for each, _ in rows if each.change is Change.REGRESSION), rows[0][0])
    if worst.change not in (Change.REGRESSION, Change.INCOMPLETE):
        return lines, []
    note = wrap(worst.note, width, "    ", "    ") if worst.note else []
    return lines, [*note, *([f"    see {path_text(second.path / worst.evidence)}"] if worst.evidence else [])]


def _counts(pair: PairDiff) -> str:
    neither = f"; {_checks(pair.unknown)} without a result in either run" if pair.unknown else ""
    if not pair.differences:
        return f"no difference in {_checks(pair.unchanged)}{neither}"
    differ = f"{_checks(len(pair.differences))} differ{'s' if len(pair.differences) == 1 else ''}"
    return f"{differ}, {pair.unchanged} do{'es' if pair.unchanged == 1 else ''} not{neither}"


def _checks(count: int) -> str:
    return f"{count} check{'' if count == 1 else 's'}"


def _total(diff: RunDiff) -> str:
    counted = Counter(difference.change for difference in diff.differences)
    plurals = {Change.REGRESSION: "regressions", Change.FIX: "fixes"}
    parts = [f"{counted[c]} {plurals.get(c, c) if counted[c] != 1 else c}" for c in Change if counted[c]]
    same = sum(pair.unchanged for pair in diff.pairs)
    return f"{', '.join(parts) or 'nothing differs'}; no difference in {_checks(same)}"

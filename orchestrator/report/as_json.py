# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as JSON for programs.

The names are the same as on the terminal and in the result directory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from orchestrator.report.given import device_words
from orchestrator.report.times import is_emulated, times_json
from orchestrator.result.compare.alignment import Block, Comparison, Row
from orchestrator.result.compare.cost import per_gib
from orchestrator.result.compare.suite import Suite, SuiteRow, compare_suites
from orchestrator.result.model import NO_BAR, Case, Status
from orchestrator.result.run import BootResult, Run

FORMAT = 1
"""The version of the format: increased if a key is removed or changes its meaning, but not for a new key."""


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return `comparison` as values that `json.dumps` accepts, with the keys in a fixed order.

    Numbers are in the units that go with them; `change` is null for the base.
    """
    return {
        "format": FORMAT,
        "run": run_record(comparison.run),
        "counts": {str(status): count for status, count in comparison.run.counts.items()},
        "blocks": [_block(block) for block in comparison.blocks],
        "suites": [_suite(suite) for suite in compare_suites(comparison.run)],
        "cases": [_case(case) for case in comparison.run.cases],
        **_repeated(comparison),
    }


def _repeated(comparison: Comparison) -> dict[str, Any]:
    """Return what only a run has that boots each kernel several times: every boot, and the times compared."""
    run, times = comparison.run, comparison.times
    if times is None:
        return {}
    directories = {(job.kernel, job.workload, job.round): str(job.directory) for job in run.jobs}
    return {
        "repeat": run.repeat,
        "boots": [_boot(boot, directories) for boot in run.samples],
        "times": times_json(times, emulated=is_emulated(run)),
    }


def _boot(boot: BootResult, directories: Mapping[tuple[str, str, int], str]) -> dict[str, Any]:
    return {
        "kernel": boot.kernel,
        "workload": boot.workload,
        "round": boot.round,
        "end": str(boot.boot.end),
        "directory": directories.get((boot.kernel, boot.workload, boot.round), ""),
        "counts": {str(s): n for s, n in sorted(Counter(case.status for case in boot.cases).items())},
    }


def run_record(run: Run) -> dict[str, Any]:
    """Return the record of a run: what it is, and where."""
    return {
        "id": run.id,
        "path": str(run.path),
        "status": str(run.status),
        "exit_status": run.exit_status,
        "started": run.started,
        "ended": run.ended,
        "scenario": run.scenario.name,
        "scenario_sha256": run.scenario.sha256,
        "overrides": run.scenario.overrides,
        "base": run.scenario.base,
        "host": run.host,
        "devices": device_words(run.scenario),
        "accelerator": run.accelerator,
        "tools": dict(run.tools),
        "unfinished": [job.id for job in run.unfinished],
    }


def _block(block: Block) -> dict[str, Any]:
    return {
        "workload": block.place.workload,
        "device": block.place.device,
        "bar": None if block.place.bar == NO_BAR else block.place.bar,
        "test": block.place.test or None,
        "length": block.length,
        "rows": [_row(row) for row in block.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    reading = row.reading
    numbers = sorted(reading.values.items())
    return {
        "kernel": row.kernel,
        "status": str(row.status) if row.status else None,
        "change": str(row.change) if row.change else None,
        "note": reading.note,
        "evidence": reading.evidence,
        "measurements": {name: {"value": m.value, "unit": m.unit, "exact": m.exact} for name, m in numbers},
        "per_gib": per_gib(reading.values),
        "changes": {
            change.check: {"change": str(change.change), "base": change.base, "variant": change.variant}
            | _note(change.note)
            for change in row.changes
        },
    }


def _suite(suite: Suite) -> dict[str, Any]:
    return {
        "workload": suite.workload,
        "device": suite.device or None,
        "what": suite.what,
        "rows": [_suite_row(row) for row in suite.rows],
    }


def _suite_row(row: SuiteRow) -> dict[str, Any]:
    return {
        "kernel": row.kernel,
        "status": row.status,
        "change": row.change,
        "counts": {str(status): row.counts[status] for status in Status if status in row.counts},
        "note": row.note,
        "changes": {
            change.name: {"change": change.change, "base": change.base, "variant": change.variant} | _note(change.note)
            for change in row.changes
        },
    }


def _note(text: str) -> dict[str, str]:
    return {"note": text} if text else {}


def _case(case: Case) -> dict[str, Any]:
    return {
        "kernel": case.id.kernel,
        "name": case.id.name,
        "status": str(case.status),
        "expected": case.expected,
        "measured": case.measured,
        "message": case.message,
        "evidence": case.evidence,
        "lines": list(case.lines),
    }

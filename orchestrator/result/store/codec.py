# SPDX-License-Identifier: GPL-2.0-only
"""Results ⇄ JSON: the format of `run.json` and `result.json`.

Encoding is `dataclasses.asdict`, so that the files say what the values say.  Decoding takes the keys that it knows
and ignores others, so that an older orch can read what a newer one added.  It checks every type, since a result can
come from anywhere, and who reports it relies on the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.result.model import Case
from orchestrator.result.run import BootResult, Job, JobKind, Run, RunStatus, ScenarioRecord
from orchestrator.workload.measurement import possible, short_number

FORMAT = 1
"""The version of the result directory's format: raised when an older reader would misread it."""

Json = dict[str, Any]


def encode_run(run: Run) -> Json:
    """What `run.json` says: all of the run but the cases and measurements, which lie with their jobs."""
    jobs = [asdict(job) | {"directory": str(job.directory)} for job in run.jobs]
    return {
        "format": FORMAT,
        "id": run.id,
        "status": run.status,
        "exit_status": run.exit_status,
        "started": run.started,
        "ended": run.ended,
        "scenario": asdict(run.scenario),
        "host": run.host,
        "accelerator": run.accelerator,
        "tools": dict(run.tools),
        "counts": run.counts,
        "kernels": {name: dict(told) for name, told in run.kernels.items()},
        "jobs": jobs,
    }


def decode_run(data: Mapping[str, Any], path: Path) -> Run:
    """The run of `run.json` without cases; `path` is the run directory.

    Raises ValueError where the data is not what `encode_run` makes.
    """
    stored = _adapter(_StoredRun).validate_python(data)
    for name in (*stored.scenario.kernels, *stored.scenario.workloads):
        _refuse_path(name)
    for job in stored.jobs:
        _refuse_path(job.kernel)
        if job.kind is JobKind.BOOT:
            _refuse_path(job.workload)
    values = {one.name: getattr(stored, one.name) for one in fields(stored)}
    return Run(path=path, **values)


def encode_boot(result: BootResult) -> Json:
    """What `boots/<kernel>/<workload>/result.json` says."""
    return {"format": FORMAT, **asdict(result)}


def decode_boot(data: Mapping[str, Any]) -> BootResult:
    """A boot's result.  Raises ValueError where the data is not what `encode_boot` makes."""
    result: BootResult = _adapter(BootResult).validate_python(data)
    owner = (result.kernel, result.workload)
    owners = {(case.id.kernel, case.id.workload) for case in result.cases}
    owners |= {(one.kernel, one.workload) for one in result.measurements}
    if owners - {owner}:
        raise ValueError(f"the result of {'/'.join(owner)} has a case or a measurement of another boot")
    for measurement in result.measurements:
        if not possible(measurement.value):
            raise ValueError(f"{measurement.name} is {short_number(measurement.value)}, which no 64 bits hold")
    return result


def encode_build(told: Mapping[str, object], failure: Case | None) -> Json:
    """What `kernels/<kernel>/result.json` says: the kernel room's provenance, and the case of a failed build."""
    return {"format": FORMAT, "provenance": dict(told), "failure": asdict(failure) if failure else None}


def decode_case(data: Mapping[str, Any]) -> Case:
    """A case.  Raises ValueError where the data is none."""
    case: Case = _adapter(Case).validate_python(data)
    return case


def decode_facts(data: object) -> dict[str, object]:
    """What is stored of a build.  Raises ValueError where that is no JSON object."""
    facts: dict[str, object] = _adapter(dict[str, object]).validate_python(data)
    return facts


@dataclass(frozen=True)
class _StoredRun:
    """What `run.json` holds of a `Run`, with the types of its fields."""

    id: str
    status: RunStatus
    scenario: ScenarioRecord
    started: str
    ended: str
    tools: dict[str, str]
    host: str
    accelerator: str
    kernels: dict[str, dict[str, object]]
    jobs: tuple[Job, ...]
    exit_status: int | None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Checks values against the annotations of a dataclass, and of those in it; keys that it lacks are ignored."""
    return TypeAdapter(kind)


def _refuse_path(name: str) -> None:
    """Raise ValueError for a name that would lead out of the run directory."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is the name of no kernel or workload")

# SPDX-License-Identifier: GPL-2.0-only
"""Results ⇄ JSON: the format of `run.json` and `result.json`.

Encoding is `dataclasses.asdict`, so that the files have the names of the values.  Decoding reads the keys that it knows
and ignores others, so that an older orch can read files of a newer one.  It checks every type, since a result can come
from anywhere, and the reports rely on the types.
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
from orchestrator.scenario.model import MOST_ROUNDS
from orchestrator.workload.measurement import possible, short_number

FORMAT = 1
"""The version of the result directory's format: increased if an older reader would misread it."""
REPEATED = 2
"""The version of the `run.json` of a run that boots each kernel several times: its boots have other directories."""

Json = dict[str, Any]


def encode_run(run: Run) -> Json:
    """Return the content of `run.json`: the run without cases and measurements.

    These are in the directories of the jobs.
    """
    jobs = [_without_round(asdict(job)) | {"directory": str(job.directory)} for job in run.jobs]
    return {
        "format": FORMAT if run.repeat == 1 else REPEATED,
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
        "kernels": {name: dict(facts) for name, facts in run.kernels.items()},
        "jobs": jobs,
    }


def decode_run(data: Mapping[str, Any], path: Path) -> Run:
    """Return the run of `run.json`, without cases; `path` is the run directory.

    Raises ValueError if the data is not in the format of `encode_run`.
    """
    stored = _adapter(_StoredRun).validate_python(data)
    for name in (*stored.scenario.kernels, *stored.scenario.workloads):
        _refuse_path(name)
    for job in stored.jobs:
        _refuse_path(job.kernel)
        if not 0 <= job.round <= (MOST_ROUNDS if job.kind is JobKind.BOOT else 0):
            raise ValueError(f"the job {job.id!r} has the round {short_number(job.round)}")
        if job.kind is JobKind.BOOT:
            _refuse_path(job.workload)
    values = {field.name: getattr(stored, field.name) for field in fields(stored)}
    return Run(path=path, **values)


def encode_boot(result: BootResult) -> Json:
    """Return the content of a boot's `result.json`."""
    return {"format": FORMAT, **_without_round(asdict(result))}


def _without_round(fields: Json) -> Json:
    """Return `fields` without `round` if there is only one."""
    return {name: value for name, value in fields.items() if name != "round" or value}


def decode_boot(data: Mapping[str, Any]) -> BootResult:
    """Return a boot's result.  Raises ValueError if the data is not in the format of `encode_boot`."""
    result: BootResult = _adapter(BootResult).validate_python(data)
    owner = (result.kernel, result.workload)
    owners = {(case.id.kernel, case.id.workload) for case in result.cases}
    owners |= {(measurement.kernel, measurement.workload) for measurement in result.measurements}
    if owners - {owner}:
        raise ValueError(f"the result of {'/'.join(owner)} has a case or a measurement of another boot")
    for measurement in result.measurements:
        if not possible(measurement.value):
            raise ValueError(f"{measurement.name} is {short_number(measurement.value)}, which no 64 bits hold")
    return result


def encode_build(facts: Mapping[str, object], failure: Case | None) -> Json:
    """Return the content of `kernels/<kernel>/result.json`: the kernel's provenance, and the case of a failed build."""
    return {"format": FORMAT, "provenance": dict(facts), "failure": asdict(failure) if failure else None}


def decode_case(data: Mapping[str, Any]) -> Case:
    """Return a case.  Raises ValueError if the data is not a case."""
    case: Case = _adapter(Case).validate_python(data)
    return case


def decode_facts(data: object) -> dict[str, object]:
    """Return the stored provenance of a build.  Raises ValueError if it is not a JSON object."""
    facts: dict[str, object] = _adapter(dict[str, object]).validate_python(data)
    return facts


@dataclass(frozen=True)
class _StoredRun:
    """The part of a `Run` that is in `run.json`, with the types of its fields."""

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
    """Return a checker of values against the annotations of a dataclass.

    The dataclasses in it are checked, too.  Keys that are not in them are ignored.
    """
    return TypeAdapter(kind)


def _refuse_path(name: str) -> None:
    """Raise ValueError for a name that would lead out of the run directory."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a kernel or workload")

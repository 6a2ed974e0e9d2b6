# SPDX-License-Identifier: GPL-2.0-only
"""Results ⇄ JSON: the format of `run.json` and `result.json`.

Encoding is `dataclasses.asdict`, so that the files say what the values say.  Decoding takes the keys that it knows
and ignores others, so that an older orch can read what a newer one added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from orchestrator.machine.model import BootEnd, BootReport, Splat
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.record import BootResult, Job, JobKind, JobStatus, Run, RunStatus, ScenarioRecord
from orchestrator.workload.model import Measurement

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

    Raises KeyError, TypeError or ValueError where the data is not what `encode_run` makes.
    """
    scenario = _known(ScenarioRecord, data["scenario"])
    return Run(
        id=data["id"],
        path=path,
        status=RunStatus(data["status"]),
        scenario=ScenarioRecord(**{**scenario, "kernels": tuple(scenario["kernels"])}),
        started=data["started"],
        ended=data["ended"],
        tools=data["tools"],
        host=data["host"],
        accelerator=data["accelerator"],
        kernels=data["kernels"],
        jobs=tuple(_job(job) for job in data["jobs"]),
        exit_status=data["exit_status"],
    )


def encode_boot(result: BootResult) -> Json:
    """What `boots/<kernel>/<workload>/result.json` says."""
    return {"format": FORMAT, **asdict(result)}


def decode_boot(data: Mapping[str, Any]) -> BootResult:
    """A boot's result.  Raises KeyError, TypeError or ValueError where the data is not what `encode_boot` makes."""
    boot = _known(BootReport, data["boot"])
    return BootResult(
        kernel=data["kernel"],
        workload=data["workload"],
        device=data["device"],
        boot=BootReport(
            **{
                **boot,
                "end": BootEnd(boot["end"]),
                "lines": tuple(boot["lines"]),
                "splats": tuple(Splat(**_known(Splat, one)) for one in boot.get("splats", ())),
                "taint": tuple(boot["taint"]) if boot.get("taint") else None,
            }
        ),
        cases=tuple(decode_case(case) for case in data["cases"]),
        measurements=tuple(Measurement(**_known(Measurement, one)) for one in data["measurements"]),
    )


def encode_build(told: Mapping[str, object], failure: Case | None) -> Json:
    """What `kernels/<kernel>/result.json` says: the kernel room's provenance, and the case of a failed build."""
    return {"format": FORMAT, "provenance": dict(told), "failure": asdict(failure) if failure else None}


def decode_case(data: Mapping[str, Any]) -> Case:
    """A case.  Raises KeyError, TypeError or ValueError where the data is none."""
    case = _known(Case, data)
    case_id = CaseId(**_known(CaseId, case["id"]))
    return Case(**{**case, "id": case_id, "status": Status(case["status"]), "lines": tuple(case.get("lines", ()))})


def _job(data: Mapping[str, Any]) -> Job:
    job = _known(Job, data)
    return Job(**{**job, "kind": JobKind(job["kind"]), "status": JobStatus(job["status"])})


def _known(kind: Any, data: Mapping[str, Any]) -> Json:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in data.items() if name in names}

# SPDX-License-Identifier: GPL-2.0-only
"""Read a result directory, and find the one that the user means.

The run may have been killed at any point.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from orchestrator.agent.inodes import MIB
from orchestrator.errors import UsageError
from orchestrator.host.untrusted import OddFileError, read_untrusted
from orchestrator.result.model import CaseId
from orchestrator.result.repeated import with_boots
from orchestrator.result.run import BootResult, Job, JobKind, JobStatus, Run, RunStatus, with_failed_build, with_job
from orchestrator.result.store.codec import FORMAT, REPEATED, decode_boot, decode_case, decode_facts, decode_run
from orchestrator.result.store.files import read_lines
from orchestrator.workload.measurement import short_number

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
LATEST = "latest"
_MOST = 128 * MIB
"""Bytes of a JSON file that are read at most: the result of a boot is smaller, even with the largest output."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

T = TypeVar("T")


def load_run(path: Path) -> Run:
    """Return the run whose directory is `path`.

    A run without a recorded end is interrupted, and so are its jobs that were running.  A job with a result has ended,
    even if the run was killed before it recorded this.  Raises UsageError if `path` is not a run directory, is
    damaged, or was written by a newer orch.
    """
    data = _stored(path, RUN_FILE)
    if data is None:
        raise UsageError(f"{path}: not a run directory: there is no {RUN_FILE}")
    run = _decoded(path / RUN_FILE, lambda: decode_run(data, path))
    boots: list[BootResult] = []
    for job in run.jobs:
        run = _with_result(run, job, boots)
    run = with_boots(run, boots)
    return replace(run, status=RunStatus.INTERRUPTED) if run.status is RunStatus.RUNNING else run


def read_events(run_directory: Path) -> tuple[dict[str, object], ...]:
    """Return the events of a run, without an incomplete last line.  Raises UsageError for a damaged file."""
    return read_lines(run_directory / "events.jsonl")


def find_run(results: Path, name: str) -> Path:
    """Return the run directory that `name` means.

    `name` is "latest", a run's id in `results`, or a path.  Raises UsageError with the most similar names if there is
    none.
    """
    for candidate in (results / name, Path(name)):
        if (candidate / RUN_FILE).is_file():
            return candidate.resolve()
    known = sorted((found.parent.name for found in results.glob(f"*/{RUN_FILE}")), key=_newest_last, reverse=True)
    known = [run for run in known if run != LATEST]
    if not known:
        raise UsageError(f"{results}: no run {name!r}, and no other; `orch run SCENARIO` makes one")
    near = [run for run in known if run.startswith(name)] or get_close_matches(name, known, cutoff=0.4) or known
    raise UsageError(f"{results}: no run {name!r}; did you mean {_either(near[:3])}?")


def _newest_last(run_id: str) -> list[str]:
    """Return the sort key of a run, the time in its id."""
    return re.findall(r"\d{8}-\d{6}.*$", run_id) or [""]


def _either(names: list[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _with_result(run: Run, job: Job, boots: list[BootResult]) -> Run:
    """Return `run` with the stored result of a build; that of a boot is added to `boots`.

    The job's status follows from the result, since the run may have been killed before it recorded that.
    """
    name = f"{job.directory}/{RESULT_FILE}"
    path = run.path / name
    data = _stored(run.path, name)
    if data is None:
        return with_job(run, replace(job, status=JobStatus.INTERRUPTED)) if job.status is JobStatus.RUNNING else run
    if job.kind is JobKind.BUILD:
        return _decoded(path, lambda: _with_build(run, job, data))
    boot = _decoded(path, lambda: _boot_of(job, data))
    boots.append(boot)
    return with_job(run, _ended(job, JobStatus.DONE if boot.ended_well else JobStatus.FAILED))


def _with_build(run: Run, job: Job, data: dict[str, Any]) -> Run:
    run = replace(run, kernels={**run.kernels, job.kernel: decode_facts(data["provenance"])})
    failure = decode_case(data["failure"]) if data["failure"] else None
    if failure and failure.id != CaseId.of_build(job.kernel):
        raise ValueError(f"the failure of another kernel than {job.kernel}")
    if failure:
        run = with_failed_build(run, failure)
    return with_job(run, _ended(job, JobStatus.FAILED if failure else JobStatus.DONE))


def _boot_of(job: Job, data: dict[str, Any]) -> BootResult:
    result = decode_boot(data)
    if (result.kernel, result.workload, result.round) != (job.kernel, job.workload, job.round):
        boot = f" in boot {short_number(result.round)}" if result.round else ""
        raise ValueError(f"the result of {result.kernel}/{result.workload}{boot}")
    return result


def _ended(job: Job, status: JobStatus) -> Job:
    """Return the job with the status that follows from its result, whatever is in run.json."""
    return replace(job, status=status)


def _stored(run: Path, name: str) -> dict[str, Any] | None:
    """Return the JSON object in a file of a run directory.

    Returns None if there is no file `name`.
    """
    path = run / name
    try:
        content = read_untrusted(run, name, _MOST)
        if content is None:
            return None
        data = json.loads(content, parse_float=_finite, parse_constant=_finite)
        data = _text_only(data) if _SURROGATE.search(content) else data
    except OddFileError as error:
        raise UsageError(f"{run}: {error}; the file was damaged after it was written") from error
    except RecursionError as error:
        raise UsageError(f"{path}: damaged: nested too deep") from error
    except ValueError as error:
        raise UsageError(f"{path}: damaged: {error}") from error
    if not isinstance(data, dict) or data.get("format") not in (FORMAT, REPEATED):
        found = data.get("format") if isinstance(data, dict) else None
        shown = found if found is None or (isinstance(found, int) and abs(found) < _MOST) else "unknown"
        raise UsageError(
            f"{path}: format {shown!r}, but this orch reads format {REPEATED} and older; use the orch that wrote it"
        )
    return data


def _text_only(value: Any) -> Any:
    """Return `value` with a question mark for each byte that was not text.

    Such a byte is a lone surrogate (PEP 383).
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_text_only(item) for item in value]
    return {_text_only(key): _text_only(item) for key, item in value.items()} if isinstance(value, dict) else value


def _finite(text: str) -> float:
    """Return a number of JSON.  Raises ValueError for infinity and NaN, which Python's `json` accepts."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a number")
    return number


def _decoded(path: Path, decode: Callable[[], T]) -> T:
    try:
        return decode()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: damaged: {where[:100]}: {first['msg']}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path}: damaged: {type(error).__name__}: {str(error)[:200]}") from error

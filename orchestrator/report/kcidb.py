# SPDX-License-Identifier: GPL-2.0-only
"""Runs as a report for KCIDB, the database of Linux kernel CI: its I/O schema 5.3 (package kcidb-io).

checkout   a source with its patches          build   a kernel of the scenario          test   a case

PASS, XPASS                    PASS           ERROR   MISS: the harness failed, nothing is known of the kernel
FAIL, TIMEOUT, CRASH, XFAIL    FAIL           SKIP    SKIP

KCIDB has no expectations: an XFAIL is a test that found the kernel at fault.  The status of orch itself is in `misc`,
where the schema allows any data.  What is not known is left out, as the schema wants it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.report.text import LONGEST_TEXT, clean, fit, one_line
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import Job, JobKind, Run
from orchestrator.result.store.bounds import LONGEST_LINE, MOST_LINES, cut
from orchestrator.result.store.origin import read_patches, read_provenance

VERSION = {"major": 5, "minor": 3}
LONGEST_EXCERPT = 16_384
"""Characters of an excerpt of a log at most, by the schema."""
MOST_EXCERPTS = 8_000_000
"""Characters of all excerpts at most; later ones are left out."""
_STATUSES = {
    Status.PASS: "PASS",
    Status.XPASS: "PASS",
    Status.FAIL: "FAIL",
    Status.XFAIL: "FAIL",
    Status.TIMEOUT: "FAIL",
    Status.CRASH: "FAIL",
    Status.ERROR: "MISS",
    Status.SKIP: "SKIP",
}
_NOT_IN_A_PATH = re.compile(r"[^a-zA-Z0-9_-]+")
_LONGEST_PART = 100
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ARCH = re.compile(r"[a-z0-9_]{1,20}")


def to_kcidb(runs: Sequence[Run], origin: str) -> dict[str, Any]:
    """Return the report of the CI system `origin` (lower-case letters, digits and `_`) as values for `json.dumps`.

    Reads what the run directories keep of each build.  Never raises.
    """
    checkouts: dict[str, dict[str, Any]] = {}
    builds: dict[str, dict[str, Any]] = {}
    tests: dict[str, dict[str, Any]] = {}
    room = [MOST_EXCERPTS]
    for run in runs:
        for kernel in run.scenario.kernels:
            checkout = _checkout(run, kernel, origin)
            build = _build(run, kernel, origin, checkout["id"])
            checkouts.setdefault(checkout["id"], checkout)
            builds.setdefault(build["id"], build)
            tests |= {test["id"]: test for test in _tests(run, kernel, origin, build["id"], room)}
    return {
        "version": VERSION,
        "checkouts": list(checkouts.values()),
        "builds": list(builds.values()),
        "tests": list(tests.values()),
    }


def _known(**fields: object) -> dict[str, Any]:
    """Return the fields whose values are known."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}


def _id(origin: str, *parts: object) -> str:
    """Return an id that is unique for its parts, which are values of JSON."""
    return f"{origin}:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]}"


def _checkout(run: Run, kernel: str, origin: str) -> dict[str, Any]:
    """Return the source of a kernel, with its patches."""
    facts, kept = run.kernels.get(kernel, {}), _mapping(read_provenance(run.path, kernel).get("source"))
    patches = read_patches(run.path, kernel)
    built = bool(facts)
    identity = (facts.get("source_sha256"), patches) if built else (run.id, run.started, kernel)
    commit, repository = str(kept.get("commit")), str(kept.get("repository"))
    found = _known(
        git_commit_hash=commit if _COMMIT.fullmatch(commit) else None,
        git_repository_url=fit(repository, LONGEST_TEXT) if repository.startswith("https://") else None,
        comment=_line(facts.get("source")),
        valid=True if built else None,
    )
    patchset = {"patchset_hash": _patchset(patches)} if built and patches is not None else {}
    return {"id": _id(origin, "checkout", *map(str, identity)), "origin": origin, **found, **patchset}


def _patchset(patches: tuple[bytes, ...]) -> str:
    """Return the hash of the hashes of the patches, "" without patches, as the schema describes it."""
    lines = "".join(f"{hashlib.sha256(patch).hexdigest()}\n" for patch in patches)
    return hashlib.sha256(lines.encode()).hexdigest() if patches else ""


def _build(run: Run, kernel: str, origin: str, checkout: str) -> dict[str, Any]:
    """Return the build of a kernel.  One that came from the cache has no time: this run did not make it."""
    facts = run.kernels.get(kernel, {})
    job = next((job for job in run.jobs if (job.kind, job.kernel) == (JobKind.BUILD, kernel)), None)
    failure = next((case for case in run.builds if case.id.kernel == kernel), None)
    made = None if facts.get("cached") else job
    toolchain = _mapping(read_provenance(run.path, kernel).get("toolchain"))
    arch, config = str(toolchain.get("arch")), facts.get("config")
    found = _known(
        comment=_line(failure.message) if failure else _line(f"kernel {kernel} of scenario {run.scenario.name}"),
        start_time=_start(run, made),
        duration=made.seconds if made else None,
        architecture=arch if _ARCH.fullmatch(arch) else None,
        compiler=_line(facts.get("compiler")),
        config_name=_line("+".join(map(str, config))) if isinstance(config, list | tuple) else None,
        log_excerpt=_excerpt(failure) if failure else None,
        status=_STATUSES[failure.status] if failure else "PASS" if facts else None,
        misc=_known(
            kernel=_line(kernel), build=_line(facts.get("build")), config_sha256=_line(facts.get("config_sha256"))
        ),
    )
    key = facts.get("build")
    identity = ("build", str(key)) if key else ("build", run.id, run.started, kernel)
    return {"checkout_id": checkout, "id": _id(origin, *identity), "origin": origin, **found}


def _tests(run: Run, kernel: str, origin: str, build: str, room: list[int]) -> Iterator[dict[str, Any]]:
    """Yield the cases of a kernel; those of its build are no tests.  `room` is what is left for excerpts."""
    environment = _environment(run)
    of_run = _id("run", run.id, run.started, run.scenario.sha256, kernel)
    for boot in run.boots:
        if boot.kernel != kernel:
            continue
        job = next((job for job in run.jobs if job.kind is JobKind.BOOT and _is_of(job, kernel, boot.workload)), None)
        start = _start(run, job)
        for case in boot.cases:
            test = _test(case, room)
            own = {"build_id": build, "id": _id(origin, "test", of_run, case.id.name), "origin": origin}
            yield own | test | _known(start_time=start, environment=environment)


def _is_of(job: Job, kernel: str, workload: str) -> bool:
    return (job.kernel, job.workload) == (kernel, workload)


def _environment(run: Run) -> dict[str, Any]:
    tools = {_line(name): _line(value) for name, value in run.tools.items()}
    accelerator = run.accelerator.split(" ", 1)[0]
    comment = f"a virtual machine under QEMU, accelerator {accelerator}" if accelerator else "a virtual machine"
    return {"comment": _line(comment), "misc": tools}


def _test(case: Case, room: list[int]) -> dict[str, Any]:
    excerpt = _excerpt(case)
    excerpt = excerpt if len(excerpt) <= room[0] else ""
    room[0] -= len(excerpt)
    values = _known(
        status=str(case.status), expected=_line(case.expected), measured=_line(case.measured), name=_line(case.id.name)
    )
    found = _known(comment=_line(case.message), status=_STATUSES[case.status], log_excerpt=excerpt, misc=values)
    return {"path": test_path(case.id), **found}


def test_path(case: CaseId) -> str:
    """Return the place of a case in the tree of tests: orch, then the parts of its name, joined by dots.

    Other characters than letters, digits, `_` and `-` become `_`; a part that is cut gets a hash.
    """
    parts = [part for part in re.split(r"[./]", f"orch/{case.name}"[: 20 * LONGEST_TEXT]) if part]
    return ".".join(map(_part, parts[:20]))


def _part(text: str) -> str:
    safe = _NOT_IN_A_PATH.sub("_", text)
    if len(safe) <= _LONGEST_PART:
        return safe
    return f"{safe[:_LONGEST_PART]}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _excerpt(case: Case) -> str:
    return clean("\n".join(cut(line, LONGEST_LINE) for line in case.lines[:MOST_LINES]))[:LONGEST_EXCERPT]


def _line(value: object) -> str:
    return fit(one_line(str(value)), LONGEST_LINE) if value not in (None, "") else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _start(run: Run, job: Job | None) -> str | None:
    """Return when a job began, None if that is not known."""
    if job is None or job.began is None:
        return None
    try:
        return (datetime.fromisoformat(run.started) + timedelta(seconds=job.began)).isoformat()
    except (ValueError, OverflowError):
        return None

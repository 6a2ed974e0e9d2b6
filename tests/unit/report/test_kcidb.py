# SPDX-License-Identifier: GPL-2.0-only
"""A run as a report for KCIDB, held against the schema of kcidb-io."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError
from kcidb_io.schema import LATEST

from orchestrator.report import kcidb
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import Run, with_failed_build
from tests.unit.result.test_samples import broken_run, killed_run, pud_run


def valid(*runs: Run, origin: str = "orch") -> dict[str, Any]:
    """Return the report of some runs, which KCIDB accepts."""
    report: dict[str, Any] = json.loads(json.dumps(kcidb.to_kcidb(runs, origin)))
    LATEST.validate(report)
    return report


def stored(run: Run, directory: Path, kernel: str, provenance: object, *patches: bytes) -> Run:
    """Return `run` with what its directory keeps of a kernel."""
    place = directory / "kernels" / kernel
    (place / "patches").mkdir(parents=True)
    (place / "provenance.json").write_text(json.dumps(provenance))
    for at, (letter, patch) in enumerate(zip("ab", patches, strict=False), 1):
        (place / "patches" / f"{at:04}-{letter}.patch").write_bytes(patch)
    return replace(run, path=directory)


@pytest.mark.parametrize("run", [pud_run(), broken_run(), killed_run()], ids=["pud", "broken", "killed"])
def test_every_case_is_a_test_of_a_build_of_a_checkout(run: Run) -> None:
    report = valid(run)
    builds = {build["id"]: build for build in report["builds"]}
    checkouts = {checkout["id"] for checkout in report["checkouts"]}
    assert len(report["tests"]) == len({test["id"] for test in report["tests"]}) == len(run.cases)
    assert {test["build_id"] for test in report["tests"]} <= builds.keys()
    assert {build["checkout_id"] for build in builds.values()} <= checkouts
    assert [build["misc"]["kernel"] for build in builds.values()] == list(run.scenario.kernels)


def test_the_version_is_the_newest_of_kcidb_io() -> None:
    assert (kcidb.VERSION["major"], kcidb.VERSION["minor"]) == (LATEST.major, LATEST.minor)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.PASS, "PASS"),
        (Status.XPASS, "PASS"),
        (Status.FAIL, "FAIL"),
        (Status.XFAIL, "FAIL"),
        (Status.CRASH, "FAIL"),
        (Status.TIMEOUT, "FAIL"),
        (Status.ERROR, "MISS"),
        (Status.SKIP, "SKIP"),
    ],
)
def test_statuses(status: Status, expected: str) -> None:
    run = pud_run()
    case = Case(CaseId("base", "alignment", "testdev", 2, "kernel", "level"), status, message="why", lines=("a", "b\0"))
    run = replace(run, boots=(replace(run.boots[0], cases=(case,)),))
    (test,) = valid(run)["tests"]
    assert test["status"] == expected
    assert test["misc"]["status"] == status
    assert test["path"] == "orch.alignment.testdev.BAR2.kernel.level"
    assert (test["comment"], test["log_excerpt"]) == ("why", "a\nb\\x00")


def test_a_kernel_that_did_not_build_is_a_failed_build_without_tests() -> None:
    run = pud_run()
    run = replace(run, kernels={}, boots=())
    run = with_failed_build(
        run, Case(CaseId.of_build("vfio-thp"), Status.FAIL, message="mm/mmap.c:1: error", lines=("e",))
    )
    report = valid(run)
    build = next(build for build in report["builds"] if build["misc"]["kernel"] == "vfio-thp")
    assert (build["status"], build["comment"], build["log_excerpt"]) == ("FAIL", "mm/mmap.c:1: error", "e")
    assert report["tests"] == []
    assert not any("valid" in checkout or "patchset_hash" in checkout for checkout in report["checkouts"])


def test_the_hash_of_a_patchset_is_that_of_the_schema(tmp_path: Path) -> None:
    """sha256sum *.patch | cut -c-64 | sha256sum | cut -c-64."""
    patches = (b"one\n", b"two\n")
    run = replace(pud_run(), kernels={"base": {"source": "linux v7.3", "source_sha256": "1"}})
    commit = "0123456789abcdef0123456789abcdef01234567"
    source = {"kind": "git", "commit": commit, "repository": "https://git.example.org/linux.git"}
    provenance = {
        "source": source,
        "patches": [{"name": "a.patch"}, {"name": "b.patch"}],
        "toolchain": {"arch": "x86_64"},
    }
    report = valid(stored(run, tmp_path, "base", provenance, *patches))
    lines = "".join(hashlib.sha256(patch).hexdigest() + "\n" for patch in patches)
    checkout = report["checkouts"][0]
    assert checkout["patchset_hash"] == hashlib.sha256(lines.encode()).hexdigest()
    assert (checkout["git_commit_hash"], checkout["git_repository_url"]) == (commit, source["repository"])
    assert (checkout["comment"], checkout["valid"]) == ("linux v7.3", True)
    assert report["builds"][0]["architecture"] == "x86_64"


@pytest.mark.parametrize(
    "provenance",
    [
        {
            "source": {"commit": "v7.3", "repository": "git@example.org:x"},
            "patches": [{}],
            "toolchain": {"arch": "a b"},
        },
        {"source": [], "patches": 1, "toolchain": None},
        [],
        "x",
    ],
    ids=["other forms", "other types", "a list", "a text"],
)
def test_what_is_not_known_is_left_out(provenance: object, tmp_path: Path) -> None:
    run = replace(pud_run(), kernels={"base": {"source": "x"}})
    report = valid(stored(run, tmp_path, "base", provenance))
    assert set(report["checkouts"][0]) == {"id", "origin", "comment", "valid"}
    assert "architecture" not in report["builds"][0]


def test_a_build_from_the_cache_has_no_time() -> None:
    run = pud_run()
    jobs = tuple(replace(job, began=1.5) for job in run.jobs)
    times = {}
    for cached in (True, False):
        facts = {name: {"build": name, "cached": cached} for name in run.scenario.kernels}
        build = valid(replace(run, jobs=jobs, kernels=facts))["builds"][0]
        times[cached] = (build.get("start_time"), build.get("duration"))
    assert times == {True: (None, None), False: ("2026-06-17T19:34:07.500000+00:00", 12.0)}


def test_equal_builds_of_several_runs_are_one_and_tests_are_not() -> None:
    facts = {name: {"build": name, "source_sha256": "1"} for name in pud_run().scenario.kernels}
    first = replace(pud_run(), kernels=facts)
    second = replace(first, id="pud-20260618-193406", started="2026-06-18T19:34:06Z")
    report = valid(first, second)
    assert len(report["builds"]) == len(first.scenario.kernels)
    assert len(report["tests"]) == 2 * len(first.cases)


def test_the_origin_is_in_every_id() -> None:
    report = valid(pud_run(), origin="my_lab")
    objects = [*report["checkouts"], *report["builds"], *report["tests"]]
    assert {(one["id"].split(":")[0], one["origin"]) for one in objects} == {("my_lab", "my_lab")}


@pytest.mark.parametrize(
    ("test", "path"),
    [
        ("stage2.gpa-pmd", "orch.w.stage2.gpa-pmd.run"),
        ("vfio:a/b.c", "orch.w.vfio_a.b.c.run"),
        ("../..", "orch.w.run"),
        ("a b\x1b[31m", "orch.w.a_b_31m.run"),
        ("漢", "orch.w._.run"),
    ],
)
def test_a_path_has_only_what_the_schema_allows(test: str, path: str) -> None:
    assert kcidb.test_path(CaseId("k", "w", test=test, check="run")) == path


def test_long_names_keep_different_paths() -> None:
    paths = {kcidb.test_path(CaseId("k", "w", test="x" * 5000 + end, check="run")) for end in "ab"}
    assert len(paths) == 2
    assert max(map(len, paths)) < 200


def test_the_schema_sees_a_field_that_is_not_in_it() -> None:
    report = valid(pud_run())
    report["tests"][0]["verdict"] = "PASS"
    with pytest.raises(ValidationError):
        LATEST.validate(report)

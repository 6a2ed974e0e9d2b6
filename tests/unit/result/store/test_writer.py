# SPDX-License-Identifier: GPL-2.0-only
"""The result directory: written during the run, readable after any stop."""

from __future__ import annotations

import errno
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.report import junit
from orchestrator.result.model import Case, CaseId, Status, WorkloadOutput
from orchestrator.result.run import JobStatus, Run, RunStatus
from orchestrator.result.store.files import append_line, write_atomically
from orchestrator.result.store.writer import RunStore, find_run, load_run, read_events
from tests.unit.result.test_samples import (
    ALL_PTE,
    ALL_PUD,
    PANIC,
    PTE,
    PUD,
    booted,
    jobs,
    kernel,
    scenario_at,
    told,
)

NAMES = ("base", "vfio-thp", "mm-align")
BASE = booted(kernel("base", ALL_PTE, ALL_PUD), told("base", {"kernel": PTE, "qemu": PUD}))
CRASHED = booted(kernel("mm-align", ALL_PTE), WorkloadOutput(), PANIC)


def noon() -> datetime:
    return datetime(2026, 6, 17, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Return the store of a new run of three kernels."""
    return create(tmp_path)


def create(tmp_path: Path) -> RunStore:
    source = tmp_path / "pud.yaml"
    source.write_bytes(b"# verbatim \xc3\xa9\r\nname: pud\n")
    views = {"junit.xml": junit.render}
    return RunStore.create(tmp_path / "results", scenario_at(source), jobs(NAMES), views=views, now=noon)


def run_base(store: RunStore) -> None:
    store.start_job("build base")
    store.end_build("build base", {"version": "7.3.4", "patches": (Path("a.patch"),)}, seconds=60.0)
    store.start_job("boot base/alignment")
    store.end_boot("boot base/alignment", BASE, seconds=12.0)


def test_run_json_says_when_each_job_began_and_how_long_it_took(tmp_path: Path) -> None:
    (tmp_path / "pud.yaml").write_text("name: pud\n")
    clock = iter(noon() + timedelta(seconds=0.25 * tick) for tick in range(1000))
    store = RunStore.create(tmp_path, scenario_at(tmp_path / "pud.yaml"), jobs(NAMES), now=lambda: next(clock))
    run_base(store)
    build, boot = (store.run.job(name) for name in ("build base", "boot base/alignment"))
    assert build.began is not None
    assert boot.began is not None
    assert 0 < build.began < boot.began < 250
    times = {
        job["id"]: (job["began"], job["seconds"]) for job in json.loads((store.path / "run.json").read_text())["jobs"]
    }
    assert times["build base"] == (build.began, 60.0)
    assert times["boot mm-align/alignment"] == (None, None)
    assert load_run(store.path).job("build base").began == build.began


def test_a_new_run_is_complete_on_disk(store: RunStore, tmp_path: Path) -> None:
    assert store.path == tmp_path / "results" / "pud-20260617-120000"
    assert (store.path / "scenario.yaml").read_bytes() == b"# verbatim \xc3\xa9\r\nname: pud\n"
    assert sorted(path.name for path in store.path.iterdir()) == ["junit.xml", "run.json", "scenario.yaml"]
    data = json.loads((store.path / "run.json").read_text())
    assert (data["format"], data["status"], data["scenario"]["base"]) == (1, "running", "base")
    assert data["jobs"][3]["directory"] == "boots/base/alignment"


def test_what_was_written_is_what_is_read(store: RunStore) -> None:
    store.describe(host="local", accelerator="tcg", tools={"orch": "0.1.0"})
    run_base(store)
    store.start_job("boot mm-align/alignment")
    store.end_boot("boot mm-align/alignment", CRASHED, seconds=9.0)
    failure = Case(CaseId.of_build("vfio-thp"), Status.FAIL, message="error", evidence="build.log:1", lines=("a", "b"))
    store.end_build("build vfio-thp", {"source": "7.3"}, seconds=3.0, failure=failure)
    store.skip_job("boot vfio-thp/alignment", "vfio-thp did not build")
    store.end_build("build mm-align", {}, seconds=1.0)
    finished = store.finish(RunStatus.FINISHED, 1)
    assert load_run(store.path) == finished == store.run
    assert finished.counts == {Status.PASS: 13, Status.FAIL: 1, Status.CRASH: 1}
    assert finished.cases[0].id.kernel == "vfio-thp"
    assert not finished.ok
    assert finished.job("boot vfio-thp/alignment").note == "vfio-thp did not build"


def test_run_json_and_views_follow_every_job(store: RunStore) -> None:
    run_base(store)
    data = json.loads((store.path / "run.json").read_text())
    assert data["counts"] == {"PASS": 13}
    assert data["kernels"]["base"]["version"] == "7.3.4"
    assert (store.path / "junit.xml").read_text().count("<testcase") == 13


def test_boots_stand_in_the_order_of_the_plan(store: RunStore) -> None:
    store.end_boot("boot mm-align/alignment", CRASHED, seconds=9.0)
    store.end_boot("boot base/alignment", BASE, seconds=12.0)
    assert [boot.kernel for boot in store.run.boots] == ["base", "mm-align"]


def test_jobs_may_end_in_several_threads(tmp_path: Path) -> None:
    names = tuple(f"k{at}" for at in range(16))
    source = tmp_path / "s.yaml"
    source.write_text("")
    store = RunStore.create(tmp_path, scenario_at(source), jobs(names), now=noon)

    def work(name: str) -> None:
        store.start_job(f"boot {name}/alignment")
        store.event(job=name, phase="boot")
        store.end_boot(f"boot {name}/alignment", booted(kernel(name), told(name, {"kernel": PUD})), seconds=1.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, names))
    loaded = load_run(store.path)
    assert [boot.kernel for boot in loaded.boots] == list(names)
    assert len(read_events(store.path)) == len(names)


def test_a_killed_run_reads_as_interrupted_with_all_that_had_ended(store: RunStore) -> None:
    run_base(store)
    store.start_job("boot mm-align/alignment")
    loaded = load_run(store.path)
    assert loaded.status is RunStatus.INTERRUPTED
    assert loaded.job("boot mm-align/alignment").status is JobStatus.INTERRUPTED
    assert loaded.job("build vfio-thp").status is JobStatus.PENDING
    assert loaded.cases == BASE.cases
    assert len(loaded.unfinished) == 4


def test_a_result_that_run_json_does_not_know_of_yet_is_read(store: RunStore) -> None:
    """The run was killed after the job's result and before its entry in run.json."""
    run_base(store)
    before = store.path.parent / "before"
    store.start_job("boot mm-align/alignment")
    shutil.copy(store.path / "run.json", before)
    store.end_boot("boot mm-align/alignment", CRASHED, seconds=9.0)
    shutil.copy(before, store.path / "run.json")
    loaded = load_run(store.path)
    assert loaded.job("boot mm-align/alignment").status is JobStatus.FAILED
    assert loaded.boots[1] == CRASHED


def test_every_state_on_the_way_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the run after each single file that it writes."""
    store = create(tmp_path)
    states: list[Run] = []
    replace = Path.replace

    def and_read(self: Path, target: Path) -> Path:
        done = replace(self, target)
        states.append(load_run(store.path))
        return done

    monkeypatch.setattr(Path, "replace", and_read)
    run_base(store)
    store.finish(RunStatus.FINISHED, 0)
    assert len(states) > 8
    assert [len(state.cases) for state in states] == sorted(len(state.cases) for state in states)


def test_finish_closes_the_jobs_that_still_run(store: RunStore) -> None:
    store.start_job("build base")
    run = store.finish(RunStatus.INTERRUPTED, 130)
    assert run.job("build base").status is JobStatus.INTERRUPTED
    assert (run.exit_status, run.ended) == (130, "2026-06-17T12:00:00Z")


def test_run_ids_are_unique_and_latest_is_the_newest(tmp_path: Path) -> None:
    ids = [create(tmp_path).path.name for _ in range(3)]
    assert ids == ["pud-20260617-120000", "pud-20260617-120000-2", "pud-20260617-120000-3"]
    assert (tmp_path / "results" / "latest").readlink() == Path(ids[-1])
    assert find_run(tmp_path / "results", "latest").name == ids[-1]


def test_no_temporary_file_is_left(store: RunStore) -> None:
    run_base(store)
    assert not list(store.path.parent.rglob(".*"))


def test_a_torn_last_event_is_ignored_and_a_damaged_one_is_not(store: RunStore) -> None:
    store.event(job="base", phase="build")
    path = store.path / "events.jsonl"
    with path.open("a") as file:
        file.write('{"time": "2026-')
    assert read_events(store.path) == ({"time": "2026-06-17T12:00:00Z", "job": "base", "phase": "build"},)
    path.write_text('{"a": 1}\n{"b": \n{"c": 3}\n')
    with pytest.raises(UsageError, match=r"events\.jsonl:2: not a JSON object"):
        read_events(store.path)


def test_a_run_without_events_has_none(store: RunStore) -> None:
    assert read_events(store.path) == ()


def test_runs_are_found_by_id_and_path(store: RunStore) -> None:
    results = store.path.parent
    assert find_run(results, store.path.name) == store.path
    assert find_run(Path("/nonexistent"), str(store.path)) == store.path


def test_an_unknown_run_names_the_near_ones(store: RunStore) -> None:
    results = store.path.parent
    for name in ("pud-20260617-120001", "pdu", "latest-but-one", "nonsense"):
        with pytest.raises(UsageError, match=r"did you mean 'pud-20260617-120000'\?"):
            find_run(results, name)
    with pytest.raises(UsageError, match="`orch run SCENARIO` makes one"):
        find_run(results / "none", "latest")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "damaged"),
        ("[]", "format None"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1}', "damaged: id: Field required"),
    ],
)
def test_a_damaged_run_is_one_sentence(store: RunStore, text: str, what: str) -> None:
    (store.path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=what):
        load_run(store.path)


def test_a_directory_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        load_run(tmp_path)


def test_keys_that_a_newer_orch_added_are_ignored(store: RunStore) -> None:
    run_base(store)
    path = store.path / "boots/base/alignment/result.json"
    data = json.loads(path.read_text())
    data["new"] = data["boot"]["new"] = data["cases"][0]["new"] = data["measurements"][0]["new"] = 1
    path.write_text(json.dumps(data))
    assert load_run(store.path).boots == (BASE,)


@pytest.mark.parametrize(
    ("code", "fix"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "permission"), (errno.EROFS, "read-only")]
)
def test_a_disk_error_is_one_sentence_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fix: str
) -> None:
    path = tmp_path / "run.json"
    write_atomically(path, "old")

    def full(self: Path, data: bytes) -> int:
        raise OSError(code, "it failed")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InfrastructureError, match=rf"run\.json: cannot write: it failed; .*{fix}"):
        write_atomically(path, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["run.json"]
    assert path.read_text() == "old"


def test_a_results_directory_that_cannot_be(tmp_path: Path) -> None:
    source = tmp_path / "pud.yaml"
    source.write_text("")
    with pytest.raises(InfrastructureError, match="cannot write"):
        RunStore.create(source / "results", scenario_at(source), ())


def test_a_scenario_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.yaml: cannot read the scenario"):
        RunStore.create(tmp_path, scenario_at(tmp_path / "gone.yaml"), ())
    assert list(tmp_path.iterdir()) == []


def test_console_bytes_that_are_no_text_are_stored(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "bad \udcff byte")
    append_line(tmp_path / "b", {"line": "bad \udcff byte"})
    assert (tmp_path / "a").read_text() == "bad \\udcff byte"
    assert json.loads((tmp_path / "b").read_text()) == {"line": "bad \udcff byte"}

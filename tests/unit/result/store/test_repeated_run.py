# SPDX-License-Identifier: GPL-2.0-only
"""The directory of a run that boots each kernel several times, and what of it a run that boots once must not have."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.report import junit
from orchestrator.result.model import REPEATABLE
from orchestrator.result.run import BootResult, JobStatus, Run, RunStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.run.execute import exit_status
from orchestrator.run.plan import boot_id, jobs
from tests.unit.result.store.test_tampered import VALUES, changed, places, show
from tests.unit.result.test_samples import ALL_PTE, ALL_PUD, PTE, PUD, booted, kernel, scenario_at, told

BOOT = "boots/base/alignment/2/result.json"
ROUNDS = 3


def boot(name: str, number: int, faults: int = PTE["faults"]) -> BootResult:
    values = {"kernel": {**PTE, "faults": faults}, "qemu": PUD}
    return replace(booted(kernel(name, ALL_PTE, ALL_PUD), told(name, values)), round=number)


def started(place: Path, repeat: int) -> tuple[RunStore, tuple[str, ...]]:
    (place / "pud.yaml").write_text("name: pud\n")
    scenario = replace(scenario_at(place / "pud.yaml"), repeat=repeat)
    store = RunStore.create(place / "results", scenario, jobs(scenario), views={"junit.xml": junit.render})
    store.describe(host="local", accelerator="tcg (set)", tools={"orch": "0.1.0"})
    return store, tuple(kernel.name for kernel in scenario.kernels)


def in_turn(store: RunStore, names: tuple[str, ...], last: int = ROUNDS, unequal: tuple[int, ...] = ()) -> None:
    """Do the jobs of the run: builds, then boots in rounds; those of `unequal` have other faults."""
    for name in names:
        store.end_build(f"build/{name}", {"version": "7.3.4"}, seconds=60.0)
    for number in range(1, last + 1):
        for name in names:
            job = boot_id(name, "alignment", number)
            store.start_job(job)
            faults = PTE["faults"] + 1 if number in unequal and name == names[-1] else PTE["faults"]
            store.end_boot(job, boot(name, number, faults), seconds=4.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store, names = started(tmp_path_factory.mktemp("repeated"), ROUNDS)
    in_turn(store, names)
    store.finish(RunStatus.FINISHED, exit_status(store.run))
    return store.path


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    store, names = started(tmp_path, ROUNDS)
    in_turn(store, names)
    finished = store.finish(RunStatus.FINISHED, 0)
    assert load_run(store.path) == finished == store.run
    assert (finished.repeat, len(finished.samples), len(finished.boots)) == (3, 3 * len(names), len(names))
    assert finished.ok
    assert exit_status(finished) == 0
    for name in names:
        directory = store.path / "boots" / name / "alignment"
        assert sorted(path.name for path in directory.iterdir()) == ["1", "2", "3"]


def test_an_older_orch_refuses_it_instead_of_misreading_it(whole: Path) -> None:
    record = json.loads((whole / "run.json").read_text())
    assert record["format"] == 2
    assert [job["round"] for job in record["jobs"] if job["kind"] == "boot"][-1] == ROUNDS
    assert json.loads((whole / BOOT).read_text())["round"] == 2


def test_a_run_that_boots_once_is_written_as_ever(tmp_path: Path) -> None:
    store, names = started(tmp_path, 1)
    for name in names:
        store.end_build(f"build/{name}", {}, seconds=60.0)
        store.end_boot(f"boot/{name}/alignment", boot(name, 0), seconds=4.0)
    record = json.loads((store.path / "run.json").read_text())
    assert record["format"] == 1
    keys = {"id", "kind", "kernel", "workload", "status", "seconds", "note", "began", "directory"}
    assert {frozenset(job) for job in record["jobs"]} == {frozenset(keys)}
    result = json.loads((store.path / "boots/base/alignment/result.json").read_text())
    assert result.keys() == {"format", "kernel", "workload", "device", "boot", "cases", "measurements"}


@pytest.mark.parametrize(("ended", "status"), [(1, 130), (2, 130)])
def test_a_run_that_was_killed_between_rounds_has_what_had_ended(tmp_path: Path, ended: int, status: int) -> None:
    store, names = started(tmp_path, ROUNDS)
    in_turn(store, names, last=ended)
    store.start_job(boot_id(names[0], "alignment", ended + 1))
    run = load_run(store.path)
    assert run.status is RunStatus.INTERRUPTED
    assert [sample.round for sample in run.samples_of(names[0], "alignment")] == list(range(1, ended + 1))
    assert run.job(boot_id(names[0], "alignment", ended + 1)).status is JobStatus.INTERRUPTED
    assert run.job(boot_id(names[1], "alignment", ROUNDS)).status is JobStatus.PENDING
    assert exit_status(run) == status
    assert not run.ok
    show(run)


def test_every_state_on_the_way_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the run after each single file that it writes."""
    store, names = started(tmp_path, ROUNDS)
    states: list[Run] = []
    original = Path.replace

    def and_read(self: Path, target: Path) -> Path:
        done = original(self, target)
        states.append(load_run(store.path))
        return done

    monkeypatch.setattr(Path, "replace", and_read)
    in_turn(store, names[:2])
    assert [len(state.samples) for state in states] == sorted(len(state.samples) for state in states)
    assert states[-1].samples[-1].round == ROUNDS


def test_a_number_that_differs_in_one_boot_fails_the_run(tmp_path: Path) -> None:
    store, names = started(tmp_path, ROUNDS)
    in_turn(store, names, unequal=(3,))
    store.finish(RunStatus.FINISHED, exit_status(store.run))
    run = load_run(store.path)
    (case,) = [case for case in run.cases if case.id.check == REPEATABLE]
    assert case.id.kernel == names[-1]
    assert case.message == "faults must be equal in every boot, but is 524288 (boots 1, 2), 524289 (boot 3)"
    assert (exit_status(run), run.exit_status) == (1, 1)
    assert 'name="alignment/testdev/BAR2/kernel/repeatable"' in (store.path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [
        ("run.json", ("jobs", -1, "round"), -1, "has the round -1"),
        ("run.json", ("jobs", -1, "round"), 101, "has the round 101"),
        ("run.json", ("jobs", -1, "round"), 10**400, "damaged: "),
        ("run.json", ("jobs", -1, "round"), "../..", "damaged: "),
        ("run.json", ("jobs", 0, "round"), 1, "has the round 1"),
        ("run.json", ("format",), 3, "format 3, but this orch reads format 2 and older"),
        (BOOT, ("round",), 3, "the result of base/alignment in boot 3"),
        (BOOT, ("round",), 0, "the result of base/alignment"),
    ],
)
def test_a_wrong_round_is_refused_in_a_sentence(
    whole: Path, tmp_path: Path, name: str, path: tuple[Any, ...], value: object, message: str
) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(whole, place)
    (place / name).write_text(json.dumps(changed(json.loads((place / name).read_text()), path, value)))
    with pytest.raises(UsageError) as caught:
        load_run(place)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def tampered(whole: Path) -> Path:
    place = whole.parents[1] / "tampered"
    shutil.copytree(whole, place)
    return place


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_repeated_run_with_anything_changed_is_refused_in_a_sentence_or_shown(
    whole: Path, tampered: Path, data: st.DataObject
) -> None:
    texts = {name: (whole / name).read_text() for name in ("run.json", BOOT)}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(["run.json", BOOT, BOOT]))
        content = json.loads(texts[name])
        found = list(places(content))
        if found:
            texts[name] = json.dumps(changed(content, data.draw(st.sampled_from(found)), data.draw(VALUES)))
    for name, text in texts.items():
        (tampered / name).write_text(text)
    try:
        run = load_run(tampered)
    except UsageError as error:
        assert len(str(error)) < 2000
        assert "\n" not in str(error)
        return
    show(run)
    assert exit_status(run) in (0, 1, 2, 3, 130)

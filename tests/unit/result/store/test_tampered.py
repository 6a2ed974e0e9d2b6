# SPDX-License-Identifier: GPL-2.0-only
"""A stored run that was changed: one sentence, or a report.

There is never a traceback, and never status 0 for a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli.main import main
from orchestrator.errors import UsageError
from orchestrator.machine.model import BootEnd
from orchestrator.report import as_json, junit, terminal
from orchestrator.result.compare.alignment import compare
from orchestrator.result.model import Case, CaseId, Status, WorkloadOutput
from orchestrator.result.run import JobStatus, Run, RunStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.run.execute import exit_status
from tests.unit.host.test_untrusted import make_sparse
from tests.unit.result.test_samples import (
    ALL_PTE,
    ALL_PUD,
    PANIC,
    PTE,
    PUD,
    booted,
    broken_run,
    jobs,
    kernel,
    killed_run,
    pud_run,
    run_of,
    scenario_at,
    told,
)

BOOT = "boots/base/alignment/result.json"
BUILD = "kernels/mm-align/result.json"


def make_run(place: Path, *, good: bool = False) -> Path:
    """Make a finished run: all is well, or there are failures.

    The failures are a kernel that panicked and one that did not build.
    """
    (place / "pud.yaml").write_text("name: pud\n")
    names = ("base", "vfio-thp", "mm-align")
    store = RunStore.create(place / "results", scenario_at(place / "pud.yaml"), jobs(names))
    store.describe(host="local", accelerator="tcg", tools={"orch": "0.1.0"})
    for name in names:
        if name == "mm-align" and not good:
            failure = Case(CaseId.of_build(name), Status.FAIL, message="error: no", lines=("a", "b"))
            store.end_build(f"build {name}", {}, seconds=1.0, failure=failure)
            store.skip_job(f"boot {name}/alignment", "it did not build")
            continue
        store.end_build(f"build {name}", {"version": "7.3.4", "patches": ["a.patch"], "cached": True}, seconds=60.0)
        boot = booted(kernel(name, ALL_PTE, ALL_PUD), told(name, {"kernel": PTE, "qemu": PUD}))
        if name == "vfio-thp" and not good:
            boot = booted(kernel(name, ALL_PTE), WorkloadOutput(), PANIC)
        store.end_boot(f"boot {name}/alignment", boot, seconds=12.0)
    store.finish(RunStatus.FINISHED, exit_status(store.run))
    return store.path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("well"), good=True)


def show(run: Run) -> None:
    """Render all that can be rendered."""
    comparison = compare(run)
    for color in (False, True):
        terminal.render(comparison, 80, color)
    junit.render(run)
    json.dumps(as_json.to_json(comparison))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a JSON value."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


ABSENT = object()


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return `data` with another value, or none, at `path`; `data` is changed."""
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    if value is ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return data


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 256, 1 << 63, -(1 << 64), 10**400, 10**4000]),
    st.floats(),
    st.text(),
    st.sampled_from(["../../etc", "/etc", "", ".", "\0", "\x1b[2J", "[/dev/vfio/1]", "\ud800", "x" * 5000, "PASS"]),
    st.sampled_from([[], {}, [[]], {"a": {"b": []}}, [1, "a", None]]),
    st.recursive(st.none(), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)),
    st.just(ABSENT),
)


@pytest.fixture(scope="module")
def tampered(whole: Path) -> Path:
    """A copy of the run, of which only these files are changed: run.json, BOOT, BUILD."""
    place = whole.parents[1] / "tampered"
    shutil.copytree(whole, place)
    return place


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_run_with_anything_changed_is_refused_in_a_sentence_or_shown(
    whole: Path, tampered: Path, data: st.DataObject
) -> None:
    texts = {name: (whole / name).read_text() for name in ("run.json", BOOT, BUILD)}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(["run.json", "run.json", BOOT, BUILD]))
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


@pytest.mark.parametrize("name", ["run.json", BOOT, BUILD])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": 1, "a": ' + "[" * 100_000,
        '{"format": 1, "a": ' + '{"a":' * 990 + "1" + "}" * 991,
        '{"format": ' + "9" * 5000 + "}",
        '{"format": ' + "9" * 4000 + "}",
        '{"format": 1e400}',
        '{"format": NaN}',
        '{"format": true}',
        '{"format": "1"}',
        '{"format": 1}',
        "null",
        "1",
        '""',
        "",
        "\0",
        "\ufeff{}",
        '{"format": 1, "format": 2}',
    ],
    ids=range(17),
)
def test_what_is_no_result_is_one_sentence(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(whole, place)
    (place / name).write_text(text)
    started = time.monotonic()
    assert main(["compare", str(place)]) == 2
    assert time.monotonic() - started < 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("orch: ")
    assert err.count("\n") == 1
    assert len(err) < 1000


@pytest.mark.parametrize("name", ["run.json", BOOT, BUILD])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/etc/passwd"),
        os.mkfifo,
        Path.mkdir,
        make_sparse,
    ],
    ids=["zero", "link", "fifo", "directory", "sparse"],
)
def test_what_is_no_file_is_not_read(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, make: Callable[[Path], object]
) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(whole, place)
    (place / name).unlink()
    make(place / name)
    assert main(["compare", "--results", str(tmp_path), str(place)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bytes_of_a_path_that_are_no_text_do_no_harm(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(whole, place)
    data = json.loads((place / "run.json").read_text())
    data["scenario"]["path"] = "bad-\udcff-\U0001f600.yaml"
    (place / "run.json").write_text(json.dumps(data))
    run = load_run(place)
    assert run.scenario.path == "bad-?-\U0001f600.yaml"
    show(run)


def test_a_name_that_leads_out_of_the_run_is_refused(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "tampered"
    for at, name in ((0, ".."), (0, "a/b"), (3, "../../other"), (3, ""), (3, "a\0b")):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        data = json.loads((place / "run.json").read_text())
        data["jobs"][at]["kernel"] = name
        (place / "run.json").write_text(json.dumps(data))
        with pytest.raises(UsageError, match="is not the name of a kernel or workload"):
            load_run(place)


def test_a_result_of_another_boot_is_refused(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(whole, place)
    shutil.copyfile(place / BOOT, place / "boots/vfio-thp/alignment/result.json")
    with pytest.raises(UsageError, match="the result of base/alignment"):
        load_run(place)


def status_of(whole: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], object], name: str = "run.json") -> int:
    place = tmp_path / "tampered"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    data = json.loads((place / name).read_text())
    edit(data)
    (place / name).write_text(json.dumps(data))
    return main(["compare", str(place)])


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        (dict, 1),
        (lambda data: data.update(exit_status=0), 1),
        (lambda data: data.update(exit_status=256), 1),
        (lambda data: data.update(exit_status=-1), 1),
        (lambda data: data.update(exit_status=None), 1),
        (lambda data: data.update(counts={"PASS": 100}), 1),
        (lambda data: [job.update(status="done") for job in data["jobs"]], 1),
        (lambda data: data.update(jobs=[]), 3),
        (lambda data: data.update(jobs=data["jobs"][3:4]), 3),
        (lambda data: data.update(status="interrupted"), 1),
        (lambda data: data.update(status="running"), 1),
    ],
)
def test_the_exit_status_follows_from_the_cases(
    whole: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], object], status: int
) -> None:
    assert status_of(whole, tmp_path, edit) == status


@pytest.mark.parametrize(
    ("name", "edit", "status"),
    [
        ("run.json", dict, 0),
        ("run.json", lambda data: data.update(exit_status=1), 0),
        ("run.json", lambda data: data.update(jobs=[]), 3),
        ("run.json", lambda data: data.update(status="failed"), 3),
        (BOOT, lambda data: data.update(cases=[]), 3),
        (BOOT, lambda data: data["cases"][0].update(status="ERROR"), 3),
        (BOOT, lambda data: data["cases"][0].update(status="CRASH"), 1),
        (BOOT, lambda data: data["boot"].update(end="panic"), 3),
    ],
)
def test_the_exit_status_of_a_run_where_all_was_well(
    well: Path, tmp_path: Path, name: str, edit: Callable[[dict[str, Any]], object], status: int
) -> None:
    assert status_of(well, tmp_path, edit, name) == status


def test_a_result_that_is_missing_is_no_success(well: Path, tmp_path: Path) -> None:
    place = tmp_path / "tampered"
    shutil.copytree(well, place)
    (place / BOOT).unlink()
    assert main(["compare", str(place)]) == 3


def test_the_exit_status_of_sample_runs() -> None:
    whole = pud_run()
    ended = replace(whole, jobs=tuple(replace(job, status=JobStatus.DONE) for job in whole.jobs))
    assert exit_status(ended) == 0
    assert exit_status(broken_run()) == 1
    assert exit_status(killed_run()) == 130
    bad = Case(CaseId.of_build("base"), Status.ERROR, message="a.patch does not apply", bad_input=True)
    assert exit_status(replace(ended, builds=(bad,))) == 2
    assert exit_status(replace(ended, builds=(replace(bad, bad_input=False),))) == 3
    assert exit_status(replace(ended, builds=(replace(bad, status=Status.FAIL, bad_input=False),))) == 1


def test_an_end_that_went_well_is_needed_for_success() -> None:
    boots = tuple(replace(boot, boot=replace(boot.boot, end=BootEnd.OK), cases=()) for boot in pud_run().boots)
    assert exit_status(replace(pud_run(), boots=boots)) == 3


NAMES = (*PTE, "own_faults", "entries_contiguous", "mmaps", "long_pmd", "long_pud", "congruent_pmd", "congruent_pud")
NUMBERS = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.integers(-5, 5),
    st.sampled_from([1 << 30, 1 << 63, 10**400, -(10**400)]),
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from((*NAMES, "entries_deduced")), NUMBERS),
    st.sampled_from(["kernel", "qemu", "random", "repeat.kernel"]),
)
def test_numbers_of_any_size_are_judged_compared_and_shown(numbers: dict[str, int], test: str) -> None:
    base = booted(kernel("base", ALL_PTE), told("base", {"kernel": PTE}))
    variant = booted(kernel("v", ALL_PUD, ALL_PUD), told("v", {test: {**PTE, **numbers}}))
    show(run_of(base, variant))
    show(run_of(variant, base))

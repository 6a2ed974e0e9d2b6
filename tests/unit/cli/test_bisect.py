# SPDX-License-Identifier: GPL-2.0-only
"""``orch bisect`` on the command line: what it refuses without a build, and its output."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest

from orchestrator.bisect import report as render
from orchestrator.bisect import state as kept
from orchestrator.bisect.history import History, open_history
from orchestrator.bisect.measure import digest_of, repository_of, scenario_at, trial_of
from orchestrator.bisect.model import CaseResult, State
from orchestrator.cli.main import main
from orchestrator.errors import UsageError
from orchestrator.host.local import LocalHost
from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import BootResult, Job, JobKind, Run, RunStatus, ScenarioRecord
from orchestrator.scenario.load import load
from orchestrator.scenario.model import AlignmentWorkload
from orchestrator.scenario.sources import GitSource
from tests.unit.bisect.toy_history import Toy, crashed, git, good, make_history, refused, toy, unbuilt

SCENARIO = """\
name: levels
description: With which level is a BAR mapped?
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  alignment: {run: alignment, device: testdev, bars: 2, length: 2G, placements: qemu, tests: [map, random]}
  more: {run: alignment, device: testdev, bars: 2, length: 64M}
kernels:
  base:
    source: SOURCE
    config: [guest, vfio]
    expect: {qemu: {level: PUD}}
  other:
    extends: base
    patches: no-huge
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A scenario whose base is in a git repository of eight commits."""
    ids = make_history(tmp_path / "user", 7)
    git(tmp_path / "user", "tag", "v1", ids[0])
    git(tmp_path / "user", "branch", "side", ids[3])
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("SOURCE", "{git: ./user, ref: master}"))
    return tmp_path


def refusal(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that orch prints before it exits with status 2, without a run."""
    directories = ["--cache", str(place / "cache"), "--results", str(place / "results")]
    assert main(["bisect", *arguments, *directories]) == 2
    message = capsys.readouterr()
    assert message.out == ""
    assert len(message.err.splitlines()) == 1
    assert not (place / "results").exists()
    return message.err.strip()


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("v2", "master"), "--good: no commit 'v2' in the git repository"),
        (("v1", "mastre"), "did you mean 'master'?"),
        (("master", "v1"), "--good master comes after --bad v1 in"),
        (("v1", "v1"), "--good v1 and --bad v1 are one commit; there is nothing between them"),
        (("side", "master~3"), ""),
    ],
)
def test_refs_that_make_no_sense_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str], ends: tuple[str, str], message: str
) -> None:
    if not message:
        git(place / "user", "checkout", "-q", "side")
        git(place / "user", "commit", "-q", "--allow-empty", "-m", "another way")
        message = "--good side is no ancestor of --bad master~3 in"
    assert message in refusal(place, capsys, str(place / "s.yaml"), "--good", ends[0], "--bad", ends[1])


def test_what_is_missing_on_the_command_line_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(place, capsys, str(place / "s.yaml"), "--good", "v1")
    assert message == "orch: --bad REF must be given, unless --resume continues an earlier one"
    assert refusal(place, capsys).startswith("orch: FILE, --good REF and --bad REF must be given, unless")


def test_a_source_without_a_history_needs_a_repository(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "debian.yaml"
    file.write_text(SCENARIO.replace("SOURCE", "{debian: linux-source-7.3, suite: trixie-backports}"))
    message = refusal(place, capsys, str(file), "--good", "v1", "--bad", "master")
    assert "debian.yaml:9: the source of kernel 'base' has no history to bisect; give a repository with" in message
    message = refusal(place, capsys, str(file), "--good", "v1", "--bad", "nowhere", "--git", str(place / "user"))
    assert "--bad: no commit 'nowhere' in the git repository" in message


def test_a_base_that_is_booted_as_it_is_cannot_be_bisected(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "stock.yaml"
    stock = "  base:\n    source: {debian-image: linux-image-amd64, suite: trixie-backports}\n"
    file.write_text(SCENARIO.partition("  base:")[0] + stock)
    message = refusal(place, capsys, str(file), "--good", "v1", "--bad", "master", "--git", str(place / "user"))
    assert "stock.yaml:9: kernel 'base', the base, is booted as it is, so that no commit can be built" in message


def test_a_bisection_can_be_resumed_from_its_first_moment(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Never:
        raise KeyboardInterrupt

    monkeypatch.setattr(History, "count", stop)
    directories = ["--cache", str(place / "cache"), "--results", str(place / "results")]
    assert main(["bisect", str(place / "s.yaml"), "--good", "v1", "--bad", "master", *directories]) == 130
    (kept_in,) = (place / "results").glob("bisect-*")
    assert kept.find_unfinished(place / "results", {"good_ref": "v1"}) == kept_in
    resume = f"'orch bisect --resume {kept_in}' continues it"
    assert capsys.readouterr().err == f"orch: interrupted; all it started is stopped; {resume}\n"


def test_a_directory_that_is_no_repository_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "empty").mkdir()
    file = str(place / "s.yaml")
    message = refusal(place, capsys, file, "--good", "v1", "--bad", "master", "--git", str(place / "empty"))
    assert "--git: " in message
    assert "is no git repository" in message


def test_nothing_to_resume_is_reported(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no bisection is unfinished here" in refusal(place, capsys, "--resume")
    assert "no bisection is kept here" in refusal(place, capsys, "--resume", str(place))


def test_what_is_resumed_must_ask_the_same(
    place: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made = toy(tmp_path_factory.mktemp("toy"), 3, count=7)
    made.directory.mkdir(parents=True)
    kept.save(made.directory, State(made.question()))
    message = refusal(place, capsys, "--resume", str(made.directory), "--good", "v3")
    assert "this bisection asks something else (good)" in message


def test_a_scenario_that_has_changed_since_is_not_resumed(
    place: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made = toy(tmp_path_factory.mktemp("toy"), 3, count=7)
    made.directory.mkdir(parents=True)
    kept.save(made.directory, State(replace(made.question(), scenario=str(place / "s.yaml"), digest="of another")))
    message = refusal(place, capsys, "--resume", str(made.directory))
    assert "the scenario, or a file of its kernel, has changed since the bisection began" in message


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.update(trials=5),
        lambda data: data.update(question=None),
        lambda data: data["question"].update(repeat="x"),
        lambda data: data["question"].update(forced=[[1]]),
        lambda data: data.update(outcome={"first_bad": 5}),
        lambda data: data.update(
            trials=[{"commit": "a", "run": "b", "seconds": 1, "cases": [{"name": "a", "status": 1}]}]
        ),
        lambda data: data.pop("question"),
        lambda data: data.update(format=2),
        lambda data: data.clear(),
    ],
)
def test_a_state_that_was_changed_is_one_sentence(tmp_path: Path, edit: Callable[[dict[str, object]], object]) -> None:
    kept.save(tmp_path, State(toy(tmp_path / "toy", 3, count=7).question()))
    assert kept.load(tmp_path).trials == ()
    data = json.loads((tmp_path / "state.json").read_text())
    edit(data)
    (tmp_path / "state.json").write_text(json.dumps(data))
    with pytest.raises(UsageError) as refused:
        kept.load(tmp_path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("text", ["[" * 100_000, "", "null", "5", '{"format": ' + "9" * 5000 + "}"], ids=range(5))
def test_a_state_that_is_no_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(UsageError, match="damaged"):
        kept.load(tmp_path)
    (tmp_path / "state.json").unlink()
    (tmp_path / "state.json").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="no bisection is kept here"):
        kept.load(tmp_path)


def test_two_at_once_do_not_work_on_the_same(tmp_path: Path) -> None:
    with (
        kept.kept_alone(LocalHost(), tmp_path),
        pytest.raises(UsageError, match="another orch works on this bisection"),
        kept.kept_alone(LocalHost(), tmp_path),
    ):
        pass


def test_the_newest_that_asks_the_same_is_found(tmp_path: Path) -> None:
    made = toy(tmp_path, 3, count=7)
    for name, repeat in (("one", 2), ("two", 3)):
        (tmp_path / f"bisect-{name}").mkdir()
        kept.save(tmp_path / f"bisect-{name}", State(replace(made.question(), repeat=repeat)))
    assert kept.find_unfinished(tmp_path, {"repeat": 2}).name == "bisect-one"
    assert kept.find_unfinished(tmp_path, {}).name == "bisect-two"
    with pytest.raises(UsageError, match="with the same question"):
        kept.find_unfinished(tmp_path, {"case": "x"})


def test_one_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    made = toy(tmp_path, 3, count=7)
    (tmp_path / "bisect-one").mkdir()
    kept.save(tmp_path / "bisect-one", State(made.question()))
    (tmp_path / "bisect-torn").mkdir()
    torn = tmp_path / "bisect-torn" / kept.STATE_FILE
    torn.write_text((tmp_path / "bisect-one" / kept.STATE_FILE).read_text()[:200])
    assert kept.find_unfinished(tmp_path, {}).name == "bisect-one"
    with pytest.raises(UsageError, match=r"bisect-torn/state\.json: damaged, .*; start a new bisection without"):
        kept.find_unfinished(tmp_path, {"case": "x"})


def test_a_boot_that_ended_well_is_a_case_that_passes(place: Path) -> None:
    run = replace(_run(place), boots=(_boot(BootEnd.OK), _boot(BootEnd.OOPS, "more")))
    trial = trial_of(run, "abc", 1.0)
    assert trial.case("alignment/testdev/boot") == CaseResult("alignment/testdev/boot", Status.PASS)
    message = "the guest kernel oopsed: BUG: address"
    crash = CaseResult("more/testdev/boot", Status.CRASH, message=message, function="vfio_pci_late")
    assert trial.case("more/testdev/boot") == crash
    assert [case.name for case in trial.cases].count("more/testdev/boot") == 1


def _run(place: Path) -> Run:
    """A run of the base alone, with its build done."""
    scenario = ScenarioRecord("levels", "s.yaml", "", "", "base", ("base",))
    path = place / "steps/00-abc/levels-1"
    return Run("levels-1", path, RunStatus.FINISHED, scenario, "", jobs=(Job("b", JobKind.BUILD, "base"),))


def _boot(end: BootEnd, workload: str = "alignment") -> BootResult:
    """A boot that ended so before anything was measured.

    It has a case only if it should not have ended so.
    """
    lines = ("[ 2.1] BUG: address", "[ 2.2] RIP: 0010:vfio_pci_late.cold+0x1/0x2")
    report = BootReport(end, 1.0, lines if end is BootEnd.OOPS else ())
    case = Case(
        CaseId.of_boot("base", workload, "testdev"),
        Status.CRASH,
        message="the guest kernel oopsed: BUG: address",
        lines=lines,
    )
    return BootResult("base", workload, "testdev", report, () if end is BootEnd.OK else (case,))


def test_a_step_is_the_scenario_with_one_kernel_and_the_workloads_that_judge(place: Path) -> None:
    made = toy(place / "toy", 3, count=7)
    scenario = load(place / "s.yaml")
    whole = scenario_at(scenario, made.question(), "abc", ())
    assert [kernel.name for kernel in whole.kernels] == ["base"]
    assert whole.kernels[0].source == GitSource(made.question().repository, "abc")
    assert [workload.name for workload in whole.workloads] == ["alignment", "more"]
    some = scenario_at(scenario, made.question(), "abc", ("more/testdev/BAR2/qemu/level",))
    assert [workload.name for workload in some.workloads] == ["more"]


def test_every_step_has_the_same_luck(place: Path) -> None:
    question = toy(place / "toy", 3, count=7).question()
    made = [scenario_at(load(place / "s.yaml"), question, commit, ()) for commit in ("a", "b")]
    seeds = {one.seed for step in made for one in step.workloads if isinstance(one, AlignmentWorkload)}
    assert seeds == {question.seed}


def test_the_digest_is_of_all_that_decides(place: Path) -> None:
    (place / "own.config").write_text("CONFIG_X=y\n")
    (place / "s.yaml").write_text(
        (place / "s.yaml").read_text().replace("[guest, vfio]", "[guest, vfio, ./own.config]")
    )
    scenario = load(place / "s.yaml")
    before = digest_of(scenario, scenario.kernel("other"))
    assert digest_of(scenario, scenario.kernel("other")) == before
    (place / "own.config").write_text("CONFIG_X=n\n")
    assert digest_of(scenario, scenario.kernel("other")) != before


def test_a_repository_on_the_command_line_comes_before_that_of_the_source(place: Path) -> None:
    kernel = load(place / "s.yaml").kernel("base")
    assert repository_of(kernel, "") == str(place / "user")
    assert repository_of(kernel, "https://example.org/linux.git") == "https://example.org/linux.git"
    assert repository_of(kernel, str(place / "x")) == str(place / "x")


@pytest.fixture
def ended(tmp_path: Path) -> tuple[Toy, State]:
    made = toy(tmp_path, 10, {13: unbuilt, 14: lambda commit: crashed(commit, "a reason of many words " * 20)})
    return made, made.run()


def test_the_table_of_steps_fits_a_terminal(ended: tuple[Toy, State]) -> None:
    made, state = ended
    lines = [render.header(80), *render.title(state, 18, 80), *render.judging(state, 80), *render.ends(state, 80)]
    lines += [line for step in made.steps for line in render.row(step, 80, color=False)]
    assert max(map(len, lines)) <= 80
    rows = ["\n".join(render.row(step, 80, color=False)) for step in made.steps]
    assert rows[0].startswith(f"{made.ids[0][:12]} good    change 0")
    assert any(f"{made.ids[13][:12]} skip    change 13" in one and "does not build" in one for one in rows)
    assert all(one.splitlines()[0].endswith("     1.0       3") for one in rows if " skip " not in one)


def test_the_report_has_the_commit_both_measurements_and_the_log(ended: tuple[Toy, State]) -> None:
    made, state = ended
    message = render.report(state, made.directory)
    assert message.startswith(f"{made.ids[10]} is the first bad commit\nAuthor: toy@example.org <toy@example.org>\n")
    assert "\n    change 10\n\n    The body of change 10.\n" in message
    assert f"  good {made.ids[9][:12]}  PASS measured PUD, expected PUD" in message
    assert f"  bad  {made.ids[10][:12]}  FAIL measured PTE, expected PUD" in message
    assert f"git bisect replay {made.directory}/bisect.log" in message


def test_the_report_of_candidates_says_why_each_was_skipped(tmp_path: Path) -> None:
    made = toy(tmp_path, 4, {3: unbuilt, 4: refused}, count=7)
    message = render.report(made.run(), made.directory)
    assert message.startswith("only skipped commits are left")
    assert f"{made.ids[3][:12]} change 3\n             skip: FAIL kernel 'base' does not build" in message
    assert f"{made.ids[4][:12]} change 4\n             skip: kernel 'base': patch a.patch does not apply" in message


def test_the_json_has_it_all(ended: tuple[Toy, State]) -> None:
    made, state = ended
    data = json.loads(json.dumps(render.to_json(state, made.directory)))
    assert data["first_bad"]["id"] == made.ids[10]
    assert data["first_bad"]["cases"][0]["measured"] == "PTE"
    assert data["before"]["cases"][0]["measured"] == "PUD"
    assert len(data["steps"]) == len(made.measured)


def test_ends_that_are_alike_are_shown_side_by_side(tmp_path: Path) -> None:
    made = toy(tmp_path, 19)
    with pytest.raises(UsageError):
        made.run()
    shown = "\n".join(render.ends(kept.load(made.directory), 80))
    assert "alignment/testdev/BAR2/qemu/level" in shown
    assert "PASS PUD" in shown


def test_histories_that_nothing_joins_are_reported(tmp_path: Path) -> None:
    ids = make_history(tmp_path / "user", 1)
    user = tmp_path / "user"
    alone = git(user, "commit-tree", git(user, "rev-parse", "HEAD^{tree}"), "-m", "alone")
    history = open_history(LocalHost(), tmp_path / "cache", str(user), where="x")
    with pytest.raises(UsageError, match="they have no common ancestor"):
        history.require_order(alone, ids[1], "alone", "master")
    assert good(ids[0]).commit == history.commit(ids[0]).id

# SPDX-License-Identifier: GPL-2.0-only
"""Bisections with real git on small histories.

Tested are the results, the repeated measurements, and the cost of a stop.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.bisect import state as kept
from orchestrator.bisect.judge import verdict_of
from orchestrator.bisect.model import Answer, State
from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Command, Completed
from orchestrator.host.local import LocalHost
from tests.unit.bisect.toy_history import (
    LEVEL,
    Toy,
    bad,
    crashed,
    failed,
    git,
    good,
    make_history,
    refused,
    toy,
    unbuilt,
)


def test_the_culprit_is_found_past_commits_that_do_not_build_or_boot(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {13: unbuilt, 14: crashed})
    state = made.run()
    assert made.found(state) == 10
    assert state.outcome
    assert state.outcome.before
    assert state.outcome.before.id == made.ids[9]
    assert {13, 14} <= set(made.measured)
    skipped = {number: verdict_of(state, made.ids[number]) for number in (13, 14)}
    assert all(verdict and verdict.answer is Answer.SKIP for verdict in skipped.values())


@pytest.mark.parametrize("culprit", range(1, 8))
def test_wherever_the_culprit_is(tmp_path: Path, culprit: int) -> None:
    made = toy(tmp_path, culprit, count=7)
    assert made.found(made.run()) == culprit


def test_the_outcome_has_the_whole_commit(tmp_path: Path) -> None:
    outcome = toy(tmp_path, 3, count=7).run().outcome
    assert outcome
    assert outcome.first_bad
    assert outcome.first_bad.subject == "change 3"
    assert outcome.first_bad.message == "change 3\n\nThe body of change 3."
    assert outcome.first_bad.author == "toy@example.org <toy@example.org>"
    assert outcome.first_bad.date.startswith("2026-11-01T12:00:00")


def test_both_ends_and_what_decides_are_measured_as_often_as_asked(tmp_path: Path) -> None:
    made = toy(tmp_path, 10)
    made.repeat = 3
    made.run()
    times = Counter(made.measured)
    assert {times[number] for number in (0, 18, 9, 10)} == {3}
    assert {count for number, count in times.items() if number not in (0, 18, 9, 10)} == {1}


def test_only_the_ends_first_measurement_is_of_every_case(tmp_path: Path) -> None:
    made = toy(tmp_path, 10)
    made.run()
    assert made.asked[:2] == [(), ()]
    assert set(made.asked[2:]) == {(LEVEL,)}


def test_git_can_replay_the_log_in_a_checkout(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {13: unbuilt, 14: crashed})
    made.run()
    subprocess.run(["git", "clone", "-q", made.home / "user", tmp_path / "clone"], check=True)
    output = git(tmp_path / "clone", "bisect", "replay", str(made.directory / kept.LOG_FILE))
    assert f"{made.ids[10]} is the first bad commit" in output
    log = (made.directory / kept.LOG_FILE).read_text()
    assert f"git bisect skip {made.ids[13]}" in log
    assert f"# first bad commit: [{made.ids[10]}] change 10" in log


def test_the_users_repository_is_left_as_it_was(tmp_path: Path) -> None:
    made = toy(tmp_path, 10)

    def everything() -> dict[Path, tuple[int, bytes]]:
        files = (path for path in (made.home / "user").rglob("*") if path.is_file())
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = everything()
    made.run()
    assert everything() == before


@pytest.mark.parametrize("lie", [good, bad])
def test_an_answer_that_was_wrong_once_is_found_out(tmp_path: Path, lie: object) -> None:
    """The ninth of eighteen commits is requested first.

    Its wrong answer leads git to the one side or the other.
    """
    culprit = 9 if lie is good else 10
    truth = bad if lie is good else good
    made = toy(tmp_path, culprit, {9: [lie, truth]})  # type: ignore[list-item]
    state = made.run()
    verdict = verdict_of(state, made.ids[9])
    assert verdict
    assert verdict.answer is Answer.SKIP
    assert verdict.why.startswith("flaky: ")
    assert state.outcome
    assert {made.ids.index(one.id) for one in state.outcome.candidates} == {9, 10}


def test_only_skipped_commits_are_left(tmp_path: Path) -> None:
    made = toy(tmp_path, 4, {3: unbuilt, 4: refused}, count=7)
    outcome = made.run().outcome
    assert outcome
    assert outcome.first_bad is None
    assert sorted(made.ids.index(one.id) for one in outcome.candidates) == [3, 4, 5]
    assert "# only skipped commits left to test" in (made.directory / kept.LOG_FILE).read_text()


def test_what_the_infrastructure_spoilt_is_tried_once_more(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {9: [failed, good], 14: failed})
    assert made.found(made.run()) == 10
    assert made.measured.count(9) == 2 + 1  # and once as the commit before the first bad one


def test_an_end_that_the_infrastructure_spoilt_is_measured_once_more(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {0: [failed, good], 18: [bad, failed, bad]})
    assert made.found(made.run()) == 10
    assert (made.measured.count(0), made.measured.count(18)) == (3, 3)


def test_an_infrastructure_that_always_fails_is_not_tried_for_ever(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {18: failed})
    with pytest.raises(InfrastructureError, match="the bad end could not be measured: the virtual machine ended"):
        made.run()
    assert made.measured == [0, 18, 18]
    made.table = {}
    assert made.found(made.run(kept.load(made.directory))) == 10
    assert made.measured[3:6] == [18, 0, 18]


def test_a_range_of_one_commit_needs_no_step(tmp_path: Path) -> None:
    made = toy(tmp_path, 1, count=1)
    assert made.found(made.run()) == 1
    assert made.measured == [0, 1, 0, 1]


def test_branches_that_were_merged_are_searched_too(tmp_path: Path) -> None:
    ids = make_history(tmp_path / "user", 2)
    user = tmp_path / "user"
    tree = git(user, "rev-parse", "HEAD^{tree}")

    def commit(*parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        ids.append(git(user, "commit-tree", tree, *words, "-m", f"change {len(ids)}"))
        return ids[-1]

    side = commit(commit(ids[0]))  # 3, 4
    merge = commit(ids[2], side)  # 5
    commit(commit(merge))  # 6, 7
    git(user, "update-ref", "refs/heads/master", ids[-1])
    made = Toy(tmp_path, ids, {}, 0)
    made.table = dict.fromkeys((0, 1, 2, 3), good)  # the culprit is 4, on the side
    assert made.found(made.run()) == 4


def test_a_step_asks_nothing_of_the_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin may be an address, and a bisection may take days."""
    made = toy(tmp_path, 3, count=7)
    bisect = made.bisect()
    asked: list[str] = []
    run = LocalHost.run

    def noted(host: LocalHost, command: Command) -> Completed:
        asked.extend(command.argv)
        return run(host, command)

    monkeypatch.setattr(LocalHost, "run", noted)
    assert bisect.ask(made.ids[0], made.ids[-1], []).test in made.ids
    assert "replay" in asked
    assert "ls-remote" not in asked
    assert str(made.home / "user") not in asked


@pytest.fixture(scope="module")
def measured_in_one_go(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Return the commits that a bisection measures which is not stopped."""
    whole = toy(tmp_path_factory.mktemp("whole"), 10, {13: unbuilt, 14: crashed})
    whole.run()
    return whole.measured


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_a_bisection_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, stop_at: int, measured_in_one_go: list[int]
) -> None:
    made = toy(tmp_path, 10, {13: unbuilt, 14: crashed})
    made.stop_at = stop_at
    if stop_at <= len(measured_in_one_go):
        with pytest.raises(KeyboardInterrupt):
            made.run()
    made.stop_at = 0
    state = made.run(kept.load(made.directory) if (made.directory / kept.STATE_FILE).exists() else None)
    assert made.found(state) == 10
    assert made.measured == measured_in_one_go


def test_what_stopped_an_infrastructure_error_goes_on_too(tmp_path: Path) -> None:
    def broken(_commit: str) -> object:
        raise InfrastructureError("no space is left")

    made = toy(tmp_path, 10, {13: broken, 14: broken})  # type: ignore[dict-item]
    with pytest.raises(InfrastructureError):
        made.run()
    made.table = {}
    assert made.found(made.run(kept.load(made.directory))) == 10
    assert made.measured.count(9) == 2


def test_an_end_that_is_over_is_kept_as_it_was(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {13: unbuilt})
    state = made.run()
    assert kept.load(made.directory) == state


def test_the_state_names_every_verdict(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {13: unbuilt, 14: crashed})
    made.run()
    data = json.loads((made.directory / kept.STATE_FILE).read_text())
    assert data["verdicts"][made.ids[9]] == {"answer": "good", "why": "PASS level PUD", "shaky": False}
    assert data["verdicts"][made.ids[13]]["answer"] == "skip"
    assert data["criteria"][0]["case"] == LEVEL


def test_ends_that_are_alike_end_it(tmp_path: Path) -> None:
    made = toy(tmp_path, 19)
    with pytest.raises(UsageError, match="no case passes at good and fails at bad"):
        made.run()
    assert made.measured == [0, 18]


def test_an_end_that_is_refused_ends_it(tmp_path: Path) -> None:
    made = toy(tmp_path, 10, {0: refused})
    with pytest.raises(UsageError, match=r"the good end cannot be measured: kernel 'base': patch a\.patch does not"):
        made.run()


def test_a_damaged_state_is_reported(tmp_path: Path) -> None:
    (tmp_path / kept.STATE_FILE).write_text('{"format": 1}')
    with pytest.raises(UsageError, match=r"state\.json: damaged"):
        kept.load(tmp_path)
    with pytest.raises(UsageError, match="no bisection is kept here"):
        kept.load(tmp_path / "elsewhere")


def test_steps_are_kept_in_the_order_of_the_first_trials(tmp_path: Path) -> None:
    made = toy(tmp_path, 10)
    state: State = made.run()
    names = [kept.step_directory(made.directory, state, made.ids[number]).name for number in (0, 18, 9)]
    assert names == [f"{at:02}-{made.ids[number][:12]}" for at, number in enumerate((0, 18, 9))]

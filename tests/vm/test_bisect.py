# SPDX-License-Identifier: GPL-2.0-only
"""A bisection of a real kernel's history, which is stopped twice.

Some commits do not compile or do not boot.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.vm.commits import CULPRIT, UNBOOTED, UNBUILT, Commits, make_commits
from tests.vm.conftest import ORCH, virtual_machines
from tests.vm.test_interrupt import wait_for

SCENARIO = """\
name: levels
description: With which level is a BAR mapped where QEMU places it?
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  alignment: {run: alignment, device: testdev, bars: 2, length: 2G, placements: [qemu, kernel], timeout: 3m}
kernels:
  base:
    source: {git: ./linux.git, ref: master}
    config: [guest, vfio]
    expect: {qemu: {level: PUD}}
"""
LEVEL = "alignment/testdev/BAR2/qemu/level"
FEW_OBJECTS = 100


@dataclass(frozen=True)
class Bisected:
    """One bisection that was interrupted, killed, and brought to its end."""

    commits: Commits
    directory: Path
    interrupted: tuple[int, str]
    known_when_killed: list[dict[str, Any]]
    status: int
    out: str

    @property
    def state(self) -> dict[str, Any]:
        """What was written down."""
        loaded: dict[str, Any] = json.loads((self.directory / "state.json").read_text())
        return loaded

    def trials(self, number: int) -> list[dict[str, Any]]:
        """The trials of a commit."""
        return [trial for trial in self.state["trials"] if trial["commit"] == self.commits.ids[number]]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin ``orch bisect``, with SIGINT as a user's shell leaves it."""
    argv = ["env", "--default-signal=INT", ORCH, "bisect", *arguments, "--results", str(home / "results")]
    return subprocess.Popen(argv, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def known(home: Path) -> list[dict[str, Any]]:
    """The trials on disk."""
    found = list((home / "results").glob("bisect-*/state.json"))
    trials: list[dict[str, Any]] = json.loads(found[0].read_text())["trials"] if found else []
    return trials


def stop(process: subprocess.Popen[str], home: Path, number: signal.Signals, trials: int) -> str:
    """Stop it once there are so many trials and a guest runs; return its stderr."""
    wait_for(lambda: len(known(home)) >= trials and virtual_machines(home), 1800)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    wait_for(lambda: not virtual_machines(home), 10)
    return err


@pytest.fixture(scope="module")
def bisected(tmp_path_factory: pytest.TempPathFactory) -> Bisected:
    home = tmp_path_factory.mktemp("bisect")
    commits = make_commits(home / "linux.git")
    (home / "levels.yaml").write_text(SCENARIO)
    asked = ("levels.yaml", "--good", "good", "--bad", "master")
    process = start(home, *asked)
    err = stop(process, home, signal.SIGINT, 1)
    interrupted = (process.returncode, err)
    stop(start(home, *asked, "--resume"), home, signal.SIGKILL, 4)
    left = known(home)
    (directory,) = (home / "results").glob("bisect-*")
    last = start(home, "--resume", str(directory))
    out, _ = last.communicate()
    return Bisected(commits, directory, interrupted, left, last.returncode, out)


def test_the_first_bad_commit_is_found_with_its_message_and_both_measurements(bisected: Bisected) -> None:
    ids = bisected.commits.ids
    assert bisected.status == 0, bisected.out
    assert f"{ids[CULPRIT]} is the first bad commit" in bisected.out
    assert "    vfio/pci: simplify the fault handler\n\n    The body of it, of number 10.\n" in bisected.out
    assert f"  good {ids[CULPRIT - 1][:12]}  PASS measured PUD, expected PUD" in bisected.out
    assert f"  bad  {ids[CULPRIT][:12]}  FAIL measured PTE, expected PUD" in bisected.out
    assert max(map(len, bisected.out.partition("\n\n")[0].splitlines()[4:])) <= 80


def test_what_does_not_compile_and_what_does_not_boot_is_skipped_with_the_reason(bisected: Bisected) -> None:
    verdicts = bisected.state["verdicts"]
    unbuilt, unbooted = (verdicts[bisected.commits.ids[number]] for number in (UNBUILT, UNBOOTED))
    assert (unbuilt["answer"], unbooted["answer"]) == ("skip", "skip")
    assert "does not build: " in unbuilt["why"]
    assert "vfio_pci_count" in unbuilt["why"]
    assert "CRASH the guest kernel panicked" in unbooted["why"]
    assert "cannot count the devices" in unbooted["why"]


def test_ctrl_c_says_how_to_go_on(bisected: Bisected) -> None:
    status, err = bisected.interrupted
    assert status == 130
    last = err.splitlines()[-1]
    assert last.startswith("orch: interrupted; ")
    assert f"'orch bisect --resume {bisected.directory}'" in last
    assert "Traceback" not in err


def test_what_was_known_before_a_stop_is_not_measured_again(bisected: Bisected) -> None:
    assert bisected.state["trials"][: len(bisected.known_when_killed)] == bisected.known_when_killed
    assert len(bisected.known_when_killed) >= 4
    ends = (0, len(bisected.commits.ids) - 1)
    decisive = {bisected.commits.ids[number] for number in (*ends, CULPRIT - 1, CULPRIT)}
    times = Counter(trial["commit"] for trial in bisected.state["trials"])
    assert all(count == (2 if commit in decisive else 1) for commit, count in times.items())


def test_a_step_compiles_only_what_differs(bisected: Bisected) -> None:
    assert all(trial["objects"] <= FEW_OBJECTS for trial in bisected.state["trials"])


def test_every_step_is_a_run_that_can_be_looked_at(bisected: Bisected) -> None:
    for trial in bisected.state["trials"]:
        run = bisected.directory / trial["run"]
        record = json.loads((run / "run.json").read_text())
        assert record["status"] == "finished"
        if trial not in bisected.trials(UNBUILT):
            assert trial["commit"][:12] in record["kernels"]["base"]["source"]
        assert (run / "junit.xml").exists()


def test_git_replays_the_log(bisected: Bisected, tmp_path: Path) -> None:
    clone = tmp_path / "clone.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--shared", bisected.commits.path, clone], check=True)
    argv = ["git", "bisect", "replay", str(bisected.directory / "bisect.log")]
    done = subprocess.run(argv, cwd=clone, capture_output=True, text=True, check=True)
    assert f"{bisected.commits.ids[CULPRIT]} is the first bad commit" in done.stdout


def test_a_crash_is_looked_for_as_well_and_skipped_commits_that_are_left_are_named(bisected: Bisected) -> None:
    ids, home = bisected.commits.ids, bisected.directory.parent.parent
    ends = ("--good", ids[UNBUILT - 1], "--bad", ids[UNBOOTED])
    process = start(home, "levels.yaml", *ends, "--case", "alignment/testdev/boot", "--repeat", "1")
    out, _ = process.communicate(timeout=1800)
    assert process.returncode == 1, out
    assert "the judge: alignment/testdev/boot (PASS -> CRASH)\n" in out
    _, separator, left = out.partition("only skipped commits are left; the first bad commit is one of these:\n")
    assert separator, out
    assert f"{ids[UNBUILT][:12]} vfio/pci: count the devices\n             skip: FAIL kernel 'base'" in left
    assert (
        f"{ids[UNBOOTED][:12]} vfio/pci: do not count the devices, but panic\n             bad: CRASH the guest" in left
    )


def test_the_users_repository_has_no_trace_of_it(bisected: Bisected) -> None:
    assert not list(bisected.commits.path.glob("BISECT*"))
    refs = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname)"],
        cwd=bisected.commits.path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert refs.stdout.split() == ["refs/heads/master", "refs/tags/good"]

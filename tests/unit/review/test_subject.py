# SPDX-License-Identifier: GPL-2.0-only
"""What ``orch review`` understands as a series, a base and a repository; nothing is fetched."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.review.earlier import earlier_run
from orchestrator.review.plan import BASE, PATCHED, arguments_of, choose, step
from orchestrator.review.subject import Subject, Wanted, find_subject
from orchestrator.scenario.model import Scenario
from orchestrator.scenario.sources import DebianSource, GitSource, Message
from tests.unit.kernel.base.test_find import Toy, change, version
from tests.unit.result.test_samples import kernel, scenario_at

IDENTITY = "20261128.1-1-dev@example.org"


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A small kernel with v6.1, and a change of mm/a.c on top of it that is checked out."""
    made = Toy(tmp_path / "linux")
    made.path.mkdir()
    made.git("init", "-q", "-b", "master")
    made.commit("Linux 6.1", Makefile=version("6.1"), Kbuild="", mm__a_c="one\n")
    made.git("tag", "v6.1")
    change(made, "v6.1", mm__a_c="mine\n")
    return made


def found(place: Path, series: str, **more: object) -> tuple[Subject, list[str]]:
    """Return what is reviewed, and the sentences about it."""
    said: list[str] = []
    wanted = replace(Wanted(series, None, None, None, place), **more)  # type: ignore[arg-type]
    return find_subject(LocalHost(), place / "cache", wanted, ignore, said.append), said


def mbox(toy: Toy, place: Path) -> Path:
    file = place / "series.mbox"
    mail = toy.git("format-patch", "--stdout", "--base=v6.1", "v6.1..HEAD")
    file.write_text(mail.replace("\nSubject:", f"\nMessage-ID: <{IDENTITY}>\nSubject:", 1))
    return file


def test_an_mbox_has_its_base_in_the_repository_of_git(toy: Toy, tmp_path: Path) -> None:
    file = mbox(toy, tmp_path)
    subject, said = found(tmp_path, "series.mbox", git="linux")
    assert subject.base.candidate.source == GitSource(str(toy.path), toy.git("rev-parse", "v6.1").strip())
    assert (subject.title, subject.files, subject.variant) == ("a change", ("mm/a.c",), None)
    assert subject.series
    assert (subject.series.source, subject.series.message_id) == (file, IDENTITY)
    assert said[-1] == "base: v6.1, by base-commit, and the blob ids of 1 of 1 file"
    assert said[1] == f"git repository: {toy.path}"


def test_the_repository_of_the_current_directory_is_taken_if_it_is_a_kernel(toy: Toy, tmp_path: Path) -> None:
    file = mbox(toy, tmp_path)
    subject, _ = found(toy.path, str(file))
    assert subject.base.candidate.name == "v6.1"
    (toy.path / "Kbuild").unlink()
    with pytest.raises(UsageError, match=r"^--base: 'v6\.1' is looked up in a git repository"):
        found(toy.path, str(file), base="v6.1")


def test_a_message_is_taken_from_a_saved_thread(toy: Toy, tmp_path: Path) -> None:
    file = mbox(toy, tmp_path)
    subject, said = found(tmp_path, f"<{IDENTITY}>", mbox=file, git=str(toy.path))
    assert subject.series
    assert subject.series.source == Message(IDENTITY, None, file)
    assert said[0].startswith("series: version 1, 1 of 1 patch, 'a change', from ")


def test_a_range_is_two_commits(toy: Toy, tmp_path: Path) -> None:
    subject, said = found(tmp_path, "v6.1..HEAD", git=str(toy.path))
    assert subject.series is None
    assert subject.variant == GitSource(str(toy.path), toy.git("rev-parse", "HEAD").strip())
    assert (subject.files, subject.title, said) == (("mm/a.c",), "a change", [])


def test_a_single_patch_and_a_directory_are_series(toy: Toy, tmp_path: Path) -> None:
    file = tmp_path / "series/0001-a-change.patch"
    file.parent.mkdir()
    file.write_text(toy.git("format-patch", "--stdout", "v6.1..HEAD"))
    (tmp_path / "series/series").write_text("0001-a-change.patch\n")
    for name in ("series/0001-a-change.patch", "series"):
        subject, _ = found(tmp_path, name, git=str(toy.path))
        assert (subject.title, subject.base.candidate.name) == ("a change", "v6.1")


@pytest.mark.parametrize(
    ("base", "source"),
    [
        ("linux-source-6.12/trixie", DebianSource("linux-source-6.12", "trixie")),
        ("linux-source-7.3", DebianSource("linux-source-7.3", "trixie-backports")),
    ],
)
def test_a_base_can_be_named_as_a_package(toy: Toy, tmp_path: Path, base: str, source: DebianSource) -> None:
    mbox(toy, tmp_path)
    subject, said = found(tmp_path, "series.mbox", base=base)
    assert subject.base.candidate.source == source
    assert said[-1] == f"base: {base}, as --base names it"


@pytest.mark.parametrize(
    ("series", "more", "message"),
    [
        ("gone.mbox", {}, "'gone.mbox' is no file, no message id and no range of commits; give a message id"),
        ("a b", {}, "'a b' is no file, no message id and no range of commits"),
        ("", {}, "no patch series here"),
        ("v6.1..", {"git": "linux"}, "'v6.1..' is no file"),
        ("v6.1..HEAD", {}, "is a range of commits; name their repository with --git"),
        ("v6.1..gone", {"git": "linux"}, "no commit 'gone' in the git repository"),
        ("HEAD..v6.1", {"git": "linux"}, "no commits in 'HEAD..v6.1'; is it the wrong way round?"),
        ("v6.1..HEAD", {"git": "linux", "base": "v6.1"}, "--base: the base of 'v6.1..HEAD' is its older end"),
        ("v6.1..HEAD", {"git": "nowhere"}, "--git: no directory"),
        ("v6.1..HEAD", {"git": "cache"}, "is no git repository"),
        ("series.mbox", {"base": "gone", "git": "linux"}, "--base: no commit 'gone' in the git repository"),
        ("series.mbox", {"base": "--all", "git": "linux"}, "--base: no commit '--all'"),
        ("series.mbox", {"base": "v6.1"}, "name one with --git, or linux-source-X.Y"),
        ("series.mbox", {"mbox": Path("series.mbox")}, "--mbox: it goes with a message id"),
        ("other@example.org", {"mbox": Path("series.mbox")}, "is not in"),
        ("cache", {}, "no patch series here"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, series: str, more: dict[str, object], message: str
) -> None:
    mbox(toy, tmp_path)
    (tmp_path / "cache").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        found(tmp_path, series, **more)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def small_scenario(place: Path) -> Scenario:
    """Return a scenario whose base is linux-source-7.3 of Debian."""
    (place / "own.yaml").write_text("own\n")
    return replace(scenario_at(place / "own.yaml"), kernels=(kernel("base"),), base="base")


def test_a_review_has_a_base_and_a_patched_kernel(toy: Toy, tmp_path: Path) -> None:
    mbox(toy, tmp_path)
    subject, _ = found(tmp_path, "series.mbox", git="linux")
    arguments = arguments_of("series.mbox", subject, "scenarios/pud.yaml")
    assert arguments == (IDENTITY, "--base", "v6.1", "--scenario", "scenarios/pud.yaml")
    made = step(small_scenario(tmp_path), subject, "because", arguments)
    assert [one.name for one in made.scenario.kernels] == [BASE, PATCHED]
    assert {one.source for one in made.scenario.kernels} == {subject.base.candidate.source}
    assert made.scenario.kernel(PATCHED).patches == (tmp_path / "series.mbox",)
    assert (made.record.base, made.record.title, made.record.patches) == ("v6.1", "a change", 1)
    assert made.scenario.overrides.startswith("review ")


def test_the_source_of_the_scenario_keeps_its_expectations(toy: Toy, tmp_path: Path) -> None:
    mbox(toy, tmp_path)
    scenario = small_scenario(tmp_path)
    for base, is_own in (("linux-source-7.3", True), ("linux-source-6.12/trixie", False)):
        subject, _ = found(tmp_path, "series.mbox", base=base)
        made = step(scenario, subject, "", ())
        assert (made.scenario.kernel(BASE).source == scenario.kernel("base").source) is is_own


def test_the_key_changes_with_each_input(toy: Toy, tmp_path: Path) -> None:
    mbox(toy, tmp_path)
    scenario = small_scenario(tmp_path)
    subject, _ = found(tmp_path, "series.mbox", git="linux")
    keys = [step(scenario, subject, why, ()).record.key for why in ("because", "another reason")]
    assert keys[0] == keys[1]
    other, _ = found(tmp_path, "series.mbox", base="linux-source-7.3")
    keys.append(step(scenario, other, "", ()).record.key)
    scenario.path.write_text("changed\n")
    keys.append(step(scenario, subject, "", ()).record.key)
    scenario.path.write_text("own\n")
    file = tmp_path / "series.mbox"
    file.write_text(file.read_text().replace("+mine", "+yours"))
    changed, _ = found(tmp_path, "series.mbox", git="linux")
    keys.append(step(scenario, changed, "", ()).record.key)
    assert len(set(keys[1:])) == 4


def test_a_series_that_no_scenario_answers_for_is_refused(toy: Toy, tmp_path: Path) -> None:
    subprocess.run(["git", "mv", "mm/a.c", "b.c"], cwd=toy.path, check=True)
    toy.commit("elsewhere")
    subject, _ = found(tmp_path, "HEAD~1..HEAD", git="linux")
    assert [one.scenario for one in choose(subject)] == ["pud"]
    with pytest.raises(UsageError, match=r"no scenario is known for what it touches \(net/core/dev\.c\); name one"):
        choose(replace(subject, files=("net/core/dev.c",)))


def test_results_that_are_no_runs_are_no_answers(tmp_path: Path) -> None:
    assert earlier_run(tmp_path / "gone", "k") is None
    for name, content in (("a", "{"), ("b", '{"key": "k", "title": "x"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "review.json").write_text(content)
    assert earlier_run(tmp_path, "k") is None

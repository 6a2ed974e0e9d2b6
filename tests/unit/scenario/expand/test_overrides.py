# SPDX-License-Identifier: GPL-2.0-only
"""Overrides: base and variant made from options of the command line."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.cli.parser import parser
from orchestrator.errors import UsageError
from orchestrator.report import as_json, terminal
from orchestrator.result.compare.alignment import compare
from orchestrator.result.run import RunStatus
from orchestrator.result.store.load import load_run
from orchestrator.result.store.writer import RunStore
from orchestrator.scenario.expand.override_options import read_overrides
from orchestrator.scenario.expand.overrides import MorePatches, OtherSource, Overrides, overridden
from orchestrator.scenario.model import CapabilityOverride, Level, Placement, Scenario
from orchestrator.scenario.sources import GitSource, ImageSource, Message, Revert, TreeSource
from tests.unit.scenario.test_load import FULL, data_dir, load_text

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("linux", "My_Linux", "base", "draft", "no-series"):
        (tmp_path / name).mkdir()
    for name in ("0001-Mine.patch", "Thread.mbox", "fix.diff", "draft/series"):
        (tmp_path / name).touch()


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Load a scenario with two kernels; the base has expectations, capabilities and known failures."""
    text = FULL.replace("    config: [guest, vfio]\n", "    config: [guest, vfio]\n    can: {levels: PMD}\n")
    return load_text(tmp_path, text.replace("    can:", "    xfail: {life.fork: unknown}\n    can:"))


def read(*argv: str) -> Overrides:
    """Return the overrides of a command line of `orch run` in the current directory."""
    given = parser().parse_args(["run", "x.yaml", *argv])
    here = Path.cwd()
    return read_overrides(given.tree, given.git, given.changes or (), here=here, data=data_dir(here))


def made(scenario: Scenario, *argv: str) -> Scenario:
    return overridden(scenario, read(*argv))


def test_without_an_override_a_scenario_is_what_it_is(scenario: Scenario) -> None:
    assert made(scenario) is scenario


def test_another_tree_is_compared_with_the_base(scenario: Scenario, tmp_path: Path) -> None:
    found = made(scenario, "--tree", "linux")
    base = scenario.kernel("base")
    assert found.kernels[0] == base
    assert found.kernels[1:] == (
        replace(
            base,
            name="linux",
            source=TreeSource(tmp_path / "linux"),
            expect=(),
            can=CapabilityOverride(),
            xfail=(),
            where=f"--tree {tmp_path}/linux",
        ),
    )
    assert (found.base, found.overrides) == ("base", f"--tree {tmp_path}/linux")
    assert (found.devices, found.workloads, found.machine) == (scenario.devices, scenario.workloads, scenario.machine)


def test_another_commit_is_compared_with_the_base(scenario: Scenario, tmp_path: Path) -> None:
    found = made(scenario, "--git", "linux@origin/Topic")
    assert [kernel.name for kernel in found.kernels] == ["base", "origin-topic"]
    assert found.kernels[1].source == GitSource(str(tmp_path / "linux"), "origin/Topic")
    assert found.kernels[1].config == scenario.kernel("base").config


def test_of_two_commits_one_is_the_base(scenario: Scenario) -> None:
    found = made(scenario, "--git", "linux@v7.3..topic")
    assert (found.base, [kernel.name for kernel in found.kernels]) == ("v7.3", ["v7.3", "topic"])
    assert [kernel.source.ref for kernel in found.kernels if isinstance(kernel.source, GitSource)] == ["v7.3", "topic"]
    assert all(
        not kernel.expect and kernel.can == CapabilityOverride() and not kernel.xfail for kernel in found.kernels
    )


def test_patches_alone_change_only_what_is_expected_of_the_kernels_own_placement(scenario: Scenario) -> None:
    found = made(scenario, "--patch", "vfio-thp")
    base, variant = found.kernels
    assert base == scenario.kernel("base")
    assert variant.patches == (*base.patches, Path.cwd() / "kernels/patches/vfio-thp")
    assert (variant.name, variant.can, variant.xfail, variant.source) == (
        "vfio-thp",
        CapabilityOverride((Level.PMD,)),
        (("life.fork", "unknown"),),
        base.source,
    )
    assert dict(base.expect).keys() == {Placement.KERNEL, Placement.QEMU}
    assert variant.expect == tuple((where, what) for where, what in base.expect if where is Placement.QEMU)


def test_patches_of_another_source_are_compared_with_that_source(scenario: Scenario, tmp_path: Path) -> None:
    found = made(scenario, "--tree", "linux", "--patch", "0001-Mine.patch", "--patch", "draft")
    assert [kernel.name for kernel in found.kernels] == ["linux", "0001-mine-draft"]
    base, variant = found.kernels
    assert base.source == variant.source == TreeSource(tmp_path / "linux")
    assert variant.patches == (*base.patches, tmp_path / "0001-Mine.patch", tmp_path / "draft")
    assert base.patches == scenario.kernel("base").patches
    assert found.base == "linux"
    assert not variant.expect


def test_patches_of_two_commits_go_on_top_of_the_second(scenario: Scenario) -> None:
    found = made(scenario, "--git", "linux@a..b", "--patch", "fix.diff")
    assert [kernel.name for kernel in found.kernels] == ["a", "b", "fix.diff"]
    assert found.kernels[2].source == found.kernels[1].source


def test_changes_of_all_kinds_keep_their_order(scenario: Scenario, tmp_path: Path) -> None:
    argv = ("--git", "linux@HEAD", "--revert", COMMIT, "--patch", "Thread.mbox", "--message", "<x-1@y.z>")
    found = made(scenario, *argv)
    variant = found.kernels[1]
    assert variant.patches[1:] == (Revert(COMMIT), tmp_path / "Thread.mbox", Message("x-1@y.z"))
    assert variant.name == "revert-0123456789ab-thread-x-1"
    assert variant.where == f"--revert {COMMIT} --patch {tmp_path}/Thread.mbox --message x-1@y.z"


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["--tree", "base"], ["base", "base-2"]),
        (["--tree", "My_Linux"], ["base", "my_linux"]),
        (["--tree", "/"], ["base", "tree"]),
        (["--git", f"linux@{COMMIT}"], ["base", "0123456789ab"]),
        (["--git", "linux@HEAD"], ["base", "linux"]),
        (["--git", "linux@HEAD@{1}"], ["base", "head-1"]),
        (["--git", "linux@topic~3..topic"], ["topic-3", "topic"]),
        (["--git", "linux@topic^..topic"], ["topic-1", "topic"]),
        (["--git", "linux@HEAD~..HEAD"], ["head-1", "linux"]),
        (["--git", "linux@v7.3.."], ["v7.3", "linux"]),
        (["--git", "linux@a/b..a-b"], ["a-b", "a-b-2"]),
        (["--git", "https://me@example.org/linux.git@HEAD"], ["base", "linux"]),
        (["--git", "git@example.org:a/linux.git@v7.3"], ["base", "v7.3"]),
        (["--patch", "mm-pud", "--patch", "draft", "--patch", "Thread.mbox"], ["base", "mm-pud-draft-thread"]),
        (["--message", f"{'x' * 60}@y.z"], ["base", "x" * 40]),
        (["--message", f"{'x' * 60}@y.z", "--patch", "draft"], ["base", f"{'x' * 40}-and-1-more"]),
    ],
)
def test_kernels_have_readable_names(scenario: Scenario, argv: list[str], names: list[str]) -> None:
    assert [kernel.name for kernel in made(scenario, *argv).kernels] == names


@pytest.mark.parametrize(
    ("given", "repository", "ref"),
    [
        ("https://me@example.org/linux.git@v7.3", "https://me@example.org/linux.git", "v7.3"),
        ("git@example.org:a/linux.git@topic", "git@example.org:a/linux.git", "topic"),
        ("linux@HEAD@{1}", "{here}/linux", "HEAD@{1}"),
        ("./linux@topic~3^2", "{here}/linux", "topic~3^2"),
        ("linux@users/me/topic@work", "{here}/linux", "users/me/topic@work"),
        ("linux@home@topic", "{here}/linux@home", "topic"),
    ],
)
def test_a_ref_follows_the_last_at_sign_behind_which_a_repository_is(given: str, repository: str, ref: str) -> None:
    Path("linux@home").mkdir()
    Path("git").mkdir()
    expected = GitSource(repository.replace("{here}", str(Path.cwd())), ref)
    assert [one.source for one in read("--git", given).sources] == [expected]


def test_the_recorded_options_ask_for_the_same_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    (tmp_path / "my tree").mkdir()
    found = read("--tree", "my tree", "--patch", "vfio-thp", "--patch", "./draft", "--revert", "abc")
    assert f"--tree '{tmp_path}/my tree'" in found.command_line
    monkeypatch.chdir("/")
    given = parser().parse_args(["run", "x.yaml", *shlex.split(found.command_line)])
    again = read_overrides(given.tree, given.git, given.changes, here=Path("/"), data=tmp_path / "kernels")
    assert again == found
    assert read_overrides(None, f"{tmp_path}/linux@a..b", (), here=Path("/"), data=tmp_path).command_line == (
        f"--git {tmp_path}/linux@a..b"
    )


def test_a_series_here_goes_before_one_of_the_same_name_of_orchs_own(tmp_path: Path) -> None:
    assert read("--patch", "mm-pud").patches[0].patch == tmp_path / "kernels/patches/mm-pud"
    (tmp_path / "mm-pud").mkdir()
    (tmp_path / "mm-pud/series").touch()
    assert read("--patch", "mm-pud").patches[0].patch == tmp_path / "mm-pud"


FORM = "names no commit of a repository; write REPOSITORY@REF or REPOSITORY@A..B, such as ~/linux@topic"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--tree", "lnux"], "--tree: no directory 'lnux'; give it the top directory of a kernel source"),
        (["--tree", "fix.diff"], "--tree: no directory 'fix.diff'; give it the top directory of a kernel source"),
        (["--tree", "x" * 300], f"--tree: no directory '{'x' * 57}...'; give it the top directory of a kernel source"),
        (["--git", "lnux@a"], "--git: no directory 'lnux'; give it a git repository"),
        *((["--git", text], f"--git: '{text}' {FORM}") for text in ("linux", "linux@", "@a", "linux@a b", "linux@-x")),
        *((["--git", text], f"--git: '{text}' {FORM}") for text in ("linux@a...b", "linux@..", "linux@a..b..c")),
        *((["--git", text], f"--git: '{text}' {FORM}") for text in ("linux@a:b", "linux@x*", "")),
        (["--tree", ".", "--git", ".@a"], "--tree and --git: both say where the kernel comes from; give one of them"),
        (["--patch", "x.mbox"], "--patch: no file or directory 'x.mbox'; give it a patch, an mbox or a series"),
        (["--patch", "a/b"], "--patch: no file or directory 'a/b'; give it a patch, an mbox or a series"),
        (["--patch", "mmpud"], "--patch: no patch series 'mmpud' in kernels/patches; did you mean 'mm-pud'?"),
        (
            ["--patch", "no-series"],
            "--patch: patch series 'no-series' has no file 'series'; add it with one patch name a line",
        ),
        (["--message", "x"], "--message: 'x' is no message id; it has an '@', and neither '/' nor blanks"),
        (["--revert", "a..b"], "--revert: 'a..b' names no commit; give it one, such as a hash or topic~3"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_sentence(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*argv)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--revert", "abc"],
            "--revert: the source of kernel 'base' has no history to find the commit in; add --tree or --git",
        ),
        (["--patch", "no-huge-pfnmap"], "--patch: no-huge-pfnmap is applied to kernel 'base' already; leave it out"),
        (
            ["--patch", "draft", "--patch", "./draft"],
            "--patch: draft is applied to kernel 'base' already; leave it out",
        ),
    ],
)
def test_what_the_base_does_not_allow_is_one_sentence(scenario: Scenario, argv: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(scenario, *argv)
    assert str(caught.value) == message


@pytest.mark.parametrize("argv", [["--patch", "mm-pud"], ["--tree", "linux"], ["--git", "linux@a..b"]])
def test_a_base_that_is_built_already_is_no_recipe(scenario: Scenario, argv: list[str]) -> None:
    image = replace(scenario.kernel("base"), source=ImageSource(Path("/boot/vmlinuz")), patches=())
    with pytest.raises(UsageError) as caught:
        made(replace(scenario, kernels=(image,)), *argv)
    assert str(caught.value) == (
        f"{argv[0]}: kernel 'base', the base, is booted as it is, which is no recipe to build another one by; "
        "choose a scenario whose base is built"
    )


def test_overrides_can_be_made_without_a_command_line(scenario: Scenario) -> None:
    sources = tuple(OtherSource(ref, GitSource("/x", ref), f"--good {ref}") for ref in ("a", "b"))
    found = overridden(scenario, Overrides(sources, (MorePatches("y", Revert("c"), "--revert c"),)))
    assert [kernel.name for kernel in found.kernels] == ["a", "b", "y"]
    assert found.overrides == "--good a --good b --revert c"


def test_a_run_says_that_its_kernels_are_not_those_of_the_file(scenario: Scenario, tmp_path: Path) -> None:
    with_them = RunStore.create(tmp_path / "results", made(scenario, "--tree", "linux"), ())
    options = f"--tree {tmp_path}/linux"
    assert json.loads((with_them.path / "run.json").read_text())["scenario"]["overrides"] == options
    with_them.finish(RunStatus.FINISHED, 0)
    comparison = compare(load_run(with_them.path))
    assert f"\n  with {options}\n" in terminal.render(comparison)
    assert as_json.to_json(comparison)["run"]["overrides"] == options
    without = RunStore.create(tmp_path / "results", scenario, ()).finish(RunStatus.FINISHED, 0)
    assert "\n  with " not in terminal.render(compare(load_run(without.path)))


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_the_command_line_answers_a_wrong_override_with_status_two(
    verb: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pud = Path(__file__).resolve().parents[4] / "scenarios/pud.yaml"
    assert main([verb, str(pud), "--tree", "nowhere", "--cache", str(tmp_path / "cache")]) == 2
    assert capsys.readouterr().err == (
        "orch: --tree: no directory 'nowhere'; give it the top directory of a kernel source\n"
    )
    assert not (tmp_path / "results").exists()

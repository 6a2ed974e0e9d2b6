# SPDX-License-Identifier: GPL-2.0-only
"""Sources in git and in directories: their content, and no change of the user's files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.git import borrow, borrowed_by
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source.fetch import fetch, peek
from orchestrator.scenario.sources import BuiltSource, GitSource, TreeSource

TOY = Path(__file__).parents[2] / "data/toy-kernel"


def run(directory: Path, *argv: str) -> str:
    """Run git in `directory`, and return its output."""
    who = ("-c", "user.name=A. Developer", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *who, *argv], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def committed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `repository` is a copy of."""
    path = tmp_path_factory.mktemp("once") / "linux"
    shutil.copytree(TOY, path)
    (path / ".gitignore").write_text("*.o\n.config\n")
    run(path, "init", "-q")
    run(path, "add", "-A")
    run(path, "commit", "-q", "-m", "toy: begin")
    run(path, "tag", "v1")
    run(path, "checkout", "-q", "-b", "topic")
    (path / "mm/mmap.c").write_text("topic\n")
    (path / "mm/new.c").write_text("new\n")
    run(path, "rm", "-q", "mm/pfnmap.c") if (path / "mm/pfnmap.c").exists() else None
    run(path, "add", "-A")
    run(path, "commit", "-q", "-m", "toy: topic")
    run(path, "checkout", "-q", "main")
    return path


@pytest.fixture
def repository(committed_once: Path, tmp_path: Path) -> Path:
    """The toy kernel in git: a tag v1, and a branch topic one commit ahead."""
    return Path(shutil.copytree(committed_once, tmp_path / "linux", symlinks=True))


def state(directory: Path) -> str:
    """Return the digest, mode and time of every file, with those of the repository.

    The times of objects are left out: git updates the time of an object that it needs again, so that it is not pruned.
    """
    whole = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        facts = path.lstat()
        time = 0 if "objects" in path.parts else facts.st_mtime_ns
        whole.update(f"{path} {facts.st_mode} {time} {facts.st_size}\n".encode())
        whole.update(path.read_bytes() if path.is_file() else b"")
    return whole.hexdigest()


def get(cache: Path, source: BuiltSource) -> SourceTree:
    return fetch(LocalHost(), cache, source, where="s.yaml:3", emit=lambda _: None)


def content(directory: Path) -> dict[str, bytes]:
    """Return the files in `directory`, except those of git."""
    files = (
        path for path in directory.rglob("*") if path.is_file() and ".git" not in path.relative_to(directory).parts
    )
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_a_ref_is_laid_out_and_the_repository_is_untouched(repository: Path, tmp_path: Path) -> None:
    (repository / "Makefile").write_text("edited, not committed\n")
    (repository / "mm/staged.c").write_text("staged\n")
    run(repository, "add", "mm/staged.c")
    before = state(repository)
    tree = get(tmp_path / "cache", GitSource(str(repository), "topic"))
    assert state(repository) == before
    assert (tree.path / "mm/mmap.c").read_text() == "topic\n"
    assert (tree.path / "Makefile").read_text() == (TOY / "Makefile").read_text()
    assert tree.git and tree.git.commit == run(repository, "rev-parse", "topic")
    assert tree.id == "git-" + run(repository, "rev-parse", "topic^{tree}")
    assert tree.version == f"linux@topic ({tree.git.commit[:12]})"


@pytest.mark.parametrize("ref", ["v1", "topic~1", "HEAD", "main"])
def test_refs_of_one_content_are_one_source(repository: Path, tmp_path: Path, ref: str) -> None:
    tree = get(tmp_path / "cache", GitSource(str(repository), ref))
    assert tree.id == "git-" + run(repository, "rev-parse", "v1^{tree}")
    assert content(tree.path) == content(repository)


def test_the_next_tree_shares_files_with_the_last_and_writes_to_none(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = get(cache, GitSource(str(repository), "v1"))
    before = state(first.path)
    second = get(cache, GitSource(str(repository), "topic"))
    assert state(first.path) == before
    same, other = (first.path / "Makefile"), (second.path / "Makefile")
    assert same.stat().st_ino == other.stat().st_ino
    assert (first.path / "mm/mmap.c").stat().st_ino != (second.path / "mm/mmap.c").stat().st_ino
    run(repository, "checkout", "-q", "topic")
    assert content(second.path) == content(repository)


def test_an_address_is_fetched_and_later_only_what_is_new(repository: Path, tmp_path: Path) -> None:
    cache, address = tmp_path / "cache", f"file://{repository}"
    first = get(cache, GitSource(address, "topic"))
    assert first.version == f"linux@topic ({run(repository, 'rev-parse', 'topic')[:12]})"
    (repository / "mm/late.c").write_text("late\n")
    run(repository, "checkout", "-q", "topic")
    (repository / "mm/late.c").write_text("late\n")
    run(repository, "add", "-A")
    run(repository, "commit", "-q", "-m", "toy: late")
    second = get(cache, GitSource(address, "topic"))
    assert (second.path / "mm/late.c").read_text() == "late\n"
    assert not (first.path / "mm/late.c").exists()
    by_commit = get(cache, GitSource(address, run(repository, "rev-parse", "topic~1")))
    assert by_commit.path == first.path


def test_a_repository_that_was_removed_still_serves_what_was_fetched(repository: Path, tmp_path: Path) -> None:
    cache, address, commit = tmp_path / "cache", f"file://{repository}", run(repository, "rev-parse", "v1")
    first = get(cache, GitSource(address, "v1"))
    shutil.rmtree(repository)
    assert get(cache, GitSource(address, commit)).path == first.path
    with pytest.raises(InfrastructureError, match=r"^s.yaml:3: file://.* cannot be reached: "):
        get(cache, GitSource(address, "v1"))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_ref_that_is_not_there_is_named_with_the_nearest(repository: Path, tmp_path: Path, prefix: str) -> None:
    with pytest.raises(UsageError) as caught:
        get(tmp_path / "cache", GitSource(f"{prefix}{repository}", "tropic"))
    place = f"{prefix}{repository}"
    assert str(caught.value) == f"s.yaml:3: no commit 'tropic' in the git repository {place}; did you mean 'topic'?"


def test_a_directory_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^s.yaml:3: {tmp_path} is no git repository: "):
        get(tmp_path / "cache", GitSource(str(tmp_path), "main"))


def test_a_repository_of_something_else_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "README").write_text("no kernel\n")
    run(other, "init", "-q")
    run(other, "add", "-A")
    run(other, "commit", "-q", "-m", "other")
    with pytest.raises(UsageError, match="there is no Linux source tree"):
        get(tmp_path / "cache", GitSource(str(other), "HEAD"))
    assert [path.name for path in (tmp_path / "cache/sources").iterdir() if path.is_dir()] == []


def test_a_worktree_and_a_shallow_clone_are_repositories_too(repository: Path, tmp_path: Path) -> None:
    run(repository, "worktree", "add", "-q", str(tmp_path / "worktree"), "topic")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository}", str(tmp_path / "shallow")], check=True)
    topic = get(tmp_path / "cache", GitSource(str(tmp_path / "worktree"), "HEAD"))
    assert (topic.path / "mm/new.c").exists()
    assert get(tmp_path / "cache", GitSource(str(tmp_path / "shallow"), "HEAD")).id != topic.id
    changed = get(tmp_path / "cache", TreeSource(tmp_path / "worktree"))
    assert changed.id == topic.id


def test_a_tree_is_taken_as_it_is_and_stays_untouched(repository: Path, tmp_path: Path) -> None:
    (repository / "mm/mmap.c").write_text("edited\n")
    (repository / "mm/untracked.c").write_text("untracked\n")
    (repository / "mm/built.o").write_text("an object\n")
    (repository / "build").mkdir()
    (repository / "build/vmlinux").write_text("an image\n")
    run(repository, "stash", "list")
    before = state(repository)
    tree = get(tmp_path / "cache", TreeSource(repository))
    assert state(repository) == before
    assert (tree.path / "mm/mmap.c").read_text() == "edited\n"
    assert (tree.path / "mm/untracked.c").read_text() == "untracked\n"
    assert not (tree.path / "mm/built.o").exists()
    assert not (tree.path / "build").exists()
    assert tree.git and tree.git.commit is None
    assert f"linux ({run(repository, 'rev-parse', 'HEAD')[:12]} with changes, tree " in tree.version


def test_a_tree_without_changes_is_its_commit(repository: Path, tmp_path: Path) -> None:
    tree = get(tmp_path / "cache", TreeSource(repository))
    assert tree.git and tree.git.commit == run(repository, "rev-parse", "HEAD")
    assert tree.id == get(tmp_path / "cache", GitSource(str(repository), "HEAD")).id


@pytest.mark.parametrize("kind", [TreeSource, lambda path: GitSource(str(path), "v1")], ids=["tree", "git"])
def test_a_path_that_is_not_utf8_is_refused(repository: Path, tmp_path: Path, kind: Any) -> None:
    there = repository.rename(tmp_path / "a\udcff")
    with pytest.raises(UsageError, match=r"^s.yaml:3: the path .*a\udcff is not UTF-8; rename the directory$"):
        get(tmp_path / "cache", kind(there))


@pytest.mark.parametrize("name", ["a b", " a", "a ", "a\nb", "a\n", "\n", "true\n", "a=b,c", "$(a)", "'\"", "a\tb"])
def test_a_checkout_may_have_any_name(repository: Path, tmp_path: Path, name: str) -> None:
    """A checkout that is not recognised would lose its commit, and take what git ignores."""
    there = repository.rename(tmp_path / name)
    (there / "ignored.o").write_text("object\n")
    tree = get(tmp_path / "cache", TreeSource(there))
    assert tree.git and tree.git.commit == run(there, "rev-parse", "HEAD")
    assert not (tree.path / "ignored.o").exists()


def test_a_tracked_file_that_is_ignored_belongs_to_the_tree(repository: Path, tmp_path: Path) -> None:
    (repository / "mm/blob.o").write_text("tracked\n")
    run(repository, "add", "-f", "mm/blob.o")
    run(repository, "commit", "-q", "-m", "toy: blob")
    cache = tmp_path / "cache"
    assert (get(cache, TreeSource(repository)).path / "mm/blob.o").exists()
    (repository / "mm/late.o").write_text("tracked later\n")
    run(repository, "add", "-f", "mm/late.o")
    run(repository, "commit", "-q", "-m", "toy: late blob")
    assert (get(cache, TreeSource(repository)).path / "mm/late.o").exists()


def test_a_git_that_was_killed_does_not_stand_in_the_way(repository: Path, tmp_path: Path) -> None:
    before = get(tmp_path / "cache", TreeSource(repository))
    (index,) = (tmp_path / "cache/git").glob("*/orch.index")
    index.with_name("orch.index.lock").touch()
    (repository / "Makefile").write_text((repository / "Makefile").read_text() + "# more\n")
    assert get(tmp_path / "cache", TreeSource(repository)).id != before.id


def test_what_the_user_excludes_is_no_part_of_the_tree(repository: Path, tmp_path: Path) -> None:
    (repository / ".git/info/exclude").write_text("notes.txt\n")
    (repository / "notes.txt").write_text("mine\n")
    assert not (get(tmp_path / "cache", TreeSource(repository)).path / "notes.txt").exists()


def test_editing_goes_on_and_the_snapshot_stays(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (repository / "mm/mmap.c").write_text("one\n")
    first = get(cache, TreeSource(repository))
    (repository / "mm/mmap.c").write_text("two\n")
    (repository / "mm/untracked.c").write_text("more\n")
    second = get(cache, TreeSource(repository))
    (repository / "mm/untracked.c").unlink()
    third = get(cache, TreeSource(repository))
    assert [(one.path / "mm/mmap.c").read_text() for one in (first, second, third)] == ["one\n", "two\n", "two\n"]
    assert [(one.path / "mm/untracked.c").exists() for one in (first, second, third)] == [False, True, False]
    assert first.origin == second.origin != ""


def test_a_directory_without_git_is_taken_whole_whatever_its_gitignore_says(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    shutil.copytree(TOY, directory)
    (directory / ".gitignore").write_text("/*\n")
    (directory / "mm/with space.c").write_text("odd\n")
    before = state(directory)
    tree = get(tmp_path / "cache", TreeSource(directory))
    assert content(tree.path) == content(directory)
    assert state(directory) == before
    (directory / "mm/mmap.c").write_text("changed\n")
    assert (get(tmp_path / "cache", TreeSource(directory)).path / "mm/mmap.c").read_text() == "changed\n"


def test_a_directory_that_was_built_in_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    shutil.copytree(TOY, directory)
    (directory / ".config").write_text("CONFIG_MMU=y\n")
    with pytest.raises(UsageError, match="was built in; run 'make mrproper' there, or make it a git checkout"):
        get(tmp_path / "cache", TreeSource(directory))


def test_a_directory_that_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no Linux source tree \(no Makefile and Kbuild at its top\)"):
        get(tmp_path / "cache", TreeSource(tmp_path))


def test_the_users_configuration_does_not_matter(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[commit]\n\tgpgsign = true\n")
    monkeypatch.setenv("HOME", str(home))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, "/nonexistent")
    (repository / "mm/mmap.c").write_bytes(b"one\r\ntwo\r\n")
    tree = get(tmp_path / "cache", TreeSource(repository))
    assert (tree.path / "mm/mmap.c").read_bytes() == b"one\r\ntwo\r\n"


def test_a_plan_sees_what_is_laid_out_and_writes_nothing(repository: Path, tmp_path: Path) -> None:
    source, cache = GitSource(str(repository), "topic"), tmp_path / "cache"
    assert peek(LocalHost(), cache, source) is None
    assert not cache.exists()
    tree = get(cache, source)
    before = state(cache)
    seen = peek(LocalHost(), cache, source)
    assert seen and (seen.id, seen.path) == (tree.id, tree.path)
    assert state(cache) == before
    assert peek(LocalHost(), cache, TreeSource(repository)) is None


def test_a_tree_is_there_until_it_is_edited(repository: Path, tmp_path: Path) -> None:
    cache, source = tmp_path / "cache", TreeSource(repository)
    assert peek(LocalHost(), cache, source) is None
    assert not cache.exists()
    taken = get(cache, source)
    assert peek(LocalHost(), cache, source) == taken
    (repository / "mm/mmap.c").write_text("edited\n")
    assert peek(LocalHost(), cache, source) is None
    shutil.rmtree(repository / "mm")
    (repository / "Kbuild").unlink()
    assert peek(LocalHost(), cache, source) is None


def test_what_is_known_of_a_commit_before_it_is_fetched_is_what_it_will_be(repository: Path, tmp_path: Path) -> None:
    """So a patch for another version is merged in the plan as in the run."""
    source = GitSource(str(repository), "topic")
    taken = get(tmp_path / "cache", source)
    assert peek(LocalHost(), tmp_path / "cache", source) == taken


def test_what_the_environment_says_to_git_changes_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = run(repository, "rev-parse", "HEAD")
    for name, value in {"GIT_TRACE": "1", "GIT_TRACE2": "1", "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/"}.items():
        monkeypatch.setenv(name, value)
    (repository / "mm/new.o").write_text("ignored\n")
    taken = get(tmp_path / "cache", TreeSource(repository))
    given = get(tmp_path / "cache", GitSource(str(repository), "main"))
    assert taken.id == given.id
    assert (taken.git and taken.git.commit) == (given.git and given.git.commit) == head


@pytest.mark.parametrize("ref", ["^topic", "--all"])
def test_a_ref_that_is_an_option_or_takes_commits_away_is_refused(repository: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(UsageError, match=r"is no name of a commit$"):
        get(tmp_path / "cache", GitSource(str(repository), ref))


def test_an_address_is_no_option(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"strange hostname"):
        get(tmp_path / "cache", GitSource("--upload-pack=touch:x", "topic"))


def test_what_is_ignored_but_added_belongs_to_a_checkout(repository: Path, tmp_path: Path) -> None:
    for name in ("mm/added.o", "mm/gone.o", "mm/built.o"):
        (repository / name).write_text("x\n")
    run(repository, "add", "-f", "mm/added.o", "mm/gone.o")
    (repository / "mm/gone.o").unlink()
    before = state(repository)
    tree = get(tmp_path / "cache", TreeSource(repository))
    assert state(repository) == before
    assert [(tree.path / name).exists() for name in ("mm/added.o", "mm/gone.o", "mm/built.o")] == [True, False, False]
    assert "with changes" in tree.version


def test_all_worktrees_share_what_the_repository_excludes(repository: Path, tmp_path: Path) -> None:
    run(repository, "worktree", "add", "-q", str(tmp_path / "other"), "topic")
    (repository / ".git/info/exclude").write_text("*.orig\n")
    (tmp_path / "other/mm/mmap.c.orig").write_text("by a merge tool\n")
    tree = get(tmp_path / "cache", TreeSource(tmp_path / "other"))
    assert not (tree.path / "mm/mmap.c.orig").exists()
    assert "with changes" not in tree.version


def test_a_checkout_of_somebody_else_is_refused_and_not_taken_for_a_directory(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"
    )  # As in git's own tests: only root can change the owner of files.
    for source in (TreeSource(repository), GitSource(str(repository), "topic")):
        with pytest.raises(UsageError, match=r"^s.yaml:3: git refuses \S+/linux, .* --add safe\.directory \S+'$"):
            get(tmp_path / "cache", source)


def test_a_repository_in_the_tree_may_come_and_change_and_go(repository: Path, tmp_path: Path) -> None:
    cache, inner = tmp_path / "cache", repository / "tools-of-mine"
    run(repository, "init", "-q", str(inner))
    with pytest.raises(UsageError, match=r"^s.yaml:3: 'tools-of-mine/' does not have a commit checked out; commit"):
        get(cache, TreeSource(repository))
    (inner / "file").write_text("one")
    run(inner, "add", "file")
    run(inner, "commit", "-q", "-m", "one")
    with pytest.raises(UsageError, match=r"^s.yaml:3: tools-of-mine in this source is a git repository of its own"):
        get(cache, TreeSource(repository))
    shutil.rmtree(inner)
    assert get(cache, TreeSource(repository)).path.is_dir()


def a_clone(place: Path) -> None:
    """Make a repository with a commit at `place`."""
    place.mkdir(parents=True)
    run(place, "init", "-q")
    (place / "driver.c").write_text("out of tree\n")
    run(place, "add", "driver.c")
    run(place, "commit", "-q", "-m", "driver")


def staged(place: Path) -> None:
    """Make the same; the kernel's repository has it as a link (git add)."""
    a_clone(place)
    run(place.parents[1], "add", str(place.relative_to(place.parents[1])))


def committed(place: Path) -> None:
    """Make the same, committed like a submodule."""
    staged(place)
    run(place.parents[1], "commit", "-q", "-m", "add a driver")


def emptied(place: Path) -> None:
    """Make a submodule that is not checked out."""
    committed(place)
    shutil.rmtree(place)
    place.mkdir()


def elsewhere(place: Path) -> None:
    """Make a work tree whose .git is a file that names the directory."""
    a_clone(place)
    (place / ".git").rename(place.parents[2] / "apart.git")
    (place / ".git").write_text(f"gitdir: {place.parents[2] / 'apart.git'}\n")


@pytest.mark.parametrize("inside", [a_clone, staged, committed, emptied, elsewhere], ids=lambda make: make.__name__)
def test_a_repository_inside_the_tree_is_refused_with_its_name(
    repository: Path, tmp_path: Path, inside: Callable[[Path], None]
) -> None:
    inside(repository / "drivers/mine")
    with pytest.raises(UsageError, match=r"drivers/mine in this source is a git repository of its own, and git leaves"):
        get(tmp_path / "cache", TreeSource(repository))
    assert not [*(tmp_path / "cache/sources").glob("git-*/Makefile")]


def test_a_commit_with_a_submodule_is_refused(repository: Path, tmp_path: Path) -> None:
    committed(repository / "drivers/mine")
    with pytest.raises(UsageError, match=r"drivers/mine in this source is a git repository of its own"):
        get(tmp_path / "cache", GitSource(str(repository), "HEAD"))


def test_a_repository_in_a_directory_without_git_is_taken_or_refused(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    shutil.copytree(TOY, directory)
    a_clone(directory / "drivers/mine")
    with pytest.raises(UsageError, match="drivers/mine"):
        get(tmp_path / "cache", TreeSource(directory))


def test_the_files_are_taken_once_the_repository_is_removed(repository: Path, tmp_path: Path) -> None:
    a_clone(repository / "drivers/mine")
    shutil.rmtree(repository / "drivers/mine/.git")
    tree = get(tmp_path / "cache", TreeSource(repository))
    assert (tree.path / "drivers/mine/driver.c").read_text() == "out of tree\n"


def test_a_directory_may_become_a_file(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    get(cache, TreeSource(repository))
    shutil.rmtree(repository / "init")
    (repository / "init").write_text("a file\n")
    assert content(get(cache, TreeSource(repository)).path) == content(repository)


def test_a_history_that_was_made_anew_is_laid_out_from_nothing(repository: Path, tmp_path: Path) -> None:
    """The objects of the last source were pruned, or removed with the whole repository."""
    cache = tmp_path / "cache"
    get(cache, GitSource(str(repository), "topic"))
    shutil.rmtree(repository / ".git")
    run(repository, "init", "-q")
    run(repository, "add", "-A")
    run(repository, "commit", "-q", "-m", "again")
    assert content(get(cache, GitSource(str(repository), "HEAD")).path) == content(repository)
    get(cache, TreeSource(repository))
    shutil.rmtree(repository / ".git")
    (repository / "mm/mmap.c").write_text("no git any more\n")
    assert content(get(cache, TreeSource(repository)).path) == content(repository)


def test_a_clone_without_its_files_says_so(repository: Path, tmp_path: Path) -> None:
    run(repository, "config", "uploadpack.allowFilter", "true")
    address = f"file://{repository}"
    run(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", address, "partial")
    with pytest.raises(
        UsageError, match=r"^s.yaml:3: the git repository lacks a part of this source: .* partial clone"
    ):
        get(tmp_path / "cache", GitSource(str(tmp_path / "partial"), "HEAD"))
    assert not list((tmp_path / "cache/sources").glob("*.partial"))


def test_an_address_may_be_that_of_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    run(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    tree = get(tmp_path / "cache", GitSource(f"file://{tmp_path}/shallow", "HEAD"))
    assert content(tree.path) == content(repository)


@pytest.fixture(scope="module")
def sha256_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `sha256` is a copy of."""
    path = tmp_path_factory.mktemp("sha256") / "linux"
    shutil.copytree(TOY, path)
    run(path, "init", "-q", "--object-format=sha256")
    run(path, "add", "-A")
    run(path, "commit", "-q", "-m", "toy: begin")
    run(path, "tag", "v1")
    (path / "mm/mmap.c").write_text("topic\n")
    run(path, "commit", "-qam", "toy: topic")
    return path


@pytest.fixture
def sha256(sha256_once: Path, tmp_path: Path) -> Path:
    """The toy kernel in a repository with SHA-256 object ids, with a branch topic."""
    return Path(shutil.copytree(sha256_once, tmp_path / "linux", symlinks=True))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_sha256_repository_is_laid_out(sha256: Path, tmp_path: Path, prefix: str) -> None:
    before = state(sha256)
    old = get(tmp_path / "cache", GitSource(f"{prefix}{sha256}", "v1"))
    new = get(tmp_path / "cache", GitSource(f"{prefix}{sha256}", "main"))
    assert (new.path / "mm/mmap.c").read_text() == "topic\n"
    assert (old.path / "mm/mmap.c").read_text() != "topic\n"
    assert len(new.id) == len("git-") + 64
    assert content(new.path) == content(sha256)
    assert state(sha256) == before


def test_a_sha256_checkout_is_taken_as_it_is(sha256: Path, tmp_path: Path) -> None:
    (sha256 / "mm/mmap.c").write_text("edited\n")
    (sha256 / "mm/more.c").write_text("more\n")
    before = state(sha256)
    tree = get(tmp_path / "cache", TreeSource(sha256))
    assert content(tree.path) == content(sha256)
    assert state(sha256) == before


@pytest.mark.parametrize("kind", ["tree", "git"])
def test_a_repository_that_changed_its_format_is_read_anew(sha256: Path, tmp_path: Path, kind: str) -> None:
    source = TreeSource(sha256) if kind == "tree" else GitSource(str(sha256), "HEAD")
    get(tmp_path / "cache", source)
    shutil.rmtree(sha256 / ".git")
    run(sha256, "init", "-q")
    run(sha256, "add", "-A")
    run(sha256, "commit", "-qm", "again")
    tree = get(tmp_path / "cache", source)
    assert len(tree.id) == len("git-") + 40
    assert content(tree.path) == content(sha256)


CONVERTED = {
    ".gitattributes": b"* text=auto eol=crlf\n*.id ident\n*.lfs filter=lfs\n*.u16 text working-tree-encoding=UTF-16\n",
    "mm/crlf.c": b"int a;\r\nint b;\r\n",
    "mm/lf.c": b"int a;\nint b;\n",
    "mm/mixed.c": b"int a;\r\nint b;\n",
    "mm/a.id": b"$Id: 0123456789 $\n",
    "mm/b.id": b"$Id$\n",
    "mm/a.lfs": b"version https://git-lfs.github.com/spec/v1\n",
    "mm/a.u16": "int a;\n".encode("utf-16"),
    "mm/.gitattributes": b"lf.c -text\n* text eol=lf\n",
}
"""Files that git would convert if it used the source's own attributes."""


def add_converted(directory: Path) -> None:
    for name, data in CONVERTED.items():
        (directory / name).write_bytes(data)


@pytest.mark.parametrize("checkout", [True, False])
def test_no_attribute_of_a_tree_changes_a_file(repository: Path, tmp_path: Path, checkout: bool) -> None:
    directory = repository
    if not checkout:
        directory = tmp_path / "plain"
        shutil.copytree(TOY, directory)
    add_converted(directory)
    laid_out = content(get(tmp_path / "cache", TreeSource(directory)).path)
    assert {name: laid_out[name] for name in CONVERTED} == CONVERTED


def test_a_commit_is_laid_out_as_git_keeps_it_whatever_its_attributes(repository: Path, tmp_path: Path) -> None:
    add_converted(repository)
    run(repository, "config", "filter.lfs.smudge", "sed s/version/converted/")
    run(repository, "add", "-A")
    run(repository, "commit", "-q", "-m", "toy: files with attributes")
    laid_out = content(get(tmp_path / "cache", GitSource(str(repository), "main")).path)
    for name in CONVERTED:
        kept = subprocess.run(
            ["git", "cat-file", "blob", f"main:{name}"], cwd=repository, check=True, capture_output=True
        ).stdout
        assert laid_out[name] == kept, name
    assert laid_out["mm/lf.c"] == CONVERTED["mm/lf.c"]


@pytest.mark.parametrize("name", ["a b", " a ", "a\nb", "\n", "\\n", '"a"', "a\\", "a:b", "ä"])
def test_the_list_of_alternate_objects_is_read_as_git_reads_it(repository: Path, tmp_path: Path, name: str) -> None:
    objects = (repository / ".git").rename(tmp_path / name) / "objects"
    store = tmp_path / "store"
    run(tmp_path, "init", "-q", "--bare", str(store))
    assert borrowed_by(store) is None
    borrow(store, objects)
    assert borrowed_by(store) == objects
    assert "toy: begin" in run(store, "log", "--oneline", run(objects.parent, "rev-parse", "v1"))
    (store / "objects/info/alternates").write_text(f"{repository}/objects\n")  # as an earlier orch wrote it
    assert borrowed_by(store) == repository / "objects"

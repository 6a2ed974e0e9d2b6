# SPDX-License-Identifier: GPL-2.0-only
"""The base of a series, in real git repositories and in directories like Debian's sources."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.base.find import Search
from orchestrator.kernel.base.git_fit import Repository
from orchestrator.kernel.base.model import Base
from orchestrator.kernel.base.stated import stated_by
from orchestrator.kernel.git import open_store
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.patch.mbox import posts
from orchestrator.kernel.patch.store import keep, make_patch
from orchestrator.scenario.sources import DebianSource, GitRange, GitSource

DAY = 24 * 3600


@dataclass
class Toy:
    """A repository of a small kernel; each commit is a day later than the last."""

    path: Path
    days: int = 0

    def git(self, *argv: str) -> str:
        who = {f"GIT_{who}_{what}": "dev@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        date = {f"GIT_{who}_DATE": f"{1_700_000_000 + self.days * DAY} +0000" for who in ("AUTHOR", "COMMITTER")}
        environment = {**os.environ, **who, **date, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(
            ["git", *argv], cwd=self.path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def commit(self, subject: str, **files: str) -> str:
        """Commit files, named with __ for / and _c for .c; return the commit."""
        self.days += 1
        for name, text in files.items():
            path = self.path / name.replace("__", "/").removesuffix("_c").replace("Makefile_c", "Makefile")
            path = path.with_suffix(".c") if name.endswith("_c") else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD").strip()

    def series(self, base: str, *options: str) -> str:
        return self.git("format-patch", "--stdout", *options, f"{base}..HEAD")


def version(text: str) -> str:
    major, minor = text.split(".")
    return f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 0\nEXTRAVERSION =\n"


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """v6.1, v6.2 on one line; a stable v6.1.1 beside it, which is younger than v6.2."""
    made = Toy(tmp_path / "linux")
    made.path.mkdir()
    made.git("init", "-q", "-b", "master")
    made.commit("Linux 6.1", Makefile=version("6.1"), mm__a_c="one\n", mm__b_c="one\n")
    made.git("tag", "v6.1")
    made.commit("Linux 6.2", Makefile=version("6.2"), mm__a_c="two\n")
    made.git("tag", "v6.2")
    made.git("checkout", "-q", "-b", "stable", "v6.1")
    made.commit("Linux 6.1.1", Makefile=version("6.1").replace("SUBLEVEL = 0", "SUBLEVEL = 1"))
    made.git("tag", "v6.1.1")
    made.git("checkout", "-q", "master")
    return made


def find(toy: Toy | None, mails: str, place: Path, *sources: SourceTree) -> Base:
    """Find the base of the series in `mails`."""
    host, cache = LocalHost(), place / "cache"
    repository = None
    if toy:
        store = open_store(host, cache, str(toy.path), address=False, where="test")
        repository = Repository(host, toy.path, store)
    found = posts(mails.encode())
    patches = tuple(
        keep(cache, make_patch(Path(post.name), post.text.encode(), "x")) for post in found if post.is_patch
    )
    letters = [post.body.decode() for post in found if not post.is_patch]
    return Search(host, patches, stated_by((patch.text for patch in patches), letters), repository).find(sources)


def ref(base: Base) -> str:
    assert isinstance(base.candidate.source, GitSource)
    return base.candidate.source.ref


def change(toy: Toy, start: str, **files: str) -> None:
    """Commit a change of `files` on top of `start`, on no branch."""
    toy.git("checkout", "-q", "--detach", start)
    toy.commit("a change", **files)


def test_a_trailer_names_the_base(toy: Toy, tmp_path: Path) -> None:
    change(toy, "v6.1", mm__a_c="mine\n")
    base = find(toy, toy.series("v6.1", "--base=v6.1"), tmp_path)
    assert ref(base) == toy.git("rev-parse", "v6.1").strip()
    assert base.describe == "base: v6.1, by base-commit, and the blob ids of 1 of 1 file"


def test_a_trailer_in_the_cover_letter_names_it(toy: Toy, tmp_path: Path) -> None:
    change(toy, "v6.1", mm__a_c="mine\n")
    mails = toy.series("v6.1", "--base=v6.1", "--cover-letter")
    assert mails.index("base-commit") < mails.index("PATCH 1/1")
    assert ref(find(toy, mails, tmp_path)) == toy.git("rev-parse", "v6.1").strip()


def test_a_commit_that_is_not_there_is_said_and_the_blob_ids_decide(toy: Toy, tmp_path: Path) -> None:
    change(toy, "v6.2", mm__a_c="mine\n")
    mails = re.sub(r"base-commit: \w+", f"base-commit: {'ab' * 20}", toy.series("v6.2", "--base=v6.2"))
    base = find(toy, mails, tmp_path)
    assert base.describe == "base: v6.2, by the blob ids of 1 of 1 file"
    assert base.notes == ("base-commit abababababab is not in the git repository",)


def test_a_commit_that_does_not_fit_is_said_and_the_blob_ids_decide(toy: Toy, tmp_path: Path) -> None:
    change(toy, "v6.2", mm__a_c="mine\n", mm__b_c="mine\n")
    wrong = toy.git("rev-parse", "v6.1").strip()
    mails = re.sub(r"base-commit: \w+", f"base-commit: {wrong}", toy.series("v6.2", "--base=v6.2"))
    base = find(toy, mails, tmp_path)
    assert base.candidate.name == "v6.2"
    assert base.notes == (f"base-commit {wrong[:12]} does not fit: 1 of 2 files are there as in the series",)


def test_the_newest_version_that_fits_is_taken_and_the_others_are_named(toy: Toy, tmp_path: Path) -> None:
    """v6.1.1 is younger than v6.2, and an older version."""
    change(toy, "v6.1", mm__b_c="mine\n")
    base = find(toy, toy.series("v6.1"), tmp_path)
    assert (base.candidate.name, base.others) == ("v6.2", ("v6.1.1", "v6.1"))


def test_a_branch_of_the_user_is_no_base_if_a_release_fits(toy: Toy, tmp_path: Path) -> None:
    toy.commit("work of the user", mm__own_c="mine\n")
    change(toy, "v6.2", mm__b_c="mine\n")
    assert find(toy, toy.series("v6.2"), tmp_path).candidate.name == "v6.2"


def test_a_branch_is_the_base_if_nothing_else_fits(toy: Toy, tmp_path: Path) -> None:
    toy.commit("work of the user", mm__a_c="three\n")
    change(toy, "master", mm__a_c="mine\n")
    assert find(toy, toy.series("master"), tmp_path).candidate.name == "master"


def test_a_commit_without_a_name_is_found_in_the_history(toy: Toy, tmp_path: Path) -> None:
    """The last commit that has the files: others may follow that do not touch them."""
    toy.commit("between", mm__a_c="three\n")
    between = toy.commit("another file", mm__b_c="three\n")
    toy.commit("later", mm__a_c="four\n")
    change(toy, between, mm__a_c="mine\n")
    mails = toy.series(between)
    toy.git("checkout", "-q", "master")
    base = find(toy, mails, tmp_path)
    assert ref(base) == between
    assert re.fullmatch(r"v6\.2-2-g[0-9a-f]{12}", base.candidate.name)


def test_prerequisite_patches_are_found_by_their_ids(toy: Toy, tmp_path: Path) -> None:
    toy.git("checkout", "-q", "-b", "topic")
    needed = [toy.commit("first", mm__a_c="x\n"), toy.commit("second", mm__b_c="x\n")]
    toy.commit("mine", mm__a_c="y\n")
    mails = toy.series("topic~1", "--base=v6.2")
    assert mails.count("prerequisite-patch-id") == 2
    base = find(toy, mails, tmp_path)
    assert ref(base) == toy.git("rev-parse", "v6.2").strip()
    assert base.candidate.patches == tuple(GitRange(f"{one}^..{one}", str(toy.path)) for one in needed)
    assert base.reason == "by base-commit, with 2 prerequisite patches of the git repository"


def test_a_prerequisite_is_found_where_the_diffs_of_git_differ(toy: Toy, tmp_path: Path) -> None:
    """git format-patch --base makes the id without the indent heuristic, with which git diff shows another hunk."""
    block, last = "for x\n  do\nend\n", "for x\n  other\n"
    start = toy.commit("a block", mm__b_c=block + last)
    needed = toy.commit("one more", mm__b_c=block + block + last)
    shown = [toy.git("show", f"--{no}indent-heuristic", "--format=", needed) for no in ("", "no-")]
    assert shown[0] != shown[1]
    toy.commit("mine", mm__a_c="y\n")
    base = find(toy, toy.series("HEAD~1", f"--base={start}"), tmp_path)
    assert base.candidate.patches == (GitRange(f"{needed}^..{needed}", str(toy.path)),)


def test_a_prerequisite_that_is_missing_is_said(toy: Toy, tmp_path: Path) -> None:
    toy.git("checkout", "-q", "-b", "topic")
    toy.commit("first", mm__b_c="x\n")
    toy.commit("mine", mm__a_c="y\n")
    mails = re.sub(
        r"prerequisite-patch-id: \w+", f"prerequisite-patch-id: {'cd' * 20}", toy.series("topic~1", "--base=v6.2")
    )
    base = find(toy, mails, tmp_path)
    assert base.notes == ("no branch of the git repository has the prerequisite patch cdcdcdcdcdcd",)
    assert base.candidate.patches == ()


def source(place: Path, name: str, **files: str) -> SourceTree:
    """Return a source like one of Debian."""
    tree = place / name
    for file, text in files.items():
        path = tree / file.replace("__", "/").replace("_c", ".c")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return SourceTree(name, name, tree, named=DebianSource(name.split(" ", maxsplit=1)[0], "trixie", "1"))


def debian(place: Path) -> tuple[SourceTree, ...]:
    newer = source(place, "linux-source-6.2 6.2.0-1", mm__a_c="two\n", mm__b_c="one\n")
    return newer, source(place, "linux-source-6.1 6.1.0-1", mm__a_c="one\n", mm__b_c="one\n")


def test_without_a_repository_the_newest_source_of_debian_that_fits_is_taken(toy: Toy, tmp_path: Path) -> None:
    for start, name in (("v6.1", "linux-source-6.1 6.1.0-1"), ("v6.2", "linux-source-6.2 6.2.0-1")):
        change(toy, start, mm__a_c="mine\n", mm__new_c="new\n")
        base = find(None, toy.series(start), tmp_path, *debian(tmp_path))
        assert base.describe == f"base: {name}, by the blob ids of 2 of 2 files"


def test_a_trailer_is_said_to_be_unknown_without_a_repository(toy: Toy, tmp_path: Path) -> None:
    change(toy, "v6.2", mm__a_c="mine\n")
    base = find(None, toy.series("v6.2", "--base=v6.2"), tmp_path, *debian(tmp_path))
    assert "cannot be looked up without a git repository; --git names one" in base.notes[0]


def test_a_patch_without_blob_ids_has_the_newest_base_that_it_applies_to(tmp_path: Path) -> None:
    plain = "Subject: [PATCH] mine\n\n--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-one\n+mine\n"
    base = find(None, plain, tmp_path, *debian(tmp_path))
    assert base.describe == (
        "base: linux-source-6.1 6.1.0-1, because the series applies to it; it names no blob ids"
    )  # fmt: skip


def test_a_patch_without_blob_ids_is_not_looked_for_in_git_and_that_is_said(toy: Toy, tmp_path: Path) -> None:
    plain = "Subject: [PATCH] mine\n\n--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-one\n+mine\n"
    base = find(toy, plain, tmp_path, *debian(tmp_path))
    assert base.candidate.name == "linux-source-6.1 6.1.0-1"
    assert base.notes == (
        "the series names no blob ids to look for in the git repository; --base names a commit",
    )  # fmt: skip


def test_what_fits_nothing_is_one_sentence_with_the_nearest(toy: Toy, tmp_path: Path) -> None:
    toy.commit("elsewhere", mm__a_c="elsewhere\n")
    change(toy, "master", mm__a_c="mine\n", mm__b_c="mine\n")
    with pytest.raises(UsageError) as refused:
        find(None, toy.series("master"), tmp_path, *debian(tmp_path))
    assert str(refused.value) == (
        "no source fits the series; nearest is linux-source-6.2 6.2.0-1, with 1 of 2 files; "
        "name the base with --base, or a git repository with --git"
    )

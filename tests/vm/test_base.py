# SPDX-License-Identifier: GPL-2.0-only
"""The base of 100 series, made from real changes of mm and VFIO between the kernels of Debian.

In the git repository, each changed file of mm and drivers/vfio between two versions is a commit, so that most bases
have no name.  The series have a base-commit, none, one that is not in the repository, one that is wrong, or
prerequisite patches.  Without a base-commit a base is right if each file that the series touches is in it as in the
commit that the series was made from: no more can be known.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.base.debian_fit import debian_sources
from orchestrator.kernel.base.find import Search
from orchestrator.kernel.base.git_fit import Repository
from orchestrator.kernel.base.model import Base
from orchestrator.kernel.base.stated import Stated, stated_by
from orchestrator.kernel.git import open_store
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.patch.mbox import posts
from orchestrator.scenario.sources import DebianSource, GitRange, GitSource
from tests.vm.linux_history import History, make_history

pytestmark = pytest.mark.long
SERIES = {"named": 40, "unnamed": 35, "unknown": 10, "wrong": 10, "prerequisites": 5}
"""How many series of each kind."""
LEAST = 95
FROM_DEBIAN = 20


@dataclass(frozen=True)
class Series:
    """A series of a `kind`, made from the commit number `at` of the history; `mails` is its mbox."""

    kind: str
    at: int
    mails: bytes

    @property
    def stated(self) -> Stated:
        """What it states about its base."""
        return stated_by(post.text for post in posts(self.mails))


@pytest.fixture(scope="module")
def sources() -> tuple[SourceTree, ...]:
    """The kernels of Debian, newest first."""
    return tuple(debian_sources(LocalHost(), cache_directory(), ignore))


@pytest.fixture(scope="module")
def history(sources: tuple[SourceTree, ...], tmp_path_factory: pytest.TempPathFactory) -> History:
    """The repository: a commit for each changed file between the versions."""
    versions = {f"v{tree.version.split()[1].partition('-')[0]}": tree.path for tree in reversed(sources)}
    return make_history(tmp_path_factory.mktemp("history") / "linux", versions)


def series(history: History) -> Iterator[Series]:
    """Yield the series, always the same."""
    chance = random.Random(14)
    for kind in (kind for kind, count in SERIES.items() for _ in range(count)):
        while True:
            at, length = chance.randrange(3, len(history.commits) - 5), chance.randint(1, 4)
            span = history.git("log", "--format=%s", f"{history.commits[at - 2]}..{history.commits[at + length]}")
            if "Linux v" not in span:  # a whole version is no series
                break
        base = history.commits[at - 2 if kind == "prerequisites" else at]
        options = () if kind == "unnamed" else (f"--base={base}",)
        argv = ("format-patch", "--stdout", *options, f"{history.commits[at]}..{history.commits[at + length]}")
        mails = subprocess.run(["git", *argv], cwd=history.path, capture_output=True, check=True).stdout
        other = {"unknown": f"{chance.getrandbits(160):040x}", "wrong": chance.choice(history.commits)}.get(kind)
        yield Series(kind, at, re.sub(rb"(base-commit:) \w+", rf"\1 {other}".encode(), mails) if other else mails)


def is_right(history: History, one: Series, base: Base) -> bool:
    """Whether the base is the commit that the series was made from, as far as that can be known."""
    assert isinstance(base.candidate.source, GitSource)
    found, files = base.candidate.source.ref, one.stated.files
    if one.kind == "prerequisites":
        ranges = [patch.range for patch in base.candidate.patches if isinstance(patch, GitRange)]
        needed = [f"{commit}^..{commit}" for commit in history.commits[one.at - 1 : one.at + 1]]
        return found == history.commits[one.at - 2] and ranges == needed
    if one.kind == "named":
        return found == history.commits[one.at]
    return history.blobs(found, files) == history.blobs(history.commits[one.at], files)


def test_the_base_of_a_hundred_series_is_found_in_git(
    history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(LocalHost(), tmp_path, str(history.path), address=False, where="test")
    repository = Repository(LocalHost(), history.path, store)
    right: Counter[str] = Counter()
    wrong: list[str] = []
    for one in series(history):
        base = Search(LocalHost(), (), one.stated, repository).find([])
        if is_right(history, one, base):
            right[one.kind] += 1
        else:
            wrong.append(f"{one.kind}, commit {one.at}: {base.describe}; {base.notes}")
        assert base.notes or one.kind != "unknown"
    with capsys.disabled():
        print(f"\nthe base was right in {right.total()} of {sum(SERIES.values())}: {dict(right)}", *wrong, sep="\n")
    assert right.total() >= LEAST


def test_without_git_it_is_found_among_the_sources_of_debian(history: History, sources: tuple[SourceTree, ...]) -> None:
    """A series made from a version: the newest source whose files are those of that version."""
    chance = random.Random(15)
    by_tag = dict(zip(history.tags, reversed(sources), strict=True))
    for _ in range(FROM_DEBIAN):
        tag = chance.choice(history.tags)
        listed = history.git("ls-tree", "-r", "--name-only", tag, "mm", "drivers/vfio").splitlines()
        files = tuple(chance.sample(listed, 3))
        blobs = history.blobs(tag, files)
        stated = Stated(blobs={file: blob[:12] for file, blob in zip(files, blobs, strict=True)}, files=files)
        base = Search(LocalHost(), (), stated, None).find(sources)
        newest = [other for other in history.tags if history.blobs(other, files) == blobs][-1]
        assert isinstance(base.candidate.source, DebianSource)
        assert base.candidate.name == by_tag[newest].version
        assert base.reason == "by the blob ids of 3 of 3 files"

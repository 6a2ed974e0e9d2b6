# SPDX-License-Identifier: GPL-2.0-only
"""A git history made from Debian's sources: each changed file of mm and VFIO between two versions is a commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PARTS = ("Makefile", "mm", "drivers/vfio", "virt/kvm", "include/linux")
"""The files and directories of the history."""
_CHANGED = ("mm/", "drivers/vfio/")
_WHO = {f"GIT_{who}_{what}": "dev@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class History:
    """The repository at `path`; `commits` are all commits of its branch, oldest first, `tags` the versions."""

    path: Path
    commits: tuple[str, ...]
    tags: tuple[str, ...]

    def git(self, *argv: str, text: str = "") -> str:
        """Return the output of git in the repository."""
        return git(self.path, *argv, text=text)

    def blobs(self, commit: str, files: tuple[str, ...]) -> tuple[str, ...]:
        """Return the whole blob id of each of `files` in `commit`, "" for a file that it does not have."""
        asked = "".join(f"{commit}:{file}\n" for file in files)
        answers = self.git("cat-file", "--batch-check=%(objectname)", text=asked).splitlines()
        return tuple("" if answer.endswith("missing") else answer for answer in answers)


def git(path: Path, *argv: str, text: str = "", date: int = 0) -> str:
    """Return the output of git in the repository at `path`; a commit gets `date`, in seconds since 1970."""
    dates = {f"GIT_{who}_DATE": f"{date} +0000" for who in ("AUTHOR", "COMMITTER")} if date else {}
    environment = {**os.environ, **_WHO, **dates, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *argv], cwd=path, env=environment, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_history(path: Path, versions: dict[str, Path]) -> History:
    """Make a repository at `path` of `versions`: the source of each tag, oldest first."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "master")
    date = 1_700_000_000
    old: dict[str, str] = {}
    for tag, source in versions.items():
        new = dict(_files(path, source))
        small = sorted(file for file in old.keys() | new.keys() if file.startswith(_CHANGED))
        for file in [file for file in small if old and old.get(file) != new.get(file)]:
            date += 3600
            old = {name: blob for name, blob in (old | {file: new.get(file, "")}).items() if blob}
            _commit(path, old, f"{Path(file).stem}: update {file}", date)
        date += 3600
        old = new
        _commit(path, new, f"Linux {tag}", date)
        git(path, "tag", tag)
    return History(path, tuple(git(path, "rev-list", "--reverse", "master").split()), tuple(versions))


def _files(path: Path, source: Path) -> Iterator[tuple[str, str]]:
    names = [
        file.relative_to(source)
        for part in PARTS
        for file in ([source / part] if (source / part).is_file() else sorted((source / part).rglob("*")))
        if file.is_file() and not file.is_symlink()
    ]
    listed = "".join(f"{source / name}\n" for name in names)
    ids = git(path, "hash-object", "-w", "--no-filters", "--stdin-paths", text=listed).splitlines()
    yield from ((str(name), blob) for name, blob in zip(names, ids, strict=True))


def _commit(path: Path, files: dict[str, str], subject: str, date: int) -> None:
    listed = "".join(f"100644 {blob}\t{name}\n" for name, blob in sorted(files.items()))
    git(path, "read-tree", "--empty")
    git(path, "update-index", "--index-info", text=listed)
    parent = git(path, "for-each-ref", "--format=%(objectname)", "refs/heads/master")
    parents = ("-p", parent) if parent else ()
    made = git(path, "commit-tree", git(path, "write-tree"), *parents, "-m", subject, date=date)
    git(path, "update-ref", "refs/heads/master", made)

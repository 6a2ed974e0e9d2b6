# SPDX-License-Identifier: GPL-2.0-only
"""Which commits of a git repository have the files that a series was made from.

Only the objects of the repository are read, through orch's own store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestrator.host.base import Host, check
from orchestrator.kernel.base.stated import ABSENT, Stated
from orchestrator.kernel.git import ask, git

_MISSING = " missing"
_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*) *$", re.MULTILINE)
_CANDIDATE = re.compile(r"^-rc(\d+)")
_MOST_COMMITS = 50_000
"""Commits of the history that are compared at most: about half a year of Linux."""
_AT_ONCE = 500


_KINDS = ("tags", "remotes", "heads")


@dataclass(frozen=True)
class Ref:
    """A commit with a name; `own` is whether that is a local branch, which may have work of the user."""

    commit: str
    name: str
    own: bool = False


@dataclass(frozen=True)
class Repository:
    """A git repository of the user at `path`, whose objects orch reads through `store`."""

    host: Host
    path: Path
    store: Path

    def commit(self, name: str) -> str | None:
        """Return the id of the commit `name`; None if the repository does not have it."""
        found = ask(self.host, self.path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return found.output.strip() if found.ok else None

    def refs(self) -> tuple[Ref, ...]:
        """Return each commit that has a name: a tag, a remote branch or a branch.

        Of several names of one commit, a tag comes before a remote branch, and that before a branch.
        """
        form = "%(objectname) %(*objectname) %(refname)"
        listed = check(
            ask(self.host, self.path, "for-each-ref", f"--format={form}"), f"listing the refs of {self.path}"
        )
        found: dict[str, Ref] = {}
        for line in sorted(listed.output.splitlines(), key=_rank):
            *ids, name = line.split(" ")
            kind, _, short = name.removeprefix("refs/").partition("/")
            commit = next(one for one in reversed(ids) if one)
            if kind in _KINDS and not name.endswith("/HEAD"):
                found.setdefault(commit, Ref(commit, short, own=kind == "heads"))
        return tuple(found.values())

    def newest_first(self, refs: Iterable[Ref]) -> list[Ref]:
        """Return `refs` by the version of the kernel in their Makefile, then by the date of the commit, newest first.

        A stable release can be younger than a later version; so the date alone does not decide.
        """
        return sorted(refs, key=self._age, reverse=True)

    def _age(self, ref: Ref) -> tuple[tuple[int, ...], int]:
        makefile = git(self.host, self.store, "cat-file", "blob", f"{ref.commit}:Makefile")
        return version_of(makefile.output if makefile.ok else ""), self.date(ref.commit)

    def date(self, commit: str) -> int:
        """Return the date of `commit`, in seconds since 1970."""
        shown = git(self.host, self.store, "show", "-s", "--format=%ct", commit)
        return int(check(shown, "reading a commit").output)

    def describe(self, commit: str) -> str:
        """Return the name of `commit` by the newest tag before it, else its abbreviated id."""
        named = ask(self.host, self.path, "describe", "--tags", "--abbrev=12", commit)
        return named.output.strip() if named.ok else commit[:12]

    def fits(self, commits: Sequence[str], stated: Stated) -> list[int]:
        """Return for each of `commits` how many of the stated blobs it has."""
        wanted = tuple(stated.blobs.items())
        asked = "".join(f"{commit}:{file}\n" for commit in commits for file, _ in wanted)
        done = git(self.host, self.store, "cat-file", "--batch-check=%(objectname)", stdin=asked)
        answers = check(done, "looking for the base of a series").output.splitlines()
        per = len(wanted)
        return [
            sum(_same(answer, blob) for answer, (_, blob) in zip(answers[at : at + per], wanted, strict=True))
            for at in range(0, per * len(commits), per or 1)
        ]

    def first_whole(self, commits: Iterable[str], stated: Stated) -> str | None:
        """Return the first of `commits` that has all stated blobs; None if there is none."""
        for some in _chunks(commits):
            for commit, count in zip(some, self.fits(some, stated), strict=True):
                if count == len(stated.blobs):
                    return commit
        return None

    def history(self, *options: str, files: Iterable[str] = ()) -> list[str]:
        """Return commits of all refs, newest first: those that touch `files`, or all of them."""
        argv = ("rev-list", "--date-order", f"--max-count={_MOST_COMMITS}", *options)
        revisions = ask(self.host, self.path, *argv, "--branches", "--tags", "--remotes", "--", *files)
        return check(revisions, f"reading the history of {self.path}").output.split()


def _rank(line: str) -> int:
    kind = line.rpartition(" ")[2].split("/")[1]
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)


def version_of(makefile: str) -> tuple[int, ...]:
    """Return the version that a kernel's Makefile states; a release is newer than its candidates (-rc1).

    Returns () if it states none.
    """
    stated = dict(_VERSION.findall(makefile))
    if "VERSION" not in stated:
        return ()
    numbers = (stated.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    candidate = _CANDIDATE.search(stated.get("EXTRAVERSION", ""))
    return (*(int(number) if number.isdigit() else 0 for number in numbers), int(candidate[1]) if candidate else 1000)


def _chunks(commits: Iterable[str]) -> Iterator[list[str]]:
    left = iter(commits)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def _same(answer: str, blob: str) -> bool:
    """Whether git's answer about a file is the stated blob id, which can be abbreviated."""
    if answer.endswith(_MISSING):
        return blob == ABSENT
    return blob != ABSENT and answer.startswith(blob)

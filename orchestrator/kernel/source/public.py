# SPDX-License-Identifier: GPL-2.0-only
"""What others need to get a source: its recorded facts, and its nearest public commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host.base import Command, Completed, Host, check
from orchestrator.kernel.git import git
from orchestrator.kernel.model import GitOrigin, SourceTree
from orchestrator.scenario.resolve.files import is_address
from orchestrator.scenario.sources import DebianSource, GitSource, TarballSource, TreeSource

_USER = re.compile(r"^(https?|ftps?)://[^/@]*@")
_PASSWORD = re.compile(r"^([a-z][a-z0-9+.-]*://[^/@:]*):[^/@]*@")
_MOST_REFS = 16
"""The number of refs of one remote that are compared, the newest.

With old branches git would walk the whole history.
"""


@dataclass(frozen=True)
class Base:
    """A commit to start from, and the repository that has it.

    `repository` is an address without passwords, or a path.  `differs` is true if the source is not equal to the
    commit, so that a difference must be applied too.
    """

    repository: str
    commit: str
    differs: bool

    @property
    def public(self) -> bool:
        """Whether others can fetch it, as far as its address shows."""
        return is_public(self.repository)


def is_public(location: str) -> bool:
    """Return whether `location` is an address outside of this machine."""
    return is_address(location) and not location.startswith("file:")


def without_secret(location: str) -> str:
    """Return `location` without its password; from a web address, remove the user name too.

    The user name can be a token.
    """
    return _PASSWORD.sub(r"\1@", _USER.sub(r"\1://", location)) if is_address(location) else location


def source_facts(source: SourceTree) -> dict[str, object]:
    """Return what is needed to fetch `source` again, as JSON; empty if that is unknown."""
    match source.named:
        case DebianSource(package, suite, version):
            return {"kind": "debian", "package": package, "version": version, "suite": suite}
        case TarballSource(location, sha256):
            return {"kind": "tarball", "location": without_secret(location), "file_sha256": sha256}
        case GitSource(repository, ref):
            return {"kind": "git", "repository": without_secret(repository), "ref": ref, **_git_facts(source)}
        case TreeSource(path):
            return {"kind": "tree", "path": str(path), **_git_facts(source)}
        case None:
            return {}


def _git_facts(source: SourceTree) -> dict[str, object]:
    origin = source.git
    return {"tree": origin.tree, "commit": origin.commit, "base": origin.base or origin.commit} if origin else {}


def base_of(host: Host, origin: GitOrigin) -> Base | None:
    """Return the commit from which others can make the source `origin`.

    If possible, it is a commit that a remote of the user's repository has, by the refs known there.  Nothing is
    fetched.  Returns None for a directory without any commit.  Raises CommandError.
    """
    start = origin.commit or origin.base
    if start is None:
        return None
    if is_address(origin.origin):
        repository, commit = origin.origin, start
    else:
        repository, commit = _published(host, origin, start) or (origin.origin, start)
    found = git(host, origin.store, "rev-parse", "--verify", f"{commit}^{{tree}}")
    tree = check(found, "reading a commit").output.strip()
    return Base(without_secret(repository), commit, differs=tree != origin.tree)


def _published(host: Host, origin: GitOrigin, start: str) -> tuple[str, str] | None:
    """Return the address of a public remote, and the nearest ancestor of `start` there.

    The ancestor can be `start` itself.  Returns None if no public remote has one.
    """
    found: list[tuple[int, str, str]] = []
    for name in _ask(host, origin, "remote").output.split():
        address = _ask(host, origin, "remote", "get-url", name).output.strip()
        listed = _ask(host, origin, "for-each-ref", *_NEWEST, f"refs/remotes/{name}/").output.split()
        if is_public(address) and listed:
            base = _ask(host, origin, "merge-base", start, *listed)
            if base.ok:
                commit = base.output.strip()
                distance = _ask(host, origin, "rev-list", "--count", f"{commit}..{start}").output.strip()
                found.append((int(distance), address, commit))
    return min(found)[1:] if found else None


_NEWEST = ("--sort=-committerdate", f"--count={_MOST_REFS}", "--format=%(objectname)")


def _ask(host: Host, origin: GitOrigin, *args: str) -> Completed:
    environment = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    return host.run(Command(("git", "-C", origin.origin, *args), env=environment, timeout=600))


def write_difference(host: Host, origin: GitOrigin, base: Base, file: Path) -> None:
    """Write to `file` the patch from `base` to the source, for `git apply`.  Raises CommandError."""
    options = ("--binary", "--full-index", "--no-renames", f"--output={file.resolve()}")
    check(git(host, origin.store, "diff", *options, base.commit, origin.tree), "writing a difference")

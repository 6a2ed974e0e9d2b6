# SPDX-License-Identifier: GPL-2.0-only
"""The sources that a scenario names, as pristine trees on disk: fetched, verified, unpacked once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Command, Host, check
from orchestrator.host.disk import removed_on_failure
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, DebianPackage, choose
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source.git import fetch_git, fetch_tree, peek_git, peek_tree
from orchestrator.kernel.source.tarball import fetch_tarball, peek_tarball
from orchestrator.scenario.sources import BuiltSource, DebianSource, GitSource, TarballSource, TreeSource

_UNPACK = r"""set -eu
dpkg-deb --fsys-tarfile "$1" | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' \
    | xz -dc -T0 | tar -x --strip-components=1 -C "$2"
"""


def fetch(host: Host, cache: Path, source: BuiltSource, *, where: str, emit: Emit) -> SourceTree:
    """Return the pristine tree of `source`, from the cache if it is there.

    `where` is the place in the scenario, for errors.  Raises UsageError for a package, version, ref or file that does
    not exist, InfrastructureError if it cannot be fetched or unpacked.
    """
    match source:
        case DebianSource():
            return _fetch_debian(host, cache, source, where, emit)
        case GitSource():
            return fetch_git(host, cache, source, where=where, emit=emit)
        case TreeSource():
            return fetch_tree(host, cache, source, where=where, emit=emit)
        case TarballSource():
            return fetch_tarball(host, cache, source, where=where, emit=emit)


def _fetch_debian(host: Host, cache: Path, source: DebianSource, where: str, emit: Emit) -> SourceTree:
    apt = Apt(host, cache / "apt" / source.suite, source.suite)
    apt.directory.mkdir(parents=True, exist_ok=True)
    with locked(host, apt.directory / "lock.orch"):
        package = choose(apt, source.package, source.version, where)
        tree = cache / "sources" / package.sha256[:32]
        # Two suites can have the same package, and each has a lock of its own.
        with locked(host, tree.with_name(f"{tree.name}.lock")):
            if not tree.exists():
                _install(host, apt, package, tree, emit)
    return _tree(source, package, tree)


def _install(host: Host, apt: Apt, package: DebianPackage, tree: Path, emit: Emit) -> None:
    job = f"{package.name} {package.version}"
    with phase(emit, job, "download"):
        deb = apt.download(package)
    with phase(emit, job, "unpack"):
        unpack(host, deb, tree)
    deb.unlink()
    deb.parent.rmdir()


def unpack(host: Host, deb: Path, tree: Path) -> None:
    """Unpack the source in a `linux-source` .deb to `tree`, atomically."""
    partial = tree.with_name(tree.name + ".partial")
    check(host.run(Command(("rm", "-rf", str(partial)))), "removing an unfinished unpack")
    partial.mkdir(parents=True)
    with removed_on_failure(host, partial):
        argv = ("bash", "-o", "pipefail", "-c", _UNPACK, "unpack", str(deb), str(partial))
        check(host.run(Command(argv)), f"unpacking {deb.name}")
        if not (partial / "Kbuild").exists():
            raise InfrastructureError(f"{deb.name} holds no Linux source tree")
        partial.rename(tree)


def unpacked(cache: Path, source: DebianSource, package: DebianPackage) -> SourceTree | None:
    """Return the tree of a known package of Debian, or None if it is not in the cache."""
    tree = cache / "sources" / package.sha256[:32]
    return _tree(source, package, tree) if tree.exists() else None


def peek(host: Host, cache: Path, source: BuiltSource) -> SourceTree | None:
    """Return the tree of `source`, or None if it must be fetched or unpacked first."""
    match source:
        case DebianSource():
            return _peek_debian(host, cache, source)
        case GitSource():
            return peek_git(host, cache, source)
        case TarballSource():
            return peek_tarball(cache, source)
        case TreeSource():
            return peek_tree(host, cache, source)


def _peek_debian(host: Host, cache: Path, source: DebianSource) -> SourceTree | None:
    apt = Apt(host, cache / "apt" / source.suite, source.suite)
    candidates = apt.packages(source.package) if (apt.directory / "fetched").exists() else ()
    package = next((p for p in candidates if source.version in (None, p.version)), None)
    tree = cache / "sources" / package.sha256[:32] if package else None
    if package is None or tree is None or not tree.exists():
        return None
    return _tree(source, package, tree)


def _tree(source: DebianSource, package: DebianPackage, path: Path) -> SourceTree:
    named = replace(source, version=package.version)
    return SourceTree(package.sha256, f"{package.name} {package.version}", path, origin=package.name, named=named)

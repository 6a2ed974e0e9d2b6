# SPDX-License-Identifier: GPL-2.0-only
"""From what a scenario names to a pristine source tree on disk: fetched once, verified, unpacked once."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.errors import InfrastructureError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Host, check
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, DebianPackage, choose
from orchestrator.kernel.model import SourceTree
from orchestrator.scenario.model import DebianSource, Source

_UNPACK = r"""set -eu
dpkg-deb --fsys-tarfile "$1" | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' \
    | xz -dc -T0 | tar -x --strip-components=1 -C "$2"
"""


def fetch(host: Host, cache: Path, source: Source, *, where: str, emit: Emit) -> SourceTree:
    """The pristine tree of `source`, from the cache where it is there already.

    `where` names the place in the scenario for errors.  Raises UsageError for a package or version that does
    not exist, InfrastructureError where it cannot be fetched or unpacked.
    """
    return _fetch_debian(host, cache, source, where, emit)


def _fetch_debian(host: Host, cache: Path, source: DebianSource, where: str, emit: Emit) -> SourceTree:
    apt = Apt(host, cache / "apt" / source.suite, source.suite)
    apt.directory.mkdir(parents=True, exist_ok=True)
    with locked(host, apt.directory / "lock.orch"):
        package = choose(apt, source.package, source.version, where)
        tree = cache / "sources" / package.sha256[:32]
        if not tree.exists():
            _install(host, apt, package, tree, emit)
    return _tree(package, tree)


def _install(host: Host, apt: Apt, package: DebianPackage, tree: Path, emit: Emit) -> None:
    job = f"{package.name} {package.version}"
    with phase(emit, job, "download"):
        deb = apt.download(package)
    with phase(emit, job, "unpack"):
        unpack(host, deb, tree)
    deb.unlink()
    deb.parent.rmdir()


def unpack(host: Host, deb: Path, tree: Path) -> None:
    """Unpack the source inside a `linux-source` .deb to `tree`, which appears whole or not at all."""
    partial = tree.with_name(tree.name + ".partial")
    check(host.run(("rm", "-rf", str(partial))), "removing an unfinished unpack")
    partial.mkdir(parents=True)
    check(
        host.run(("bash", "-o", "pipefail", "-c", _UNPACK, "unpack", str(deb), str(partial))), f"unpacking {deb.name}"
    )
    if not (partial / "Kbuild").exists():
        raise InfrastructureError(f"{deb.name} holds no Linux source tree")
    partial.rename(tree)


def kernel_version(tree: Path) -> str:
    """The version that the tree's Makefile states, such as 7.3.4."""
    text = (tree / "Makefile").read_text()
    fields: dict[str, str] = dict(
        re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.MULTILINE)
    )
    numbers = ".".join(fields.get(name, "0") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    return numbers + fields.get("EXTRAVERSION", "")


def peek(host: Host, cache: Path, source: Source) -> SourceTree | None:
    """The tree of `source` if it could be used right now without fetching anything, else None."""
    apt = Apt(host, cache / "apt" / source.suite, source.suite)
    candidates = apt.packages(source.package) if (apt.directory / "fetched").exists() else ()
    package = next((p for p in candidates if source.version in (None, p.version)), None)
    tree = cache / "sources" / package.sha256[:32] if package else None
    if package is None or tree is None or not tree.exists():
        return None
    return _tree(package, tree)


def _tree(package: DebianPackage, path: Path) -> SourceTree:
    return SourceTree(package.sha256, f"{package.name} {package.version}", path)

# SPDX-License-Identifier: GPL-2.0-only
"""A Debian package of any suite, with the packages that it depends on, unpacked in a directory and not installed.

A program in it runs by chroot.  apt chooses the packages and verifies them, as for the kernels' sources.  The directory
is content-addressed by their exact versions.

package-roots/<key>/    the packages' files, mount points, and PACKAGES
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.events import Emit, phase
from orchestrator.host.base import Command, Host, check
from orchestrator.host.disk import report_full_disk
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, DebianPackage, choose
from orchestrator.kernel.cache.sealed import broken_seal, seal
from orchestrator.kernel.cache.store import KernelCache, mark_used

PACKAGES = "orch.packages"
"""The file in the directory that lists the packages."""

_MOUNT_POINTS = ("dev", "proc", "sys", "tmp")
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Directories that Debian has linked into /usr since 2023.  The links are in a package that nothing depends on."""
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")


@dataclass(frozen=True)
class PackageRoot:
    """An unpacked package: its directory, and its name and version."""

    path: Path
    version: str


def fetch_root(host: Host, cache: Path, package: str, suite: str, where: str, emit: Emit) -> PackageRoot:
    """Return `package` of `suite`, with all it depends on, unpacked in the cache.

    It is downloaded if the cache does not have it, or has it damaged.  Raises UsageError, with `where`, for a suite or
    a package that does not exist, and InfrastructureError if it cannot be fetched.
    """
    apt = Apt(host, cache / "apt" / suite, suite)
    apt.directory.mkdir(parents=True, exist_ok=True)
    with report_full_disk(cache, f"fetching {package}"), locked(host, apt.directory / "lock.orch"):
        chosen = choose(apt, package, None, where)
        packages = apt.closure(chosen)
        root = cache / "package-roots" / _key(packages)
        found = PackageRoot(root, f"{chosen.name} {chosen.version} of {suite}")
        if broken_seal(root):
            with phase(emit, found.version, "download", f"{len(packages)} packages") as progress:
                _make(apt, packages, root)
                progress(f"unpacked in {root}")
        mark_used(root)
    return found


def _key(packages: tuple[DebianPackage, ...]) -> str:
    content = json.dumps([sorted(package.sha256 for package in packages), _MERGED, _MOUNT_POINTS, _UNUSED])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _make(apt: Apt, packages: tuple[DebianPackage, ...], root: Path) -> None:
    """Download and unpack beside `root`, then rename."""
    partial, debs = root.with_suffix(".partial"), root.with_suffix(".download")
    for left in (partial, debs):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir(parents=True)
    apt.download_all(packages, debs)
    for deb in sorted(debs.iterdir()):
        check(apt.host.run(Command(("dpkg-deb", "-x", str(deb), str(partial)))), f"unpacking {deb.name}")
    _complete(partial, packages)
    KernelCache(root.parents[1]).discard(root)
    partial.rename(root)
    seal(root)
    shutil.rmtree(debs)


def _complete(partial: Path, packages: tuple[DebianPackage, ...]) -> None:
    for name in _UNUSED:
        shutil.rmtree(partial / name, ignore_errors=True)
    for name in _MERGED:
        if not (partial / name).exists():
            (partial / name).symlink_to(f"usr/{name}")
    for name in _MOUNT_POINTS:
        (partial / name).mkdir(exist_ok=True)
    lines = sorted(f"{package.name} {package.version} {package.sha256}\n" for package in packages)
    (partial / PACKAGES).write_text("".join(lines))

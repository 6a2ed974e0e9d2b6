# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels: from a named package to the packages with image, configuration and modules.

The dependencies of a meta package lead to the real package.  Until Linux 6.12 that package holds everything.  Since 7.x
the image is in linux-binary-*, the modules are in linux-modules-*, the configuration in linux-base-*.  A release that
is not signed yet has no linux-image-*; its package is linux-binary-unsigned-*.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.base import Command, Host, check
from orchestrator.kernel.apt import Apt, DebianPackage
from orchestrator.scenario.sources import ImageSource

_FOLLOWED = re.compile(r"^(linux-(?:image|binary|modules|base)-\S+) \(= (\S+)\)$")
_OF_RELEASE = re.compile(r"^linux-(?:image|binary)(?:-unsigned)?-(\d\S*?)(?:-unsigned)?$")
_COMPANIONS = ("linux-modules-", "linux-base-")
"""A signed image depends on these; an unsigned image, of a release that is not signed yet, depends on fewer."""

_UNPACK = r"""set -eu
mkdir -p "$2"
dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --exclude=./usr/share
"""


def resolve(apt: Apt, chosen: DebianPackage, where: str) -> tuple[DebianPackage, ...]:
    """Return the packages that hold the files of the kernel `chosen`, the image first.

    `chosen` is a kernel package, or a package that depends on one.  Raises UsageError, with `where`, if it is neither.
    """
    found = {chosen.name: chosen}
    pending = [chosen]
    while pending:
        for package in _followed(apt, pending.pop(0)):
            if package.name not in found:
                found[package.name] = package
                pending.append(package)
    images = sorted(filter(_OF_RELEASE.match, found), reverse=True)  # linux-image-* goes before linux-binary-*
    image = found[images[0]] if images else None
    if image is None:
        raise UsageError(f"{where}: '{chosen.name}' of Debian suite '{apt.suite}' is no kernel, and leads to none")
    found |= {package.name: package for package in _companions(apt, image) if package.name not in found}
    parts = [package for package in found.values() if re.search(r"-\d", package.name)]
    return tuple(sorted(parts, key=lambda package: (package != image, package.name)))


def _followed(apt: Apt, package: DebianPackage) -> Iterator[DebianPackage]:
    for dependency in package.depends.split(", "):
        match = _FOLLOWED.match(dependency)
        if match:
            yield from (found for found in apt.packages(match[1]) if found.version == match[2])


def _companions(apt: Apt, image: DebianPackage) -> Iterator[DebianPackage]:
    match = _OF_RELEASE.match(image.name)
    for prefix in _COMPANIONS if match else ():
        candidates = apt.packages(f"{prefix}{match[1] if match else ''}")
        yield from (package for package in candidates if package.version == image.version)


def identity(packages: tuple[DebianPackage, ...]) -> str:
    """Return a SHA-256, in hex, that identifies the content of `packages`."""
    return hashlib.sha256("\n".join(sorted(package.sha256 for package in packages)).encode()).hexdigest()


def unpack(host: Host, debs: tuple[Path, ...], root: Path) -> ImageSource:
    """Unpack a kernel's packages to `root`, and return its files there.

    Raises CommandError.  Raises InfrastructureError if the packages hold no kernel.
    """
    for deb in debs:
        argv = ("bash", "-o", "pipefail", "-c", _UNPACK, "unpack", str(deb), str(root))
        check(host.run(Command(argv, timeout=1800)), f"unpacking {deb.name}")
    for pattern in ("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz*", "lib/modules/*/vmlinuz*"):
        for image in sorted(root.glob(pattern)):
            return ImageSource(image, root if any(root.glob("**/lib/modules/*/kernel")) else None)
    raise InfrastructureError(f"{', '.join(deb.name for deb in debs)} holds no kernel image")

# SPDX-License-Identifier: GPL-2.0-only
"""Fetch or copy prebuilt kernels, and store them in the cache like own builds.

images/<id>/    fetched or copied files until the artifact is complete: Debian packages, or image, config and modules

The artifact has the image in its fastest form for QEMU, `config`, and lib/modules with all modules unpacked.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from orchestrator.arch import ARCHES, is_foreign
from orchestrator.errors import InfrastructureError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Host
from orchestrator.host.disk import report_full_disk
from orchestrator.host.full import failure
from orchestrator.host.lock import locked
from orchestrator.kernel.apt import Apt, DebianPackage, choose
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.image import debian
from orchestrator.kernel.image.find import Parts, find_parts
from orchestrator.kernel.image.modules import BELOW, copy_modules, lay_out
from orchestrator.kernel.model import KernelBuild, Prebuilt
from orchestrator.scenario.sources import DebianImageSource, ImageSource, PrebuiltSource

_FACTS = "orch.json"
"""In images/<id>: additional facts for the artifact's provenance."""


@dataclass(frozen=True)
class ImageRequest:
    """A prebuilt kernel of a scenario.

    `where` is the place of the kernel in the scenario file.
    """

    name: str
    source: PrebuiltSource
    where: str
    arch: str = "x86_64"


def fetch_image(host: Host, cache: Path, order: ImageRequest, emit: Emit) -> Prebuilt:
    """Download and verify, or copy, the files of the kernel that `order` names.

    The copy is protected from later changes.  Raises UsageError if a part is missing or does not fit the others,
    InfrastructureError if it cannot be fetched.
    """
    if isinstance(order.source, DebianImageSource):
        return _fetch_debian(host, cache, order, order.source, emit)
    return _fetch_files(host, cache, order, order.source, emit)


def _fetch_debian(host: Host, cache: Path, order: ImageRequest, source: DebianImageSource, emit: Emit) -> Prebuilt:
    apt = _apt(host, cache, source.suite, order.arch)
    apt.directory.mkdir(parents=True, exist_ok=True)
    with report_full_disk(cache, f"fetching kernel '{order.name}'"), locked(host, apt.directory / "lock.orch"):
        chosen = choose(apt, source.package, source.version, order.where)
        packages = debian.resolve(apt, chosen, order.where)
        found = _of_debian(cache, order, source, packages)
        if not _is_there(cache, found):
            with phase(emit, found.version, "download", ", ".join(package.name for package in packages)):
                _download(apt, packages, found.place)
    return found


def peek_image(host: Host, cache: Path, order: ImageRequest) -> Prebuilt | None:
    """Return the same as `fetch_image`, without fetching or copying; None if that is impossible.

    Raises UsageError if files are missing or do not fit together.
    """
    source = order.source
    if isinstance(source, ImageSource):
        return _of_files(cache, order, source, find_parts(host, source, order.arch, order.where))
    apt = _apt(host, cache, source.suite, order.arch)
    candidates = apt.packages(source.package) if (apt.directory / "fetched").exists() else ()
    chosen = next((package for package in candidates if source.version in (None, package.version)), None)
    if chosen is None:
        return None
    found = _of_debian(cache, order, source, debian.resolve(apt, chosen, order.where))
    return found if _is_there(cache, found) else None


def _apt(host: Host, cache: Path, suite: str, arch: str) -> Apt:
    """Return the suite's packages for `arch`.

    An architecture that is not this machine's has a package list of its own.
    """
    if not is_foreign(arch):
        return Apt(host, cache / "apt" / suite, suite)
    return Apt(host, cache / "apt" / f"{suite}-{arch}", suite, ARCHES[arch].debian)


def _of_debian(
    cache: Path, order: ImageRequest, source: DebianImageSource, packages: tuple[DebianPackage, ...]
) -> Prebuilt:
    identity = debian.identity(packages)
    version = f"{packages[0].name} {packages[0].version}"
    if source.package != packages[0].name:
        version = f"{source.package} of {source.suite}: {version}"
    return Prebuilt(order.name, order.where, identity, version, cache / "images" / identity[:32], order.arch)


def _is_there(cache: Path, found: Prebuilt) -> bool:
    return found.place.exists() or KernelCache(cache).artifact(found.name, found.key) is not None


def _download(apt: Apt, packages: tuple[DebianPackage, ...], place: Path) -> None:
    debs = [apt.download(package) for package in packages]
    listed = [{"name": package.name, "version": package.version, "sha256": package.sha256} for package in packages]
    with _unfinished(place) as partial:
        for deb in debs:
            deb.rename(partial / deb.name)
            deb.parent.rmdir()
        (partial / _FACTS).write_text(json.dumps({"suite": apt.suite, "packages": listed}, indent=2))
        _install(partial, place)


def _fetch_files(host: Host, cache: Path, order: ImageRequest, source: ImageSource, emit: Emit) -> Prebuilt:
    parts = find_parts(host, source, order.arch, order.where)
    found = _of_files(cache, order, source, parts)
    if _is_there(cache, found):
        return found
    with (
        report_full_disk(cache, f"copying kernel '{order.name}'"),
        phase(emit, order.name, "copy", f"Linux {parts.image.release} from {source.path}"),
        _unfinished(found.place) as partial,
    ):
        _copy(parts, partial, order.where)
        # A build in that directory may have changed files meanwhile: only the copy counts.
        found = _of_files(cache, order, source, find_parts(host, _copied(partial), order.arch, order.where))
        _install(partial, found.place)
    return found


def _of_files(cache: Path, order: ImageRequest, source: ImageSource, parts: Parts) -> Prebuilt:
    version = f"Linux {parts.image.release} from {source.path}"
    return Prebuilt(order.name, order.where, parts.id, version, cache / "images" / parts.id[:32], order.arch)


def _copy(parts: Parts, place: Path, where: str) -> None:
    (place / "image").write_bytes(parts.image.content)
    (place / "config").write_text(parts.config)
    (place / _FACTS).write_text("{}")
    try:
        if parts.modules:
            copy_modules(parts.modules, place / BELOW / parts.image.release)
    except shutil.Error as error:  # many errors of many files
        why = str(error.args[0][0][2])
        raise failure(f"{where}: {parts.modules} cannot be copied: {why}", why, InfrastructureError) from error


def _copied(place: Path) -> ImageSource:
    return ImageSource(place / "image", place if (place / BELOW).is_dir() else None, place / "config")


@contextmanager
def _unfinished(place: Path) -> Iterator[Path]:
    """Make a directory beside `place`, which may be renamed to it; remove it otherwise."""
    partial = place.with_name(f".{place.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _install(partial: Path, place: Path) -> None:
    try:
        partial.rename(place)
    except OSError:
        if not place.exists():
            raise


def prepare(host: Host, cache: KernelCache, prebuilt: Prebuilt, jobs: int, emit: Emit) -> KernelBuild:
    """Return the artifact of `prebuilt`, and make it if the cache lacks it.

    It is made with `jobs` processes.  Raises UsageError if the kernel cannot be booted here, and InfrastructureError.
    """
    found = cache.artifact(prebuilt.name, prebuilt.key)
    if found is None:
        with (
            report_full_disk(cache.root, f"unpacking kernel '{prebuilt.name}'"),
            locked(host, cache.lock(prebuilt.key)),
        ):
            found = cache.artifact(prebuilt.name, prebuilt.key) or _prepare(host, cache, prebuilt, jobs, emit)
    cache.mark_used(found)
    return found


def _prepare(host: Host, cache: KernelCache, prebuilt: Prebuilt, jobs: int, emit: Emit) -> KernelBuild:
    start = monotonic()
    with cache.workspace(prebuilt.key) as work:
        with phase(emit, prebuilt.name, "unpack", prebuilt.version):
            debs = tuple(sorted(prebuilt.place.glob("*.deb")))
            source = debian.unpack(host, debs, work / "root") if debs else _copied(prebuilt.place)
            parts = find_parts(host, source, prebuilt.arch, prebuilt.where)
            whole = work / "artifact"
            _assemble(host, parts, whole, jobs)
        build = KernelBuild(
            name=prebuilt.name,
            key=prebuilt.key,
            directory=cache.builds / prebuilt.key,
            version=parts.image.release,
            objects=0,
            seconds=monotonic() - start,
            cached=False,
            arch=prebuilt.arch,
        )
        facts = json.loads((prebuilt.place / _FACTS).read_text())
        cache.install(whole, prebuilt.key, {**provenance(build, prebuilt, parts.config), **facts})
    cache.discard(prebuilt.place)
    return build


def _assemble(host: Host, parts: Parts, whole: Path, jobs: int) -> None:
    whole.mkdir()
    (whole / parts.image.name).write_bytes(parts.image.content)
    (whole / "config").write_text(parts.config)
    if parts.modules:
        # `lay_out` replaces files and never writes to them, so links are safe.
        copy_modules(parts.modules, whole / BELOW / parts.image.release, os.link)
        lay_out(host, whole, parts.image.release, jobs)


def provenance(build: KernelBuild, prebuilt: Prebuilt, config: str) -> dict[str, object]:
    """Return the provenance of an artifact, as the JSON beside it.

    Its compiler is the one that the configuration names.
    """
    compiler = parse(config).get("CC_VERSION_TEXT", "").strip('"')
    return {
        "key": build.key,
        "kernel": prebuilt.name,
        "recipe": prebuilt.key,
        "version": build.version,
        "source": {"name": prebuilt.version, "sha256": prebuilt.id},
        "patches": [],
        "toolchain": {"compiler": compiler, "linker": "", "arch": prebuilt.arch},
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        "objects": 0,
        "seconds": round(build.seconds, 3),
    }

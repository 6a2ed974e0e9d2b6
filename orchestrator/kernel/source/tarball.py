# SPDX-License-Identifier: GPL-2.0-only
"""Sources in tarballs: fetched if they are at an address, verified, unpacked once.

sources/tar-<sha256>/      the files, without the tarball's top directory
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.events import Emit, phase
from orchestrator.host.base import Command, Host, check
from orchestrator.host.disk import removed_on_failure
from orchestrator.host.full import failure, tells_full_disk
from orchestrator.host.lock import locked
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source.sharing import share_equal_files
from orchestrator.scenario.resolve.files import is_address
from orchestrator.scenario.sources import TarballSource

_SECONDS_TO_FETCH = 3600.0
_SECONDS_TO_UNPACK = 1200.0


def fetch_tarball(host: Host, cache: Path, source: TarballSource, *, where: str, emit: Emit) -> SourceTree:
    """Return the tree in the tarball of `source`.

    Raises UsageError, with `where`, if its SHA-256 is not that in `source`, or if it is no tarball of a Linux source,
    InfrastructureError if it cannot be fetched.
    """
    name = _name(source)
    if source.sha256 and (known := _place(cache, source.sha256)).exists():
        return _tree(source, known, source.sha256)
    with locked(host, cache / "sources/tarball.lock"):
        file, digest = _verified(host, cache, source, name, where, emit)
        place = _place(cache, digest)
        if not place.exists():
            with phase(emit, name, "unpack"):
                _unpack(host, file, place, where)
        if is_address(source.location):
            file.unlink(missing_ok=True)
    return _tree(source, place, digest)


def peek_tarball(cache: Path, source: TarballSource) -> SourceTree | None:
    """Return the tree of `source` if it is unpacked already, else None."""
    path = Path(source.location)
    digest = source.sha256 or (_digest(path) if path.is_file() else "")
    place = _place(cache, digest)
    return _tree(source, place, digest) if digest and place.exists() else None


def _place(cache: Path, digest: str) -> Path:
    return cache / "sources" / f"tar-{digest[:32]}"


def _tree(source: TarballSource, place: Path, digest: str) -> SourceTree:
    version = f"{_name(source)} (sha256 {digest[:12]})"
    return SourceTree(f"tar-{digest}", version, place, named=replace(source, sha256=digest))


def _name(source: TarballSource) -> str:
    return source.location.rstrip("/").rsplit("/", 1)[-1]


def _verified(host: Host, cache: Path, source: TarballSource, name: str, where: str, emit: Emit) -> tuple[Path, str]:
    """Return the tarball on this machine, and its verified SHA-256."""
    file = Path(source.location)
    if is_address(source.location):
        file = cache / "sources" / f"{source.sha256}.download"
        file.parent.mkdir(parents=True, exist_ok=True)
        with phase(emit, name, "download"):
            _download(host, source.location, file, where)
    digest = _digest(file)
    if source.sha256 and digest != source.sha256:
        if is_address(source.location):
            file.unlink()
        raise UsageError(f"{where}: the SHA-256 of {source.location} is {digest}, not {source.sha256}")
    return file, digest


def _download(host: Host, address: str, file: Path, where: str) -> None:
    argv = ("curl", "-fsSL", "--retry", "3", "--continue-at", "-", "-o", str(file), "--", address)
    done = host.run(Command(argv, timeout=_SECONDS_TO_FETCH))
    if not done.ok:
        lines = done.output.strip().splitlines()[-1:] or [f"curl ended with status {done.status}"]
        raise failure(f"{where}: {address} cannot be fetched: {lines[0]}", done.output, InfrastructureError)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unpack(host: Host, file: Path, place: Path, where: str) -> None:
    """Unpack `file` to `place`, atomically."""
    partial = place.with_name(place.name + ".partial")
    check(host.run(Command(("rm", "-rf", str(partial)))), "removing an unfinished unpack")
    partial.mkdir(parents=True)
    argv = ("tar", "-x", "--no-same-owner", "-f", str(file), "-C", str(partial))
    done = host.run(Command(argv, timeout=_SECONDS_TO_UNPACK))
    if not done.ok and not tells_full_disk(done.output):
        check(host.run(Command(("rm", "-rf", str(partial)))), "removing an unfinished unpack")
        message = (done.output.strip().splitlines() or ["tar failed"])[0]
        raise UsageError(f"{where}: {file} cannot be unpacked: {message.removeprefix('tar: ')}")
    with removed_on_failure(host, partial):
        check(done, f"unpacking {file.name}")
    top = _top(partial)
    if top is None:
        check(host.run(Command(("rm", "-rf", str(partial)))), "removing what is no source")
        raise UsageError(f"{where}: {file} holds no Linux source tree")
    share_equal_files(place.parents[1], top)
    top.rename(place)
    if top != partial:
        check(host.run(Command(("rm", "-rf", str(partial)))), "removing what is left of an unpack")


def _top(directory: Path) -> Path | None:
    """Return the top of the source: `directory` or a subdirectory; None without a source."""
    inside = [directory, *(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())]
    return next((path for path in inside if (path / "Kbuild").exists() and (path / "Makefile").exists()), None)

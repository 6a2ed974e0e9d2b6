# SPDX-License-Identifier: GPL-2.0-only
"""Send files and directories to a host once: each is kept there under a hash of its content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from orchestrator.errors import InfrastructureError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command, Host, check
from orchestrator.host.full import needs_room_on
from orchestrator.host.scratch import scratch

_SECONDS = 60.0
_DISK_SECONDS = 600.0
"""For what waits for a disk: the source of a kernel has 90,000 files, and takes 1.8 GB."""


_OWN = 'umask 077 && mkdir -p -- "$1" && test -O "$1" && chmod 700 -- "$1"'
"""Its default lies where anybody may make directories, and who owns it could put other kernels there."""


def own_directory(host: Host, directory: Path) -> None:
    """Make `directory` on `host`, for nobody else.  Raises InfrastructureError where it is somebody else's."""
    if not host.run(Command(("sh", "-c", _OWN, "sh", str(directory)), timeout=_SECONDS)).ok:
        what = f"{host.name}: {directory} cannot be made, or is somebody else's"
        raise InfrastructureError(f"{what}; give the host another 'directory' in the inventory")


class RemoteStore:
    """What this machine has sent to `host`, below `directory` there."""

    def __init__(self, host: Host, directory: Path) -> None:
        self._host = host
        self._directory = directory
        self._placed: dict[Path, Path] = {}
        self._one = Lock()

    def push(self, path: Path, without: str | None = None, identity: str = "") -> Path:
        """Where a file or directory, which must not change, is on the host; it is sent if it is not there yet.

        In a directory, what the pattern `without` names may come and go: it is not sent.  `identity` is what its
        content is known by, where reading all of it would take long.  Raises CommandError where that fails.
        """
        with self._one:
            if path not in self._placed:
                self._placed[path] = self._send(path, identity) if without is None else self._send_copy(path, without)
            return self._placed[path]

    def _send_copy(self, path: Path, without: str) -> Path:
        with tempfile.TemporaryDirectory(prefix="orch-") as place:
            copy = Path(place) / path.name
            shutil.copytree(path, copy, symlinks=True, ignore=shutil.ignore_patterns(without))
            return self._send(copy, "")

    def _send(self, path: Path, identity: str) -> Path:
        key = hashlib.sha256(identity.encode()).hexdigest() if identity else content_hash(path)
        there = self._directory / "objects" / key
        with needs_room_on(self._host, self._directory, path.name):
            if not self._objects("look", place=there):
                with scratch(self._host, self._directory / "arriving") as arriving:
                    self._host.put(path, arriving / "object" / path.name)
                    self._objects("keep", arrived=arriving / "object", place=there)
        return there / path.name

    def _objects(self, verb: str, **where: Path) -> bool:
        """What the host says to `verb` (`agent.objects`): whether the object is whole."""
        request = sent({name: str(path) for name, path in where.items()})
        done = self._host.run(Command(program("objects", verb), stdin=request, timeout=_DISK_SECONDS))
        return bool(json.loads(check(done, f"{self._host.name}: {verb} {where['place']}").output)["whole"])


def content_hash(path: Path) -> str:
    """A hash of the names, types, modes and contents of a file, or of a directory with all in it."""
    digest = hashlib.sha256()
    for name, kind, content in _parts(path):
        digest.update(f"{name}\0{kind}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _parts(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Each file below `path` with its mode, or the kind of thing that it is, and its content or target."""
    below = (
        [path]
        if not path.is_dir()
        else sorted((Path(top) / name for top, dirs, files in os.walk(path) for name in (*dirs, *files)))
    )
    for one in below:
        status = one.lstat()
        name = str(one.relative_to(path.parent))
        if stat.S_ISLNK(status.st_mode):
            yield name, "link", os.fsencode(os.readlink(one))  # noqa: PTH115 -- as it is written
        elif stat.S_ISREG(status.st_mode):
            yield name, oct(status.st_mode & 0o777), hashlib.sha256(one.read_bytes()).digest()
        else:
            yield name, "directory", b""

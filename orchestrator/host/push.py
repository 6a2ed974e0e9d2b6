# SPDX-License-Identifier: GPL-2.0-only
"""Send files and directories to a host once, under a hash of their content."""

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
from orchestrator.host.disk import report_full_disk_on
from orchestrator.host.scratch import scratch

_SECONDS = 60.0
_DISK_SECONDS = 600.0
"""For operations that wait for a disk: the source of a kernel has 90,000 files and 1.8 GB."""


_OWN = 'umask 077 && mkdir -p -- "$1" && test -O "$1" && chmod 700 -- "$1"'
"""The default directory is in a place where any user may make directories; another owner could replace kernels
there."""


def own_directory(host: Host, directory: Path) -> None:
    """Make `directory` on `host` for this user only.

    Raises InfrastructureError if another user owns it.
    """
    if not host.run(Command(("sh", "-c", _OWN, "sh", str(directory)), timeout=_SECONDS)).ok:
        what = f"{host.name}: {directory} cannot be made, or belongs to another user"
        raise InfrastructureError(f"{what}; give the host another 'directory' in the inventory")


class RemoteStore:
    """Everything that this machine has sent to `host`, below `directory` there."""

    def __init__(self, host: Host, directory: Path) -> None:
        self._host = host
        self._directory = directory
        self._placed: dict[Path, Path] = {}
        self._lock = Lock()

    def push(self, path: Path, without: str | None = None, identity: str = "") -> Path:
        """Return the path, on the host, of a file or directory; send it if needed.

        The content of `path` must not change, except for names in a directory that match the pattern `without`; they
        are not sent.  `identity` identifies the content if reading all of it would take long.  Raises CommandError.
        """
        with self._lock:
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
        with report_full_disk_on(self._host, self._directory, path.name):
            if not self._objects("look", place=there):
                with scratch(self._host, self._directory / "arriving") as arriving:
                    self._host.put(path, arriving / "object" / path.name)
                    self._objects("keep", arrived=arriving / "object", place=there)
        return there / path.name

    def _objects(self, verb: str, **paths: Path) -> bool:
        """Run `verb` of `agent.objects` on the host; return whether the object is complete."""
        request = sent({name: str(path) for name, path in paths.items()})
        done = self._host.run(Command(program("objects", verb), stdin=request, timeout=_DISK_SECONDS))
        return bool(json.loads(check(done, f"{self._host.name}: {verb} {paths['place']}").output)["whole"])


def content_hash(path: Path) -> str:
    """Return a hash of the names, types, modes and contents of a file or directory."""
    digest = hashlib.sha256()
    for name, kind, content in _parts(path):
        digest.update(f"{name}\0{kind}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _parts(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, mode or type, and content or target of each file below `path`."""
    below = (
        [path]
        if not path.is_dir()
        else sorted((Path(top) / name for top, dirs, files in os.walk(path) for name in (*dirs, *files)))
    )
    for file in below:
        status = file.lstat()
        name = str(file.relative_to(path.parent))
        if stat.S_ISLNK(status.st_mode):
            yield name, "link", os.fsencode(os.readlink(file))  # noqa: PTH115 -- the target as it is, not normalised
        elif stat.S_ISREG(status.st_mode):
            yield name, oct(status.st_mode & 0o777), hashlib.sha256(file.read_bytes()).digest()
        else:
            yield name, "directory", b""

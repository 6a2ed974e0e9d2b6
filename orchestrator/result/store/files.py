# SPDX-License-Identifier: GPL-2.0-only
"""Files that survive a kill at any point: whole files by rename, logs by append, disk errors in one sentence."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator.errors import InfrastructureError, UsageError

_MEND = {
    errno.ENOSPC: "free some space there, or choose another results directory",
    errno.EDQUOT: "free some of your quota, or choose another results directory",
    errno.EACCES: "give yourself the permission, or choose another results directory",
    errno.EPERM: "give yourself the permission, or choose another results directory",
    errno.EROFS: "choose a results directory that is not mounted read-only",
}


def is_full(error: InfrastructureError) -> bool:
    """Whether `error`, from `disk_errors`, is that the disk or the quota is full."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an InfrastructureError that names the path, the error and what to do about it."""
    try:
        yield
    except OSError as error:
        mend = _MEND.get(error.errno or 0, "choose another results directory")
        raise InfrastructureError(f"{path}: cannot write: {error.strerror or error}; {mend}") from error


def make_directory(path: Path) -> Path:
    """Create `path` and its parents where they are missing.  Raises InfrastructureError."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` so that a reader sees the old content or the new, never a part.  Raises InfrastructureError.

    It is not synced to the disk: a killed process loses nothing, a power cut may.
    """
    # Surrogates come from console bytes that are no UTF-8; they must not stop a result from being written.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with disk_errors(path), _replacing(path) as temporary:
        temporary.write_bytes(data)


def point_symlink(link: Path, target: str) -> None:
    """Make `link` point to `target`, which is relative to it, with no moment without a link.

    Raises InfrastructureError.
    """
    with disk_errors(link), _replacing(link) as temporary:
        temporary.symlink_to(target)


def append_line(path: Path, record: Mapping[str, object]) -> None:
    """Append one JSON object as one line, or nothing of it.  Raises InfrastructureError."""
    line = (json.dumps(record, default=str) + "\n").encode()
    with disk_errors(path), path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            while line:
                line = line[file.write(line) or 0 :]
        except OSError:
            file.truncate(size)
            raise


def read_lines(path: Path) -> tuple[dict[str, object], ...]:
    """The objects of a JSON Lines file; none if it does not exist, and without a torn last line.

    Raises UsageError with ``path:line`` for a damaged line before the last.
    """
    if not path.exists():
        return ()
    whole = path.read_bytes().split(b"\n")[:-1]
    return tuple(_object(path, number, line) for number, line in enumerate(whole, 1) if line.strip())


def to_json(value: object) -> str:
    """`value` as indented JSON text with a final newline; keys keep their order, and what is no JSON becomes text."""
    return json.dumps(value, indent=2, ensure_ascii=True, default=str) + "\n"


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` as it will be once written and read: tuples become lists, and what is no JSON becomes text."""
    read: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return read


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the directory of `path`, renamed over it at the end, or removed on an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _object(path: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{path}:{number}: not a JSON object; the file was damaged after it was written")
    return value

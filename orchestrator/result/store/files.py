# SPDX-License-Identifier: GPL-2.0-only
"""Write files so that they survive a kill at any point.

Whole files are replaced by rename, logs grow by whole lines, and disk errors become one sentence.
"""

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
from orchestrator.host.full import failure

_FIX = {
    errno.ENOSPC: "free some space there, or choose another results directory",
    errno.EDQUOT: "free some of your quota, or choose another results directory",
    errno.EACCES: "give yourself the permission, or choose another results directory",
    errno.EPERM: "give yourself the permission, or choose another results directory",
    errno.EROFS: "choose a results directory that is not mounted read-only",
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an InfrastructureError that names the path, the error and a fix."""
    try:
        yield
    except OSError as error:
        fix = _FIX.get(error.errno or 0, "choose another results directory")
        raise failure(f"{path}: cannot write: {error.strerror or error}; {fix}", error, InfrastructureError) from error


def make_directory(path: Path) -> Path:
    """Create `path` and its parents if they are missing.  Raises InfrastructureError."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace `path` at once: a reader sees the old or new content.

    A reader never sees a part.  Raises InfrastructureError.  The file is not synced to the disk: a killed process loses
    nothing, but a power failure can lose it.
    """
    # Surrogates come from console bytes that are not UTF-8.  They must not prevent a result from being written.
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with disk_errors(path), _replacing(path) as temporary:
        temporary.write_bytes(data)


def point_symlink(link: Path, target: str) -> None:
    """Make `link` point to `target`, which is relative to it.

    There is a link at any time.  Raises InfrastructureError.
    """
    with disk_errors(link), _replacing(link) as temporary:
        temporary.symlink_to(target)


def append_line(path: Path, record: Mapping[str, object]) -> None:
    """Append one JSON object as one whole line, or nothing.  Raises InfrastructureError."""
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
    """Return the objects of a JSON Lines file, without an incomplete last line.

    There are none if the file does not exist.  Raises UsageError with ``path:line`` for a damaged line before the last.
    """
    if not path.exists():
        return ()
    whole = path.read_bytes().split(b"\n")[:-1]
    return tuple(_object(path, number, line) for number, line in enumerate(whole, 1) if line.strip())


def to_json(value: object) -> str:
    """Return `value` as indented JSON with a final newline.

    Keys keep their order, and what is not JSON becomes text.
    """
    return json.dumps(value, indent=2, ensure_ascii=True, default=str) + "\n"


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` as if it was written and read again.

    Tuples become lists, and what is not JSON becomes text.
    """
    read: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return read


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the directory of `path`.

    The file is renamed to `path` at the end, or removed on an error.
    """
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

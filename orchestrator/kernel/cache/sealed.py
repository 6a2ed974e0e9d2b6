# SPDX-License-Identifier: GPL-2.0-only
"""Small cache entries, checked in full on every use: the guest's root, programs, selftests.

A full disk, a power failure or a user can empty, truncate or remove files.  A guest whose busybox is empty panics, and
this must not be reported as a fault of its kernel.  So the content of an entry is recorded in a manifest when it is
made, and an entry that differs from it is made again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import uuid
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.kernel.cache.files import manifest_of

COMES_AND_GOES = "virtme-init-*"
"""Files that virtme-run puts into the guest's root during a boot.

They stay there if it is killed.
"""
UNSEALED = "nothing was recorded of it"


def seal(place: Path) -> None:
    """Record the content of the directory `place` in its manifest.  Raises OSError."""
    manifest = manifest_of(place)
    partial = manifest.with_name(f".{manifest.name}.{uuid.uuid4().hex[:8]}")
    facts = {name: [*_shape(path), _content(path)] for name, path in _below(place)}
    partial.write_bytes(gzip.compress(json.dumps(facts).encode(), 1))
    partial.replace(manifest)


def broken_seal(place: Path) -> str:
    """Return the first difference between the directory `place` and its manifest, or "".

    Returns UNSEALED if there is no manifest.  This takes ten milliseconds for the guest's root.
    """
    try:
        known = json.loads(gzip.decompress(manifest_of(place).read_bytes()))
        present = dict(_below(place))
    except FileNotFoundError:
        return UNSEALED
    except (OSError, EOFError, ValueError):
        return "what was recorded of it cannot be read"
    if not isinstance(known, dict):
        return "what was recorded of it cannot be read"
    names = sorted(known.keys() | present.keys())
    return next(filter(None, (_problem(name, present.get(name), known.get(name)) for name in names)), "")


def _problem(name: str, path: Path | None, known: object) -> str:
    if path is None:
        return f"{name} is missing"
    if not isinstance(known, list) or len(known) != 3:
        return f"{name} does not belong there"
    try:
        kind, size = _shape(path)
        if kind != known[0]:
            return f"{name} is another kind of file or has another mode"
        if size != known[1]:
            return f"{name} has {size} bytes, and had {known[1]}"
        return "" if _content(path) == known[2] else f"the content of {name} has changed"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"


def _below(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file and directory in `place`, with its relative path.

    Raises FileNotFoundError if `place` is no directory.
    """
    if not place.is_dir():
        raise FileNotFoundError(place)
    for top, directories, files in os.walk(place):
        for path in (Path(top) / name for name in (*directories, *files)):
            name = str(path.relative_to(place))
            if not fnmatchcase(name, COMES_AND_GOES):
                yield name, path


def _shape(path: Path) -> tuple[str, int]:
    """Return kind, mode and size of a file: size 0 if it is not regular."""
    status = path.lstat()
    kind = stat.filemode(status.st_mode)
    return kind, status.st_size if stat.S_ISREG(status.st_mode) else 0


def _content(path: Path) -> str:
    """Return the target of a link or the SHA-256 of a regular file.

    Other files are not opened; for them it is "".
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return str(path.readlink())
    if not stat.S_ISREG(status.st_mode):
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

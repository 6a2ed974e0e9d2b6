# SPDX-License-Identifier: GPL-2.0-only
"""Patches as files: read once and kept in the cache, so that originals may change.

patches/<hash>/<name>     a patch, by its SHA-256, written atomically
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import InfrastructureError, PatchError
from orchestrator.host.full import failure
from orchestrator.kernel.cache.store import mark_used, write_whole
from orchestrator.kernel.model import Patch
from orchestrator.kernel.patch.diff import NotAPatch, printable, read_diff
from orchestrator.kernel.patch.strip import Prefixes

LARGEST = 100 << 20
"""The largest file in bytes; the patch of a whole kernel release is smaller."""
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")
_ODD = re.compile(r"[^\w.+@=,~-]+", re.ASCII)


def contents(path: Path) -> bytes:
    """Return the bytes of a patch file or an mbox.

    Raises PatchError if it cannot be read, is no regular file, is too large, or is compressed.
    """
    shown = printable(str(path))
    try:
        # Opening a FIFO without a writer would block, and a device has no end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PatchError(f"{shown}: is no regular file; save the patch as a file")
            # The file may grow while it is read.
            data = file.read(LARGEST + 1) if status.st_size <= LARGEST else None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PatchError(f"{shown}: cannot be read as a patch: {reason}") from error
    if data is None or len(data) > LARGEST:
        raise PatchError(f"{shown}: has more than {LARGEST >> 20} MiB, which is more than a patch can have")
    if data.startswith(_COMPRESSED):
        raise PatchError(f"{shown}: is compressed; unpack it first")
    return data


def make_patch(path: Path, data: bytes, label: str, prefixes: Prefixes | None = None) -> Patch:
    """Return the patch with the bytes `data` and the name from `path`.

    `prefixes` has the series and the tree that it is for.  Raises PatchError, which begins with `label`, for what
    `read_diff` refuses.
    """
    # A patch copied from a web page lacks the last newline, and git reports it as corrupt.
    data = data if data.endswith(b"\n") else data + b"\n"
    try:
        text = (prefixes.usual(data) if prefixes else data).decode(errors="surrogateescape")
        diff = read_diff(text)
    except NotAPatch as error:
        raise PatchError(f"{label}: {error}") from None
    patch = Patch(path, text, diff.files)
    # The digest, which is in the keys of builds, must cover everything that git applies.
    if len(patch.diff) < len(text) - diff.start:
        raise PatchError(f"{label}: its first file is not named as git does it, a/FILE; make it by 'git format-patch'")
    return patch


def keep(cache: Path, patch: Patch) -> Patch:
    """Return `patch` with its file in the cache.  Raises InfrastructureError if it cannot be written."""
    data = patch.data
    place = cache / "patches" / hashlib.sha256(data).hexdigest()[:32] / _file_name(patch.path.name)
    try:
        kept = place.read_bytes() == data
    except OSError:
        kept = False
    if not kept:
        write_whole(place, data)
    mark_used(place.parent)
    return replace(patch, path=place)


def _file_name(name: str) -> str:
    """Return `name` as a short file name without characters that a shell would quote."""
    stem, suffix = Path(name).stem, Path(name).suffix[:12]
    return (_ODD.sub("-", stem).strip("-.")[:80] or "patch") + _ODD.sub("", suffix)


@contextmanager
def workplace(cache: Path) -> Iterator[Path]:
    """Make a directory in the cache for temporary files, and remove it afterwards.

    Raises InfrastructureError if it cannot be made, as on a full disk.
    """
    place = cache / "work"
    try:
        place.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="patches.", dir=place))
    except OSError as error:
        raise failure(f"{place}: cannot make a directory: {error.strerror}", error, InfrastructureError) from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)

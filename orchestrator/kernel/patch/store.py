# SPDX-License-Identifier: GPL-2.0-only
"""Patches as files: read once from wherever they are, and kept in the cache, so that a run does not depend on them.

patches/<hash>/<name>     a patch, by its SHA-256: whole or not at all
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
from orchestrator.kernel.cache.store import mark_used, write_whole
from orchestrator.kernel.model import Patch
from orchestrator.kernel.patch.diff import NotAPatch, printable, read_diff
from orchestrator.kernel.patch.strip import Prefixes

LARGEST = 100 << 20
"""Bytes after which a file is refused; a whole kernel release is less as a patch."""
_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")
_ODD = re.compile(r"[^\w.+@=,~-]+", re.ASCII)


def contents(path: Path) -> bytes:
    """The bytes of a patch file or an mbox; raises PatchError where it cannot be read, or is no such thing."""
    shown = printable(str(path))
    try:
        # A FIFO without a writer would wait for ever, and a device has no end.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PatchError(f"{shown}: is no regular file; save the patch as a file")
            # It may grow while it is read.
            data = file.read(LARGEST + 1) if status.st_size <= LARGEST else None
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise PatchError(f"{shown}: cannot be read as a patch: {told}") from error
    if data is None or len(data) > LARGEST:
        raise PatchError(f"{shown}: has more than {LARGEST >> 20} MiB, which is more than a patch can have")
    if data.startswith(_COMPRESSED):
        raise PatchError(f"{shown}: is compressed; unpack it first")
    return data


def make_patch(path: Path, data: bytes, label: str, prefixes: Prefixes | None = None) -> Patch:
    """The patch with the bytes `data`; `path` gives its name, `prefixes` knows the series and the tree it is for.

    Raises PatchError, which begins with `label`, for what `patch_text` refuses.
    """
    # What is copied from a page loses its last newline, and git calls that corrupt.
    data = data if data.endswith(b"\n") else data + b"\n"
    try:
        text = (prefixes.usual(data) if prefixes else data).decode(errors="surrogateescape")
        diff = read_diff(text)
    except NotAPatch as error:
        raise PatchError(f"{label}: {error}") from None
    patch = Patch(path, text, diff.files)
    # The digest, which is in the keys of builds, must cover all that git applies.
    if len(patch.diff) < len(text) - diff.start:
        raise PatchError(f"{label}: its first file is not named as git does it, a/FILE; make it by 'git format-patch'")
    return patch


def keep(cache: Path, patch: Patch) -> Patch:
    """`patch`, with its file in the cache.  Raises InfrastructureError where the disk refuses."""
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
    """`name` for a file, short and without what needs quotes in a shell."""
    stem, suffix = Path(name).stem, Path(name).suffix[:12]
    return (_ODD.sub("-", stem).strip("-.")[:80] or "patch") + _ODD.sub("", suffix)


@contextmanager
def workplace(cache: Path) -> Iterator[Path]:
    """A directory in the cache for files on the way, gone afterwards; raises InfrastructureError on a full disk."""
    place = cache / "work"
    try:
        place.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="patches.", dir=place))
    except OSError as error:
        raise InfrastructureError(f"{place}: cannot make a directory: {error.strerror}") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)

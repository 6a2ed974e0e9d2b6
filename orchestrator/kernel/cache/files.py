# SPDX-License-Identifier: GPL-2.0-only
"""Records of an entry's files, so that truncated or changed ones are never used.

A finished artifact is never written to again.  The sizes and SHA-256 of its files are in its provenance, together with
a SHA-256 of the provenance itself.  A pristine source has some 90,000 files, which take too long to read.  For it there
is one line per directory with a digest of the sizes, modes and times of its files: a write to a file changes its time.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISLNK

from orchestrator.kernel.model import IMAGES

PROVENANCE = "provenance.json"
MANIFEST = ".manifest.gz"
"""The suffix of a source's manifest, which is in the same directory as the source."""


_OWN = "own_sha256"
"""The key, in a provenance, of the digest of all other keys."""

FROM_GIT = "git-"
"""The prefix of a git source's name; the id of the tree object follows."""


def fingerprint(directory: Path) -> dict[str, dict[str, object]]:
    """Return size in bytes and SHA-256 of every file in `directory`.

    A directory in it has one record for all files below it.
    """
    entries = (path for path in sorted(directory.iterdir()) if path.name != PROVENANCE)
    return {path.name: _print_of(path) for path in entries}


def _print_of(path: Path) -> dict[str, object]:
    if not path.is_dir() or path.is_symlink():
        return {"size": path.lstat().st_size, "sha256": _digest(path)}
    lines = (f"{file.relative_to(path)} {_digest(file)}\n" for file in _below(path))
    whole = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
    return {**_glance_of(path), "sha256": whole}


def _glance_of(directory: Path) -> dict[str, object]:
    """Return number, sizes and times of the files of a directory, without reading them."""
    stats = [(file.relative_to(directory), file.lstat()) for file in _below(directory)]
    lines = (f"{name} {status.st_size} {status.st_mode:o} {status.st_mtime_ns}\n" for name, status in stats)
    times = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
    return {"files": len(stats), "size": sum(status.st_size for _, status in stats), "times": times}


def _below(directory: Path) -> list[Path]:
    return [path for path in sorted(directory.rglob("*")) if path.is_symlink() or not path.is_dir()]


def with_own_digest(facts: Mapping[str, object]) -> dict[str, object]:
    """Return `facts` of a provenance with their own SHA-256, so that a change is detected."""
    plain = {name: value for name, value in facts.items() if name != _OWN}
    return {**plain, _OWN: hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def looks_whole(directory: Path, facts: Mapping[str, object]) -> bool:
    """Return whether the artifact in `directory` can be used; fast enough for every use.

    It can be used if the facts and the files are as recorded, byte for byte, and so are the names, sizes and times of
    the files in its directories, which are modules.  An artifact of an earlier orch, which recorded nothing, must have
    an image and a configuration.
    """
    return next(problems(directory, facts, deep=False), None) is None


def problems(directory: Path, facts: Mapping[str, object], *, deep: bool) -> Iterator[str]:
    """Yield what is wrong with the artifact in `directory` with provenance `facts`, as sentences.

    `deep` reads every file again; without it, files in subdirectories are not read.
    """
    if _OWN in facts and with_own_digest(facts)[_OWN] != facts[_OWN]:
        yield f"the content of {PROVENANCE} has changed"
    recorded = facts.get("files")
    if not isinstance(recorded, dict):
        yield from _bare_problems(directory)
        return
    for name, known in recorded.items():
        problem = _problem(directory / name, known, deep=deep)
        if problem:
            yield problem


def _bare_problems(directory: Path) -> Iterator[str]:
    if not any((directory / name).is_file() and (directory / name).stat().st_size for name in IMAGES):
        yield "the image is missing"
    if not (directory / "config").is_file():
        yield "config is missing"


def _problem(path: Path, known: Mapping[str, object], *, deep: bool) -> str:
    if not (path.exists() or path.is_symlink()):
        return f"{path.name} is missing"
    is_directory = path.is_dir() and not path.is_symlink()
    if is_directory != ("files" in known):
        return f"{path.name} is another kind of file now"
    if not is_directory and path.lstat().st_size != known["size"]:
        return f"{path.name} has {path.lstat().st_size} bytes, and had {known['size']}"
    now = _glance_of(path) if is_directory and not deep else _print_of(path)
    # A copy of an artifact has other times, and times do not matter if the content is read.
    names = [name for name in now if name in known and not (deep and name == "times")]
    return "" if all(now[name] == known[name] for name in names) else f"the content of {path.name} has changed"


def manifest_of(tree: Path) -> Path:
    """Return the path of the manifest of the pristine source `tree`."""
    return tree.with_name(tree.name + MANIFEST)


def record_source(tree: Path, name: str) -> None:
    """Write the manifest of the pristine source `tree`, if it is missing.

    `name` is the readable name of the source.  This takes a second for Linux.  A source from git needs no manifest: its
    directory's name is the id of its content.
    """
    if tree.name.startswith(FROM_GIT) or manifest_of(tree).exists():
        return
    lines = [name, *(f"{digest} {directory}" for directory, digest in _directories(tree))]
    manifest = manifest_of(tree)
    partial = manifest.with_name(f".{manifest.name}.{uuid.uuid4().hex[:8]}")
    partial.write_bytes(gzip.compress("\n".join(lines).encode(errors="surrogateescape"), 1))
    partial.replace(manifest)


def source_name(tree: Path) -> str | None:
    """Return the readable name of the source `tree`; None if nothing was recorded."""
    return next(iter(_read(tree)), None)


def source_problems(tree: Path) -> list[str]:
    """Return the directories of the source `tree` that differ from the record.

    They are relative; "." is the top.  Returns none if nothing was recorded (see `source_name`).  This takes some two
    seconds for Linux.
    """
    name, *lines = _read(tree) or [""]
    if not name:
        return []
    then = {line.partition(" ")[2]: line.partition(" ")[0] for line in lines}
    now = dict(_directories(tree))
    return sorted(path for path in then.keys() | now.keys() if then.get(path) != now.get(path))


def git_tree_id(tree: Path, algorithm: str = "sha1") -> str:
    """Compute the id of the git tree object with the content of the directory `tree`.

    Every file is read (as by git-hash-object and git-mktree).  This takes half a minute for a Linux that is not in the
    page cache.  Git writes the files as they are in its objects: see `kernel.git.NO_CONVERSION`.
    """
    lines = []
    with os.scandir(tree) as entries:
        for entry in entries:
            status, name = entry.stat(follow_symlinks=False), os.fsencode(entry.name)
            if S_ISDIR(status.st_mode):
                lines.append((name + b"/", b"40000 " + name, git_tree_id(Path(entry.path), algorithm)))
            elif S_ISLNK(status.st_mode):
                content = os.fsencode(os.readlink(entry.path))  # noqa: PTH115 -- as it is written
                lines.append((name, b"120000 " + name, _object_id("blob", content, algorithm)))
            else:
                mode = b"100755 " if status.st_mode & 0o100 else b"100644 "
                lines.append((name, mode + name, _object_id("blob", Path(entry.path).read_bytes(), algorithm)))
    listed = b"".join(b"%s\0%s" % (head, bytes.fromhex(digest)) for _, head, digest in sorted(lines))
    return _object_id("tree", listed, algorithm)


def _object_id(kind: str, content: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def is_git_store(place: Path) -> bool:
    """Return whether `place` is a complete git store: `orch.origin` is written last."""
    return (place / "orch.origin").exists()


def _read(tree: Path) -> list[str]:
    try:
        text = gzip.decompress(manifest_of(tree).read_bytes()).decode(errors="surrogateescape")
    except FileNotFoundError:
        return []
    except (OSError, EOFError):
        return ["a source whose manifest cannot be read"]
    return text.split("\n")


def _directories(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield every directory in `tree`, with a digest of its files' names, sizes and times."""
    pending = [""]
    while pending:
        here = pending.pop()
        lines = []
        with os.scandir(tree / here) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if S_ISDIR(status.st_mode):
                    pending.append(f"{here}{entry.name}/")
                    lines.append(entry.name)
                else:
                    to = os.readlink(entry.path) if S_ISLNK(status.st_mode) else ""  # noqa: PTH115 -- quicker
                    lines.append(f"{entry.name} {status.st_mode:o} {status.st_size} {status.st_mtime_ns} {to}")
        text = "\n".join(sorted(lines)).encode(errors="surrogateescape")
        yield here.rstrip("/") or ".", hashlib.sha256(text).hexdigest()[:16]

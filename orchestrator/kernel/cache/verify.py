# SPDX-License-Identifier: GPL-2.0-only
"""Verification that the entries of the cache are as they were written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.kernel.cache.files import (
    FROM_GIT,
    PROVENANCE,
    git_tree_id,
    is_git_store,
    manifest_of,
    problems,
    source_name,
    source_problems,
)
from orchestrator.kernel.cache.sealed import UNSEALED, broken_seal
from orchestrator.kernel.cache.store import KernelCache


@dataclass(frozen=True)
class Broken:
    """An entry that must not be used: `place` must be removed, `what` is the reason."""

    place: Path
    what: str


@dataclass
class Findings:
    """The results of a verification.

    `whole` is the number of intact entries, `unrecorded` of those without a record to compare them with.  `broken` are
    the others, in an order in which they can be removed.
    """

    whole: int = 0
    unrecorded: int = 0
    broken: list[Broken] = field(default_factory=list)


Progress = Callable[[str], None]
"""Called with the name of each entry before it is read."""


def verify(cache: KernelCache, *, deep: bool = True, progress: Progress = lambda _: None) -> Findings:
    """Compare every entry with its record; nothing is written.

    `deep` reads the files of all builds and of the sources from git, and checks size, mode and time of every file of
    the other sources and of the built trees.  Without it only missing files are found.
    """
    found = Findings()
    _each(cache.builds, lambda place: _build(place, deep), found, progress)
    _each(cache.root / "sources", lambda place: _source(place, deep), found, progress)
    changed = {entry.place.name for entry in found.broken if entry.place.parent.name == "sources"}
    _each(cache.root / "trees", lambda place: _tree(place, changed, deep), found, progress)
    _each(cache.root / "recipes", lambda place: recipe_problem(cache, place), found, progress)
    for kind in _SEALED:
        _each(cache.root / kind, broken_seal, found, progress)
    _each(cache.root / "git", lambda place: _has(place, "HEAD"), found, progress)
    for kind in _ANSWERS:
        _each(cache.root / kind, _answer, found, progress)
    return found


_SEALED = ("selftests", "workloads", "guest-root", "guest-programs", "package-roots")
_ANSWERS = ("accelerators", "durations")
"""Results that were determined once; a damaged one is never used, but determined again."""
_NO_ENTRY = (".partial", ".download", ".index", ".lock", ".gz")
_NOT_RECORDED = UNSEALED


def _each(directory: Path, judge: Callable[[Path], str], found: Findings, progress: Progress) -> None:
    for place in sorted(directory.iterdir()) if directory.is_dir() else ():
        if place.name.startswith(".") or place.suffix in _NO_ENTRY:
            continue
        if directory.name == "git" and not is_git_store(place):
            continue
        progress(f"{directory.name}/{place.name[:12]}")
        problem = judge(place)
        if problem == _NOT_RECORDED:
            found.unrecorded += 1
        elif problem:
            found.broken.append(Broken(place, problem))
        else:
            found.whole += 1


def _build(place: Path, deep: bool) -> str:
    try:
        facts = json.loads((place / PROVENANCE).read_text())
        wrong = [f"{PROVENANCE} lacks '{name}'" for name in ("version", "objects", "seconds") if name not in facts]
        wrong += problems(place, facts, deep=deep) if not wrong else ()
        if deep and not wrong and facts.get("config_sha256", "") not in ("", _sha256(place / "config")):
            wrong.append("the content of config has changed")
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return f"{PROVENANCE} cannot be read"
    return "; ".join(wrong) or ("" if "files" in facts else _NOT_RECORDED)


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _source(place: Path, deep: bool) -> str:
    if not (place / "Makefile").is_file():
        return "it holds no Linux source"
    if place.name.startswith(FROM_GIT):
        return _git_source(place, place.name.removeprefix(FROM_GIT)) if deep else ""
    if source_name(place) is None:
        return _NOT_RECORDED
    changed = source_problems(place) if deep else []
    return f"{_some(changed)} not as unpacked" if changed else ""


def _git_source(place: Path, tree: str) -> str:
    found = git_tree_id(place, "sha1" if len(tree) == 40 else "sha256")
    return "" if found == tree else f"its files are not those of the git tree {tree[:12]}"


def _some(directories: list[str]) -> str:
    named = ", ".join(directories[:3]) + (", ..." if len(directories) > 3 else "")
    return f"directory {named} is" if len(directories) == 1 else f"{len(directories)} directories ({named}) are"


def _tree(place: Path, changed: set[str], deep: bool) -> str:
    try:
        facts: dict[str, Any] = json.loads((place / "tree.json").read_text())
        missing = {"name", "built_at", "source", "toolchain", "patches", "request"} - set(facts)
        source = str(facts.get("source"))
    except (OSError, ValueError, TypeError, AttributeError):
        return "tree.json cannot be read"
    if missing:
        return f"tree.json lacks '{min(missing)}'"
    lost = next((name for name in ("Makefile", "build/.config") if not (place / "tree" / name).is_file()), "")
    if lost:
        return f"{lost} is missing"
    if any(source.startswith(name) for name in changed):
        return "it shares its files with a source that has changed"
    if source_name(place / "tree") is None:
        return _NOT_RECORDED
    written = source_problems(place / "tree") if deep else []
    return f"{_some(written)} not as built" if written else ""


def recipe_problem(cache: KernelCache, place: Path) -> str:
    """Return what is wrong with the recipe at `place`, or ""."""
    key = place.read_text(errors="replace").strip()
    if key.isalnum() and (cache.builds / key).is_dir():
        return ""
    return "its build is missing"


def _has(place: Path, file: str) -> str:
    path = place / file
    return "" if path.exists() or path.is_symlink() else f"{file} is missing"


def _answer(place: Path) -> str:
    try:
        return "" if isinstance(json.loads(place.read_text()), dict) else "it is not a JSON object"
    except (OSError, ValueError, RecursionError):
        return "it cannot be read"


def broken_parts(broken: Broken) -> Iterator[Path]:
    """Yield the paths to remove for a broken entry: itself, and its manifest."""
    yield broken.place
    if manifest_of(broken.place).exists():
        yield manifest_of(broken.place)

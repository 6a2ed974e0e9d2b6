# SPDX-License-Identifier: GPL-2.0-only
"""Whether what is in the cache is what was put there."""

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
    """An entry that must not be used: `place` is what has to go, `what` is wrong with it."""

    place: Path
    what: str


@dataclass
class Findings:
    """What a look at the cache found: how many entries are whole, how many have nothing recorded to compare them
    with, and which are broken, in an order in which they can be removed."""

    whole: int = 0
    unrecorded: int = 0
    broken: list[Broken] = field(default_factory=list)


Progress = Callable[[str], None]
"""Told of each entry before it is read."""


def verify(cache: KernelCache, *, deep: bool = True, progress: Progress = lambda _: None) -> Findings:
    """Compare every entry with what was recorded when it was made.

    `deep` reads the files of all builds and of the sources that came from git, and looks at every file of the other
    sources and of the built trees; without it only what is missing shows.  Reads only.
    """
    found = Findings()
    _each(cache.builds, lambda place: _build(place, deep), found, progress)
    _each(cache.root / "sources", lambda place: _source(place, deep), found, progress)
    changed = {one.place.name for one in found.broken if one.place.parent.name == "sources"}
    _each(cache.root / "trees", lambda place: _tree(place, changed, deep), found, progress)
    _each(cache.root / "recipes", lambda place: recipe_problem(cache, place), found, progress)
    for kind in _SEALED:
        _each(cache.root / kind, broken_seal, found, progress)
    _each(cache.root / "git", lambda place: _has(place, "HEAD"), found, progress)
    for kind in _ANSWERS:
        _each(cache.root / kind, _answer, found, progress)
    return found


_SEALED = ("selftests", "workloads", "guest-root", "guest-programs")
_ANSWERS = ("accelerators", "durations")
"""What was found out once; a damaged answer is never believed, and found out again."""
_NO_ENTRY = (".partial", ".download", ".index", ".lock", ".gz")
_NOT_RECORDED = UNSEALED


def _each(directory: Path, judge: Callable[[Path], str], found: Findings, progress: Progress) -> None:
    for place in sorted(directory.iterdir()) if directory.is_dir() else ():
        if place.name.startswith(".") or place.suffix in _NO_ENTRY:
            continue
        if directory.name == "git" and not is_git_store(place):
            continue
        progress(f"{directory.name}/{place.name[:12]}")
        told = judge(place)
        if told == _NOT_RECORDED:
            found.unrecorded += 1
        elif told:
            found.broken.append(Broken(place, told))
        else:
            found.whole += 1


def _build(place: Path, deep: bool) -> str:
    try:
        facts = json.loads((place / PROVENANCE).read_text())
        told = [f"{PROVENANCE} lacks '{name}'" for name in ("version", "objects", "seconds") if name not in facts]
        told += problems(place, facts, deep=deep) if not told else ()
        if deep and not told and facts.get("config_sha256", "") not in ("", _sha256(place / "config")):
            told.append("the content of config has changed")
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return f"{PROVENANCE} cannot be read"
    return "; ".join(told) or ("" if "files" in facts else _NOT_RECORDED)


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
    """What is wrong with the recipe at `place`, "" for nothing."""
    key = place.read_text(errors="replace").strip()
    if key.isalnum() and (cache.builds / key).is_dir():
        return ""
    return "the build that it comes to is not there"


def _has(place: Path, file: str) -> str:
    there = place / file
    return "" if there.exists() or there.is_symlink() else f"{file} is missing"


def _answer(place: Path) -> str:
    try:
        return "" if isinstance(json.loads(place.read_text()), dict) else "it is no answer"
    except (OSError, ValueError, RecursionError):
        return "it cannot be read"


def broken_parts(broken: Broken) -> Iterator[Path]:
    """What has to be removed for a broken entry: it, and what was recorded of it."""
    yield broken.place
    if manifest_of(broken.place).exists():
        yield manifest_of(broken.place)

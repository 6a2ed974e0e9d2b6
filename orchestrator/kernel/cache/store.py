# SPDX-License-Identifier: GPL-2.0-only
"""The content-addressed store of kernel builds, and the built trees that builds start from.

builds/<key>/     vmlinux, config, build.log, commands.sh, provenance.json: complete, or not there
recipes/<key>     the build key that a recipe resolved to, so that a hit needs no Kconfig run
trees/<key>/      a full build's tree (tree/, tree.json, the manifest of all files), never written to again
work/             builds in progress
trash/            their remains, to be removed
failed/           logs of failed builds
locks/            a lock file per recipe and per build, and `users`, which every run holds
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.host.disk import sync_disk
from orchestrator.host.full import failure
from orchestrator.host.lock import briefly_locked
from orchestrator.kernel.built_file import built_config, built_file
from orchestrator.kernel.cache.files import PROVENANCE, fingerprint, looks_whole, record_source, with_own_digest
from orchestrator.kernel.cache.trees import Tree, best_of
from orchestrator.kernel.model import KernelBuild, Recipe
from orchestrator.kernel.source.public import source_facts


@dataclass(frozen=True)
class KernelCache:
    """The store under `root` (``$XDG_CACHE_HOME/orch``)."""

    root: Path

    @property
    def builds(self) -> Path:
        """The directory of finished artifacts, with a directory per build key."""
        return self.root / "builds"

    @property
    def users(self) -> Path:
        """The lock file of the cache (`host.lock`): shared for use, exclusive for removal."""
        return self.root / "locks/users"

    def lock(self, recipe_key: str) -> Path:
        """Return the lock file that serialises builds of one recipe, also between processes."""
        directory = self.root / "locks"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / recipe_key

    def lookup(self, recipe: Recipe) -> KernelBuild | None:
        """Return the finished build of `recipe`, or None if the cache does not have it."""
        try:
            key = (self.root / "recipes" / recipe.key).read_text().strip()
        except FileNotFoundError:
            return None
        return self.artifact(recipe.name, key)

    def remember(self, recipe: Recipe, key: str) -> None:
        """Record that `recipe` resolves to build `key`."""
        write_whole(self.root / "recipes" / recipe.key, key + "\n")

    def artifact(self, name: str, key: str) -> KernelBuild | None:
        """Return the finished build `key`, with the kernel name `name`.

        Returns None if the cache does not have it, or has it damaged.
        """
        directory = self.builds / key
        try:
            facts = json.loads((directory / PROVENANCE).read_text())
            arch = facts["toolchain"]["arch"]
            build = KernelBuild(name, key, directory, facts["version"], facts["objects"], facts["seconds"], True, arch)
            return build if looks_whole(directory, facts) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def mark_used(self, build: KernelBuild, *others: Path) -> None:
        """Record that `build`, its tree, and `others` are in use now.

        `orch cache gc` removes the least recently used entries first.
        """
        mark_used(build.directory, self.root / "trees" / build.key, self.root / "ccache", *others)

    def seed(self, recipe: Recipe) -> Tree | None:
        """Return the built tree from which `recipe` needs the least work, if any; see `best_of`."""
        return best_of(self._trees(), recipe)

    def _trees(self) -> Iterator[Tree]:
        for facts in sorted((self.root / "trees").glob("*/tree.json")):
            with suppress(ValueError, KeyError, TypeError):
                values = json.loads(facts.read_text())
                values["patches"] = tuple(values["patches"])
                if not (facts.parent / "tree/build/.config").exists():
                    continue
                yield Tree(path=facts.parent / "tree", **values)

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        """Make a directory for one build, and discard it afterwards (see `sweep`).

        Call with the recipe's lock held.  Its name is unique, because processes of a killed orch may still write to
        their directory.
        """
        work = self.root / "work"
        for left in (*work.glob(name), *work.glob(f"{name}.*")):
            self.discard(left)
        own = work / f"{name}.{uuid.uuid4().hex[:8]}"
        own.mkdir(parents=True)
        try:
            yield own
        finally:
            self.discard(own)

    def discard(self, place: Path) -> None:
        """Move `place` to the trash, because removing a kernel tree takes seconds."""
        trash = self.root / "trash"
        try:
            trash.mkdir(parents=True, exist_ok=True)
            place.rename(trash / uuid.uuid4().hex)
        except FileNotFoundError:
            return
        except OSError:  # a full disk can refuse even this
            _remove(place)

    def sweep(self) -> None:
        """Empty the trash; the directory itself stays, because other processes may discard to it."""
        for left in (self.root / "trash").glob("*"):
            _remove(left)

    @contextmanager
    def swept_when_failing(self) -> Iterator[None]:
        """Sweep at once if this machine fails: on a full disk others need the space."""
        try:
            yield
        except Interrupted:
            raise
        except (InfrastructureError, OSError):
            self.sweep()
            raise

    def keep_failed_log(self, recipe: Recipe, log: Path, what: str = "") -> Path:
        """Keep the log of a failed build for the user, and return its path.

        `what` is a suffix that names what was built, "" for the kernel.
        """
        kept = self.root / "failed" / f"{recipe.name}{what}-{recipe.key[:12]}.log"
        write_whole(kept, log.read_bytes())
        return kept

    def publish(self, build: KernelBuild, recipe: Recipe, tree: Path, files: dict[str, Path | str]) -> None:
        """Publish a finished build atomically: image and configuration of `tree`, and `files`.

        `files` maps names to a path to copy, or to a text.
        """
        partial = tree.with_name("publish")
        partial.mkdir()
        image = built_file(tree / "build" / ARCHES[recipe.toolchain.arch].image)
        shutil.copy2(image, partial / image.name, follow_symlinks=False)
        (partial / "config").write_text(built_config(tree / "build/.config"), errors="surrogateescape")
        for name, content in files.items():
            if isinstance(content, Path) and content.is_dir():
                shutil.copytree(content, partial / name, copy_function=os.link)
            elif isinstance(content, Path):
                shutil.copyfile(content, partial / name)
            else:
                (partial / name).write_text(content)
        self.install(partial, build.key, provenance(build, recipe, (partial / "config").read_bytes()))

    def install(self, whole: Path, key: str, facts: dict[str, object]) -> None:
        """Make the directory `whole` the build `key`.

        Its provenance is `facts`, with the sizes and digests of its files.
        """
        own = with_own_digest({**facts, "files": fingerprint(whole)})
        (whole / PROVENANCE).write_text(json.dumps(own, indent=2) + "\n")
        self.builds.mkdir(parents=True, exist_ok=True)
        # Two recipes can resolve to the same build at once: neither may discard what the other has just installed.
        with briefly_locked(self.lock(f"build-{key}")):
            if self.artifact("", key) is None:
                self.discard(self.builds / key)
            _install(whole, self.builds / key)

    def keep_tree(self, build: KernelBuild, recipe: Recipe, tree: Path) -> None:
        """Keep the tree of a full build, for later builds to start from."""
        place = self.root / "trees" / build.key
        kept = tree.with_name("kept")
        kept.mkdir()
        facts = {
            "name": recipe.name,
            "built_at": str(tree),
            "source": recipe.source.id,
            "toolchain": asdict(recipe.toolchain),
            "patches": [patch.digest for patch in recipe.patches],
            "request": recipe.request,
            "origin": recipe.source.origin,
            "published": recipe.source.published and not recipe.patches,
        }
        tree.rename(kept / "tree")
        (kept / "tree.json").write_text(json.dumps(facts, indent=2) + "\n")
        record_source(kept / "tree", recipe.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        _install(kept, place)


def _install(whole: Path, place: Path) -> None:
    """Move `whole` to `place`, unless it exists: another recipe can resolve to the same build."""
    sync_disk(whole)
    try:
        whole.rename(place)
    except OSError:
        if not place.exists():
            raise


def mark_used(*places: Path) -> None:
    """Record that the entries `places` are in use now; missing ones are ignored."""
    for place in places:
        with suppress(OSError):
            os.utime(place)


def _remove(place: Path) -> None:
    """Remove a directory or file as far as possible; the next sweep removes the rest.

    Another process may still write to it.
    """
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def inputs(recipe: Recipe) -> dict[str, object]:
    """Return the names of a build's inputs, as a part of its provenance.

    Equal inputs can have other names in another run.
    """
    return {
        "source": {"name": recipe.source.version, "sha256": recipe.source.id, **source_facts(recipe.source)},
        "patches": [{"name": patch.path.name, "sha256": patch.digest} for patch in recipe.patches],
    }


def provenance(build: KernelBuild, recipe: Recipe, config: bytes) -> dict[str, object]:
    """Return the provenance of an artifact, as JSON for its directory."""
    return {
        "key": build.key,
        "kernel": recipe.name,
        "recipe": recipe.key,
        "version": build.version,
        **inputs(recipe),
        "toolchain": asdict(recipe.toolchain),
        "config_sha256": hashlib.sha256(config).hexdigest(),
        "objects": build.objects,
        "seconds": round(build.seconds, 3),
    }


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file atomically: a reader sees the new content or the old one.

    Raises InfrastructureError if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise failure(f"{path}: cannot be written: {error.strerror}", error, InfrastructureError) from error

# SPDX-License-Identifier: GPL-2.0-only
"""The content-addressed store of kernel builds, and the built trees that the next builds start from.

builds/<key>/     vmlinux, config, build.log, commands.sh, provenance.json: whole, or not there
recipes/<key>     the build key that a recipe resolved to, so that a hit needs no Kconfig run
trees/<key>/      a full build's tree (tree/, tree.json, the manifest of all files), never written to again
work/             builds under way
trash/            what they left, to be removed
failed/           logs of builds that failed
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
        """Where finished artifacts lie, a directory per build key."""
        return self.root / "builds"

    @property
    def users(self) -> Path:
        """The lock file that whoever uses the cache shares, and whoever removes from it has alone (`host.lock`)."""
        return self.root / "locks/users"

    def lock(self, recipe_key: str) -> Path:
        """The lock file that serialises builds of one recipe, also between processes."""
        directory = self.root / "locks"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / recipe_key

    def lookup(self, recipe: Recipe) -> KernelBuild | None:
        """The finished build of `recipe`, if the cache has it."""
        try:
            key = (self.root / "recipes" / recipe.key).read_text().strip()
        except FileNotFoundError:
            return None
        return self.artifact(recipe.name, key)

    def remember(self, recipe: Recipe, key: str) -> None:
        """Note that `recipe` resolves to build `key`."""
        write_whole(self.root / "recipes" / recipe.key, key + "\n")

    def artifact(self, name: str, key: str) -> KernelBuild | None:
        """The finished build `key`, under the kernel name `name`, if the cache has it, whole."""
        directory = self.builds / key
        try:
            facts = json.loads((directory / PROVENANCE).read_text())
            arch = facts["toolchain"]["arch"]
            build = KernelBuild(name, key, directory, facts["version"], facts["objects"], facts["seconds"], True, arch)
            return build if looks_whole(directory, facts) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def mark_used(self, build: KernelBuild, *others: Path) -> None:
        """Note that `build`, its tree, and `others` are in use now: `orch cache gc` removes what was not, first."""
        mark_used(build.directory, self.root / "trees" / build.key, self.root / "ccache", *others)

    def seed(self, recipe: Recipe) -> Tree | None:
        """The built tree from which the least has to be made for `recipe`, if one is near enough; see `best_of`."""
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
        """A directory for one build under way, gone afterwards (see `sweep`); call with the recipe's lock held.

        It has a name that no other had: the last processes of an orch that was killed may still write to its own.
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
        """Move `place` out of the way: removing a kernel tree takes seconds that nobody should wait for."""
        trash = self.root / "trash"
        try:
            trash.mkdir(parents=True, exist_ok=True)
            place.rename(trash / uuid.uuid4().hex)
        except FileNotFoundError:
            return
        except OSError:  # a full disk can refuse even this
            _remove(place)

    def sweep(self) -> None:
        """Remove what builds have left behind; the directory itself stays, for others discard to it meanwhile."""
        for left in (self.root / "trash").glob("*"):
            _remove(left)

    @contextmanager
    def swept_when_failing(self) -> Iterator[None]:
        """Sweep at once after a failure of this machine: on a full disk, what the work left is what others lack."""
        try:
            yield
        except Interrupted:
            raise
        except (InfrastructureError, OSError):
            self.sweep()
            raise

    def keep_failed_log(self, recipe: Recipe, log: Path, what: str = "") -> Path:
        """Keep the log of a build that failed, for the user to read; `what` says of what, where not of the kernel."""
        kept = self.root / "failed" / f"{recipe.name}{what}-{recipe.key[:12]}.log"
        write_whole(kept, log.read_bytes())
        return kept

    def publish(self, build: KernelBuild, recipe: Recipe, tree: Path, files: dict[str, Path | str]) -> None:
        """Make a finished build visible, all at once: the image and configuration of `tree`, and `files` by name
        (a path to copy, or a text)."""
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
        """Make the directory `whole` the build `key`, with `facts` and what its files are as its provenance."""
        own = with_own_digest({**facts, "files": fingerprint(whole)})
        (whole / PROVENANCE).write_text(json.dumps(own, indent=2) + "\n")
        self.builds.mkdir(parents=True, exist_ok=True)
        # Two recipes can come to the same build at once: nobody may discard what the other has just installed.
        with briefly_locked(self.lock(f"build-{key}")):
            if self.artifact("", key) is None:
                self.discard(self.builds / key)
            _install(whole, self.builds / key)

    def keep_tree(self, build: KernelBuild, recipe: Recipe, tree: Path) -> None:
        """Take the tree of a full build, for later builds to start from."""
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
    """Move `whole` to `place`, unless another recipe that resolves to the same build was quicker."""
    sync_disk(whole)
    try:
        whole.rename(place)
    except OSError:
        if not place.exists():
            raise


def mark_used(*places: Path) -> None:
    """Note that the entries `places` are in use now; no error where one is not there."""
    for place in places:
        with suppress(OSError):
            os.utime(place)


def _remove(place: Path) -> None:
    """Remove a directory or a file as far as that is possible; what somebody still writes to stays for the next."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink()


def inputs(recipe: Recipe) -> dict[str, object]:
    """The part of a provenance that says what went in by name: equal inputs can have other names in another run."""
    return {
        "source": {"name": recipe.source.version, "sha256": recipe.source.id, **source_facts(recipe.source)},
        "patches": [{"name": patch.path.name, "sha256": patch.digest} for patch in recipe.patches],
    }


def provenance(build: KernelBuild, recipe: Recipe, config: bytes) -> dict[str, object]:
    """Where an artifact comes from, as the JSON that lies beside it."""
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
    """Write a file so that a reader sees all of it or the old one.

    Raises InfrastructureError where the disk refuses.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise InfrastructureError(f"{path}: cannot be written: {error.strerror}") from error

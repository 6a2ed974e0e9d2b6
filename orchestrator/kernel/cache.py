# SPDX-License-Identifier: GPL-2.0-only
"""The content-addressed store of kernel builds, and the built trees that the next builds start from.

builds/<key>/     vmlinux, config, build.log, commands.sh, provenance.json: whole, or not there
recipes/<key>     the build key that a recipe resolved to, so that a hit needs no Kconfig run
trees/<key>/      a full build's tree (tree/, tree.json), never written to again
work/             builds under way
failed/           logs of builds that failed
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

from orchestrator.errors import InfrastructureError
from orchestrator.kernel.model import IMAGE, KernelBuild, Recipe


@dataclass(frozen=True)
class Tree:
    """A built tree to clone: `built_at` is the path that its build recorded, `patches` the digests applied to it."""

    name: str
    path: Path
    built_at: str
    source: str
    toolchain: dict[str, str]
    patches: tuple[str, ...]
    request: str


@dataclass(frozen=True)
class KernelCache:
    """The store under `root` (``$XDG_CACHE_HOME/orch``)."""

    root: Path

    @property
    def builds(self) -> Path:
        """Where finished artifacts lie, a directory per build key."""
        return self.root / "builds"

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
        """The finished build `key`, under the kernel name `name`, if the cache has it."""
        directory = self.builds / key
        try:
            facts = json.loads((directory / "provenance.json").read_text())
            return KernelBuild(name, key, directory, facts["version"], facts["objects"], facts["seconds"], cached=True)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def seed(self, recipe: Recipe) -> Tree | None:
        """The built tree from which the least has to be made: same source and toolchain, and a prefix of the patches.

        An equal configuration request wins, for another one may change every object; then the longest prefix.
        """
        fitting = [tree for tree in self._trees() if _fits(tree, recipe)]
        return max(fitting, key=lambda tree: (tree.request == recipe.request, len(tree.patches)), default=None)

    def _trees(self) -> Iterator[Tree]:
        for facts in sorted((self.root / "trees").glob("*/tree.json")):
            with suppress(ValueError, KeyError, TypeError):
                values = json.loads(facts.read_text())
                values["patches"] = tuple(values["patches"])
                yield Tree(path=facts.parent / "tree", **values)

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        """A directory for one build under way, gone afterwards (see `sweep`); call with the recipe's lock held."""
        work = self.root / "work" / name
        self._discard(work)
        work.mkdir(parents=True)
        try:
            yield work
        finally:
            self._discard(work)

    def _discard(self, directory: Path) -> None:
        """Move `directory` out of the way: removing a kernel tree takes seconds that nobody should wait for."""
        if directory.exists():
            trash = self.root / "trash"
            trash.mkdir(parents=True, exist_ok=True)
            directory.rename(trash / uuid.uuid4().hex)

    def sweep(self) -> None:
        """Remove what builds have left behind."""
        shutil.rmtree(self.root / "trash", ignore_errors=True)

    def keep_failed_log(self, recipe: Recipe, log: Path) -> Path:
        """Keep the log of a build that failed, for the user to read."""
        kept = self.root / "failed" / f"{recipe.name}-{recipe.key[:12]}.log"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, kept)
        return kept

    def publish(self, build: KernelBuild, recipe: Recipe, tree: Path, files: dict[str, Path | str]) -> None:
        """Make a finished build visible, all at once: the image and configuration of `tree`, and `files` by name
        (a path to copy, or a text)."""
        partial = tree.with_name("publish")
        partial.mkdir()
        shutil.copy2(tree / "build" / IMAGE, partial / IMAGE)
        shutil.copy2(tree / "build/.config", partial / "config")
        for name, content in files.items():
            if isinstance(content, Path):
                shutil.copyfile(content, partial / name)
            else:
                (partial / name).write_text(content)
        (partial / "provenance.json").write_text(
            json.dumps(provenance(build, recipe, (partial / "config").read_bytes()), indent=2) + "\n"
        )
        self.builds.mkdir(parents=True, exist_ok=True)
        if self.artifact(build.name, build.key) is None:
            self._discard(self.builds / build.key)
        _install(partial, self.builds / build.key)

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
        }
        tree.rename(kept / "tree")
        (kept / "tree.json").write_text(json.dumps(facts, indent=2) + "\n")
        place.parent.mkdir(parents=True, exist_ok=True)
        _install(kept, place)


def _install(whole: Path, place: Path) -> None:
    """Move `whole` to `place`, unless another recipe that resolves to the same build was quicker."""
    try:
        whole.rename(place)
    except OSError:
        if not place.exists():
            raise


def _fits(tree: Tree, recipe: Recipe) -> bool:
    digests = tuple(patch.digest for patch in recipe.patches)
    same = tree.source == recipe.source.id and tree.toolchain == asdict(recipe.toolchain)
    return same and digests[: len(tree.patches)] == tree.patches


def provenance(build: KernelBuild, recipe: Recipe, config: bytes) -> dict[str, object]:
    """Where an artifact comes from, as the JSON that lies beside it."""
    return {
        "key": build.key,
        "recipe": recipe.key,
        "version": build.version,
        "source": {"name": recipe.source.version, "sha256": recipe.source.id},
        "patches": [{"name": patch.path.name, "sha256": patch.digest} for patch in recipe.patches],
        "toolchain": asdict(recipe.toolchain),
        "config_sha256": hashlib.sha256(config).hexdigest(),
        "objects": build.objects,
        "seconds": round(build.seconds, 3),
    }


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or the old one.

    Raises InfrastructureError where the disk refuses.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InfrastructureError(f"{path}: cannot be written: {error.strerror}") from error

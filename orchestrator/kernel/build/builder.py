# SPDX-License-Identifier: GPL-2.0-only
"""Build a kernel from a recipe.

The build is taken from the cache, or starts from a clone of the nearest built tree, else from pristine source.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from orchestrator.arch import ARCHES
from orchestrator.errors import ConfigError, KernelBuildError
from orchestrator.events import Emit, Event, Kind, phase
from orchestrator.host.base import Command, Completed, Host, check
from orchestrator.host.cleared import Cleared
from orchestrator.host.confined import Confined, why_not_confined
from orchestrator.host.disk import full_disk, report_full_disk
from orchestrator.host.full import tells_full_disk
from orchestrator.host.lock import locked
from orchestrator.host.recorder import Recorder
from orchestrator.kernel.build.ccache import ccache_environment
from orchestrator.kernel.build.incremental import spare_untouched
from orchestrator.kernel.built_file import built_config
from orchestrator.kernel.cache.files import record_source
from orchestrator.kernel.cache.store import KernelCache, mark_used
from orchestrator.kernel.cache.trees import Tree
from orchestrator.kernel.clone import clone, clone_build, reconcile
from orchestrator.kernel.config import fragments
from orchestrator.kernel.image.modules import BELOW, copy_modules, lay_out
from orchestrator.kernel.image.prebuilt import prepare
from orchestrator.kernel.make import ObjectCounter, debug_environment, first_error, make_argv, make_environment
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt, Recipe
from orchestrator.kernel.patch import series
from orchestrator.kernel.version import kernel_version

_WORTH_KEEPING = 300
"""If a build compiles more objects than this, because much had changed, its tree is kept for later builds."""

_LAYER = "layer"
"""The directory, beside the tree of a build, with the changes that make wrote to its sources (`host.confined`)."""

_INSTALLED = "installed"
"""The directory, beside the tree, to which the modules are installed."""

BUILD_TIMEOUT_SECONDS = 2 * 3600.0


@dataclass(frozen=True)
class Builder:
    """The parts that all builds of a run share.

    `jobs` is the number of jobs that make may run; `emit` gets the events.
    """

    host: Host
    cache: KernelCache
    jobs: int
    emit: Emit

    def build(self, recipe: AnyRecipe) -> KernelBuild:
        """Return the artifact of `recipe`, and build or prepare it if the cache lacks it.

        Raises PatchError, ConfigError, KernelBuildError (the first error of the log), InfrastructureError.
        """
        if isinstance(recipe, Prebuilt):
            return prepare(self.host, self.cache, recipe, self.jobs, self.emit)
        build = self.cache.lookup(recipe) or self._build_once(recipe)
        self.cache.mark_used(build, recipe.source.path)
        return build

    def _build_once(self, recipe: Recipe) -> KernelBuild:
        with (
            report_full_disk(self.cache.root, f"building kernel '{recipe.name}'"),
            self.cache.swept_when_failing(),
            locked(self.host, self.cache.lock(recipe.key), lambda: self._wait(recipe)),
        ):
            return self.cache.lookup(recipe) or self.make(recipe)

    def _wait(self, recipe: Recipe) -> None:
        self.emit(Event(recipe.name, "build", Kind.NOTE, "waits for another orch that builds the same"))

    def make(self, recipe: Recipe) -> KernelBuild:
        """Build `recipe` now; the caller holds its lock.

        Raises the errors of `build`.
        """
        start = monotonic()
        record_source(recipe.source.path, recipe.source.version)
        seed = self.cache.seed(recipe)
        mark_used(*(seed.path.parent,) if seed else ())
        recorder = Recorder(self.host)
        with self.cache.workspace(recipe.key) as work:
            tree, log = work / "tree", work / "build.log"
            linked = self._can_confine(recipe, work)
            make = self._for_make(recorder.lines, recipe, work, confined=linked)
            final = self._prepare(recorder, make, recipe, seed, tree, linked=linked)
            key = recipe.build_key(final)
            twin = self.cache.artifact(recipe.name, key)
            if twin is None:
                objects = self._make(make, recipe, tree, key, log)
                build = KernelBuild(
                    name=recipe.name,
                    key=key,
                    directory=self.cache.builds / key,
                    version=kernel_version(tree),
                    objects=objects,
                    seconds=monotonic() - start,
                    cached=False,
                    arch=recipe.toolchain.arch,
                )
                modules = self._install_modules(recorder, make, recipe, tree) if recipe.modules else {}
                files = {"build.log": log, "commands.sh": recorder.script(), **modules}
                self.cache.publish(build, recipe, tree, files)
                worth = seed is None or seed.request != recipe.request or objects > _WORTH_KEEPING
                if not self._wrote_to_sources(recipe, work / _LAYER) and worth:
                    self.cache.keep_tree(build, recipe, tree)
            self.cache.remember(recipe, key)
        return twin or build

    def _can_confine(self, recipe: Recipe, work: Path) -> bool:
        """Return whether make can be confined here.

        If not, a note reports it, and make works on a copy of the sources.
        """
        why = why_not_confined(self.host, work)
        if why:
            note = f"make cannot be confined here ({why}); the sources are copied, which takes longer"
            self.emit(Event(recipe.name, "build", Kind.NOTE, note))
        return not why

    def _for_make(self, lines: list[str], recipe: Recipe, work: Path, *, confined: bool) -> Host:
        """Return the host for commands that run the tree's own code.

        The commands are recorded in `lines` and see nothing of the user's environment.  If `confined`, they cannot
        write to any file of another kernel.
        """
        host: Host = Cleared(self.host)
        if confined:
            writable = self.writable(recipe, work)
            for directory in writable:
                directory.mkdir(exist_ok=True)
            host = Confined(host, work / "tree", work / _LAYER, writable)
        return Recorder(host, lines, cleared=True)

    def writable(self, recipe: Recipe, work: Path) -> tuple[Path, ...]:
        """Return the directories, beside its build directory, that the tree's code may write to."""
        installed, ccache = work / _INSTALLED, self.cache.root / "ccache"
        return (installed, ccache) if _is_published(recipe) else (installed,)

    def _wrote_to_sources(self, recipe: Recipe, layer: Path) -> bool:
        """Return whether the build changed its own sources, and emit a note if so.

        No other build starts from such a tree.
        """
        upper = layer / "upper"
        written = sorted(str(path.relative_to(upper)) for path in upper.rglob("*") if not path.is_dir())
        if written:
            some = ", ".join(written[:3]) + (f" and {len(written) - 3} more" if len(written) > 3 else "")
            note = f"its build wrote to its own sources ({some}); no other build sees that"
            self.emit(Event(recipe.name, "build", Kind.NOTE, note))
        return bool(written)

    def _prepare(self, host: Host, make: Host, recipe: Recipe, seed: Tree | None, tree: Path, *, linked: bool) -> str:
        """Make the patched, configured tree, and return the text of its final configuration."""
        goes_on = seed is not None and seed.begins(recipe)
        with phase(self.emit, recipe.name, "clone", f"from {seed.name}" if seed else "from pristine source"):
            if seed and goes_on:
                clone(host, seed.path, tree, built_at=seed.built_at, linked=linked)
            else:
                clone(host, recipe.source.path, tree, linked=linked)
        todo = recipe.patches[len(seed.patches) :] if seed and goes_on else recipe.patches
        with phase(self.emit, recipe.name, "patch", f"{len(todo)} to apply"):
            for patch in todo:
                series.apply(host, tree, patch, recipe.name)
        touched = tuple(file for patch in todo for file in patch.files)
        if seed and not goes_on:
            with phase(self.emit, recipe.name, "reconcile", f"with {seed.name}"):
                clone_build(host, seed.path, tree, seed.built_at)
                touched = reconcile(seed.path, tree, linked=linked)
        with phase(self.emit, recipe.name, "configure"):
            return self._configure(make, recipe, seed, tree, touched)

    def _configure(self, host: Host, recipe: Recipe, seed: Tree | None, tree: Path, touched: tuple[str, ...]) -> str:
        toolchain = recipe.toolchain
        same = seed and seed.request == recipe.request and not any(_decides_config(file) for file in touched)
        final = (
            built_config(tree / "build/.config") if same else fragments.resolve(host, tree, recipe.request, toolchain)
        )
        fragments.verify(tree, recipe.required, final, f"{recipe.where}: kernel '{recipe.name}'", toolchain.arch)
        if seed and not same:
            argv = make_argv(tree, toolchain, recipe.request, self.jobs, "syncconfig")
            with spare_untouched(tree):
                check(host.run(Command(argv, env=make_environment(""), timeout=600)), "make syncconfig")
        return final

    def _make(self, host: Host, recipe: Recipe, tree: Path, key: str, log: Path) -> int:
        """Build the image, and return the number of compiled objects."""
        with phase(self.emit, recipe.name, "build") as progress:
            counter = ObjectCounter(progress)
            targets = (Path(ARCHES[recipe.toolchain.arch].image).name, *(("modules",) if recipe.modules else ()))
            argv = make_argv(tree, recipe.toolchain, recipe.request, self.jobs, *targets)
            debug = debug_environment(str(tree), built_config(tree / "build/.config"))
            env = (
                make_environment(key)
                | debug
                | ccache_environment(self.cache.root, tree, writable=_is_published(recipe))
            )
            done = host.run(Command(argv, env=env, timeout=BUILD_TIMEOUT_SECONDS, on_line=counter, log=log))
            if not done.ok:
                self._fail(recipe, done, log)
        return counter.objects

    def _install_modules(self, host: Host, make: Host, recipe: Recipe, tree: Path) -> dict[str, Path | str]:
        """Install the modules beside `tree`, prepare them for a guest, and return the files.

        The result has the files to publish, by name.
        """
        installed, whole = tree.with_name(_INSTALLED), tree.with_name("modules")
        argv = make_argv(
            tree, recipe.toolchain, recipe.request, self.jobs, f"INSTALL_MOD_PATH={installed}", "modules_install"
        )
        check(
            make.run(Command(argv, env=make_environment(""), timeout=1800)),
            f"installing the modules of '{recipe.name}'",
        )
        if next(installed.rglob("*.ko"), None) is None:
            what = f"{recipe.where}: kernel '{recipe.name}' must have modules, and its configuration makes none"
            raise ConfigError(f"{what}; set some of its options to m")
        (release,) = (path.name for path in (installed / BELOW).iterdir())
        copy_modules(installed / BELOW / release, whole / BELOW / release, os.link)
        lay_out(host, whole, release, self.jobs)
        return {"lib": whole / "lib"}

    def _fail(self, recipe: Recipe, done: Completed, log: Path) -> None:
        if tells_full_disk(done.output):
            raise full_disk(self.cache.root, f"building kernel '{recipe.name}'")
        kept = self.cache.keep_failed_log(recipe, log)
        error = first_error(done.output)
        if error is None:
            check(done, f"building kernel '{recipe.name}' (log: {kept})")
        raise KernelBuildError(f"kernel '{recipe.name}' does not build: {error} (log: {kept})")


def _is_published(recipe: Recipe) -> bool:
    """Return whether all of a kernel's source is a published release.

    Only then is the output of its build safe to share with other builds.
    """
    return recipe.source.published and not recipe.patches


def _decides_config(file: str) -> bool:
    """Return whether a change of `file` can change Kconfig's answers."""
    path = Path(file)
    return path.name.startswith(("Kconfig", "Makefile", "Kbuild")) or path.parts[0] == "scripts"

# SPDX-License-Identifier: GPL-2.0-only
"""From a recipe to a kernel build: the cache first, then a clone of the nearest built tree, else from nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from orchestrator.errors import KernelBuildError
from orchestrator.events import Emit, Event, Kind, phase
from orchestrator.host.base import Completed, Host, check
from orchestrator.host.lock import locked
from orchestrator.host.record import Recorder
from orchestrator.kernel import config, patches
from orchestrator.kernel.cache import KernelCache, Tree
from orchestrator.kernel.impact import spare_untouched
from orchestrator.kernel.make import ObjectCounter, first_error, make_argv, make_environment
from orchestrator.kernel.model import IMAGE, KernelBuild, Recipe
from orchestrator.kernel.source import kernel_version

BUILD_TIMEOUT_SECONDS = 2 * 3600.0


@dataclass(frozen=True)
class Builder:
    """What every build of a run shares: where, how many jobs make may use, and who watches."""

    host: Host
    cache: KernelCache
    jobs: int
    emit: Emit

    def build(self, recipe: Recipe) -> KernelBuild:
        """The artifact of `recipe`, built now unless the cache has it.

        Raises PatchError, ConfigError, KernelBuildError (the first error of the log), InfrastructureError.
        """
        cached = self.cache.lookup(recipe)
        if cached:
            return cached
        with locked(self.host, self.cache.lock(recipe.key), lambda: self._wait(recipe)):
            return self.cache.lookup(recipe) or self._build(recipe)

    def _wait(self, recipe: Recipe) -> None:
        self.emit(Event(recipe.name, "build", Kind.NOTE, "waits for another orch that builds the same"))

    def _build(self, recipe: Recipe) -> KernelBuild:
        begun = monotonic()
        seed = self.cache.seed(recipe)
        recorder = Recorder(self.host)
        with self.cache.workspace(recipe.key) as work:
            tree, log = work / "tree", work / "build.log"
            final = self._prepare(recorder, recipe, seed, tree)
            key = recipe.build_key(final)
            twin = self.cache.artifact(recipe.name, key)
            if twin is None:
                objects = self._make(recorder, recipe, tree, key, log)
                build = KernelBuild(
                    recipe.name, key, self.cache.builds / key, kernel_version(tree), objects, monotonic() - begun, False
                )
                self.cache.publish(build, recipe, tree, {"build.log": log, "commands.sh": recorder.script()})
                if seed is None or seed.request != recipe.request:
                    self.cache.keep_tree(build, recipe, tree)
            self.cache.remember(recipe, key)
        return twin or build

    def _prepare(self, host: Host, recipe: Recipe, seed: Tree | None, tree: Path) -> str:
        """Lay out the patched, configured tree; the text of the final configuration."""
        with phase(self.emit, recipe.name, "clone", f"from {seed.name}" if seed else "from pristine source"):
            if seed:
                clone(host, seed.path, tree, built_at=seed.built_at)
            else:
                clone(host, recipe.source.path, tree)
        todo = recipe.patches[len(seed.patches) :] if seed else recipe.patches
        with phase(self.emit, recipe.name, "patch", f"{len(todo)} to apply"):
            for patch in todo:
                patches.apply(host, tree, patch, recipe.name)
        with phase(self.emit, recipe.name, "configure"):
            return self._configure(host, recipe, seed, tree, [file for patch in todo for file in patch.files])

    def _configure(self, host: Host, recipe: Recipe, seed: Tree | None, tree: Path, touched: list[str]) -> str:
        arch = recipe.toolchain.arch
        same = seed and seed.request == recipe.request and not any(_decides_config(file) for file in touched)
        final = (tree / "build/.config").read_text() if same else config.resolve(host, tree, recipe.request, arch)
        config.verify(tree, recipe.required, final, f"{recipe.where}: kernel '{recipe.name}'")
        if seed and not same:
            argv = make_argv(tree, arch, self.jobs, "syncconfig")
            with spare_untouched(tree):
                check(host.run(argv, env=make_environment(""), timeout=600), "make syncconfig")
        return final

    def _make(self, host: Host, recipe: Recipe, tree: Path, key: str, log: Path) -> int:
        """Build the image; the number of objects compiled."""
        with phase(self.emit, recipe.name, "build") as progress:
            counter = ObjectCounter(progress)
            argv = make_argv(tree, recipe.toolchain.arch, self.jobs, IMAGE)
            done = host.run(argv, env=make_environment(key), timeout=BUILD_TIMEOUT_SECONDS, on_line=counter, log=log)
            if not done.ok:
                self._fail(recipe, done, log)
        return counter.objects

    def _fail(self, recipe: Recipe, done: Completed, log: Path) -> None:
        kept = self.cache.keep_failed_log(recipe, log)
        told = first_error(done.output)
        if told is None:
            check(done, f"building kernel '{recipe.name}' (log: {kept})")
        raise KernelBuildError(f"kernel '{recipe.name}' does not build: {told} (log: {kept})")


def _decides_config(file: str) -> bool:
    """Whether a change of `file` can change what Kconfig answers."""
    path = Path(file)
    return path.name.startswith(("Kconfig", "Makefile", "Kbuild")) or path.parts[0] == "scripts"


def clone(host: Host, origin: Path, tree: Path, built_at: str = "") -> None:
    """Make `tree` a clone of `origin` with time stamps kept: source files hard-linked, the build directory copied.

    Kbuild rewrites files of its build directory in place, so links there would write through to the origin.
    `built_at` is the path at which `origin` was built: the host tools (tools/objtool) record absolute paths and would
    all be made again, and after them every object, where the records named another directory.
    """
    tree.mkdir(parents=True)
    find = ("find", str(origin), "-mindepth", "1", "-maxdepth", "1", "!", "-name", "build")
    check(host.run((*find, "-exec", "cp", "-al", "-t", str(tree), "{}", "+")), "cloning the source tree")
    if built_at:
        copy = ("cp", "-a", "--reflink=auto", str(origin / "build"), str(tree))
        check(host.run(copy), "cloning the build tree")
        check(host.run(("sh", "-c", _RELOCATE, "relocate", built_at, str(tree))), "relocating the build tree")


_RELOCATE = r"""
grep -rlZF --include='*.cmd' --include='*.d' -e "$1" "$2/build" | xargs -0r sed -i "s|$1|$2|g"
"""

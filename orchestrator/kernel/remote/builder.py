# SPDX-License-Identifier: GPL-2.0-only
"""Builds on another host.

This machine's cache is asked first, and gets the artifact at the end.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from orchestrator.arch import ARCHES
from orchestrator.errors import CommandError, InfrastructureError, KernelBuildError
from orchestrator.events import phase
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.files import PROVENANCE, problems
from orchestrator.kernel.cache.store import provenance
from orchestrator.kernel.model import KernelBuild, Recipe
from orchestrator.kernel.remote.build_host import BuildHost, Built


@dataclass(frozen=True)
class RemoteBuilder(Builder):
    """The same as `Builder`, but `there` compiles."""

    there: BuildHost

    def make(self, recipe: Recipe) -> KernelBuild:
        """See `Builder.make`; also raises InfrastructureError if the received artifact is wrong."""
        start, name = monotonic(), self.there.host.name
        try:
            built = self.there.build(recipe, self.emit)
        except KernelBuildError as error:
            raise KernelBuildError(self._with_log(recipe, str(error))) from error
        with self.cache.workspace(recipe.key) as work:
            artifact = work / "artifact"
            with phase(self.emit, recipe.name, "bring back", f"from {name}"):
                self.there.host.get(built.directory, artifact)
                why = next(iter(_wrong(recipe, built, artifact)), None)
            if why:
                raise InfrastructureError(f"{name}: what it built of kernel '{recipe.name}' cannot be taken: {why}")
            return self._keep(recipe, built, artifact, monotonic() - start)

    def _keep(self, recipe: Recipe, built: Built, artifact: Path, seconds: float) -> KernelBuild:
        twin = self.cache.artifact(recipe.name, built.key)
        build = KernelBuild(
            name=recipe.name,
            key=built.key,
            directory=self.cache.builds / built.key,
            version=built.version,
            objects=built.objects,
            seconds=seconds,
            cached=False,
            arch=recipe.toolchain.arch,
        )
        if twin is None:
            facts = provenance(build, recipe, (artifact / "config").read_bytes())
            (artifact / PROVENANCE).unlink()
            self.cache.install(artifact, build.key, {**facts, "built_on": self.there.host.name})
        self.cache.remember(recipe, build.key)
        return twin or build

    def _with_log(self, recipe: Recipe, text: str) -> str:
        """Copy the build log here, and return `text` with the path of the copy."""
        there = self.there.cache / "failed" / f"{recipe.name}-{recipe.key[:12]}.log"
        with tempfile.TemporaryDirectory(prefix="orch-") as place:
            log = Path(place) / "build.log"
            try:
                self.there.host.get(there, log)
            except CommandError:
                return f"{self.there.host.name}: {text}"
            return text.replace(str(there), str(self.cache.keep_failed_log(recipe, log)))


def _wrong(recipe: Recipe, built: Built, artifact: Path) -> list[str]:
    """Return the problems of a received artifact.

    Every file must match the host's record of it.  Configuration, source, patches and compiler must give the build key.
    The image's banner must have the build key (`make_environment`).

    A malicious host is not detected: the user of a build host trusts it.
    """
    try:
        facts = json.loads((artifact / PROVENANCE).read_text())
        config = (artifact / "config").read_text()
        banner = built.key[:12].encode() in (artifact / Path(ARCHES[recipe.toolchain.arch].image).name).read_bytes()
    except (OSError, ValueError) as error:
        return [str(error)]
    wrong = list(problems(artifact, facts, deep=True))
    if recipe.build_key(config) != built.key:
        wrong.append("its configuration, source, patches and compiler do not give its build key")
    if not banner:
        wrong.append("the image's banner does not have its build key")
    return wrong

# SPDX-License-Identifier: GPL-2.0-only
"""Builds that another host does: this machine's cache is asked first, and gets the artifact in the end."""

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
    """As `Builder`, but `there` compiles."""

    there: BuildHost

    def make(self, recipe: Recipe) -> KernelBuild:
        """See `Builder.make`; also raises InfrastructureError where what comes back is not what was built."""
        begun, name = monotonic(), self.there.host.name
        try:
            told = self.there.build(recipe, self.emit)
        except KernelBuildError as error:
            raise KernelBuildError(self._with_log(recipe, str(error))) from error
        with self.cache.workspace(recipe.key) as work:
            artifact = work / "artifact"
            with phase(self.emit, recipe.name, "bring back", f"from {name}"):
                self.there.host.get(told.directory, artifact)
                why = next(iter(_wrong(recipe, told, artifact)), None)
            if why:
                raise InfrastructureError(f"{name}: what it built of kernel '{recipe.name}' cannot be taken: {why}")
            return self._keep(recipe, told, artifact, monotonic() - begun)

    def _keep(self, recipe: Recipe, told: Built, artifact: Path, seconds: float) -> KernelBuild:
        twin = self.cache.artifact(recipe.name, told.key)
        build = KernelBuild(
            name=recipe.name,
            key=told.key,
            directory=self.cache.builds / told.key,
            version=told.version,
            objects=told.objects,
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
        """`text`, in which the log of the failed build is one that is kept here."""
        there = self.there.cache / "failed" / f"{recipe.name}-{recipe.key[:12]}.log"
        with tempfile.TemporaryDirectory(prefix="orch-") as place:
            log = Path(place) / "build.log"
            try:
                self.there.host.get(there, log)
            except CommandError:
                return f"{self.there.host.name}: {text}"
            return text.replace(str(there), str(self.cache.keep_failed_log(recipe, log)))


def _wrong(recipe: Recipe, told: Built, artifact: Path) -> list[str]:
    """What is wrong with what came back: every file must be as the host recorded it when it was built, and all of it
    what the recipe and the build key ask for.  The image says in its banner which build it is (`make_environment`).

    A host that lies is not found out: who builds there trusts it.
    """
    try:
        facts = json.loads((artifact / PROVENANCE).read_text())
        config = (artifact / "config").read_text()
        banner = told.key[:12].encode() in (artifact / Path(ARCHES[recipe.toolchain.arch].image).name).read_bytes()
    except (OSError, ValueError) as error:
        return [str(error)]
    wrong = list(problems(artifact, facts, deep=True))
    if recipe.build_key(config) != told.key:
        wrong.append("its configuration, source, patches and compiler do not give its build key")
    if not banner:
        wrong.append("the image's banner does not have its build key")
    return wrong

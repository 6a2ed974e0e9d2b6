# SPDX-License-Identifier: GPL-2.0-only
"""What the results keep of a build: facts for the report, and files for a reviewer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.agent.inodes import MIB
from orchestrator.host.base import Host
from orchestrator.host.untrusted import copy_untrusted
from orchestrator.kernel.cache.files import PROVENANCE
from orchestrator.kernel.cache.store import inputs
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt
from orchestrator.kernel.reproduce.script import keep_script, patch_name
from orchestrator.scenario.model import Kernel

MOST_LOG = 256 * MIB
"""Bytes of a file of a build that are copied to the results."""


def build_facts(build: KernelBuild, recipe: AnyRecipe, kernel: Kernel) -> dict[str, object]:
    """Return the provenance of `build`, flat, and whether this run built it.

    Of the config fragments of `kernel` the names are kept, not the paths, which are of one machine.
    """
    facts = _provenance(build, recipe)
    return {
        "version": facts["version"],
        "arch": build.arch,
        "source": facts["source"]["name"],
        "source_sha256": facts["source"]["sha256"],
        "patches": [f"{patch['name']} sha256:{patch['sha256'][:12]}" for patch in facts["patches"]],
        "compiler": facts["toolchain"]["compiler"],
        "linker": facts["toolchain"]["linker"],
        "config": [*(path.stem for path in kernel.config), *(f"{name}={value}" for name, value in kernel.options)],
        "config_sha256": facts["config_sha256"],
        "build": build.key,
        "cached": build.cached,
        "objects": build.objects,
        "build_seconds": round(build.seconds, 1),
    }


def _provenance(build: KernelBuild, recipe: AnyRecipe) -> dict[str, Any]:
    """Return the provenance of `build`, with the names that this run has for the inputs."""
    facts: dict[str, Any] = json.loads((build.directory / PROVENANCE).read_text())
    if isinstance(recipe, Prebuilt):
        named: dict[str, object] = {"source": {**facts["source"], "name": recipe.version}}
    else:
        named = inputs(recipe)
    return facts | {"kernel": build.name} | named


def keep_build_files(host: Host, build: KernelBuild, recipe: AnyRecipe, directory: Path) -> None:
    """Copy the files of a build that a reviewer needs to `directory`, and write the script that builds it again.

    They are the configuration, the log, the commands, the provenance and the patches.  Raises CommandError, and
    OddFileError if the build left something other than a file.
    """
    (directory / PROVENANCE).write_text(json.dumps(_provenance(build, recipe), indent=2) + "\n")
    for name in ("config", "build.log", "commands.sh"):
        # A prebuilt kernel has no log.
        copy_untrusted(build.directory, name, directory / name, MOST_LOG)
    patches = () if isinstance(recipe, Prebuilt) else recipe.patches
    for number, patch in enumerate(patches, 1):
        (directory / "patches").mkdir(exist_ok=True)
        (directory / patch_name(number, patch)).write_bytes(patch.data)
    keep_script(host, build, recipe, directory)

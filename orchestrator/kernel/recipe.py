# SPDX-License-Identifier: GPL-2.0-only
"""From a scenario's kernels to recipes: sources fetched, patches read and tried, the configuration request made."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from orchestrator.events import Emit
from orchestrator.host.base import Host
from orchestrator.kernel import config, patches, source
from orchestrator.kernel.model import Recipe, SourceTree, Toolchain
from orchestrator.kernel.toolchain import detect
from orchestrator.scenario.model import Kernel, Source


def recipes(host: Host, cache: Path, kernels: Iterable[Kernel], emit: Emit) -> tuple[Recipe, ...]:
    """A recipe for each of `kernels`, in order; every patch is known to apply before anything is built.

    Raises UsageError (a package that does not exist, a PatchError, a ConfigError), InfrastructureError.
    """
    toolchain = detect(host)
    request = config.virtme_request(host, virtme_configkernel(), toolchain.arch)
    trees: dict[Source, SourceTree] = {}
    made = []
    for kernel in kernels:
        if kernel.source not in trees:
            trees[kernel.source] = source.fetch(host, cache, kernel.source, where=kernel.where, emit=emit)
        made.append(compose(kernel, trees[kernel.source], request, toolchain))
    for recipe in made:
        patches.check_series(host, recipe.source.path, recipe.patches, recipe.name)
    return tuple(made)


def compose(kernel: Kernel, tree: SourceTree, virtme: str, toolchain: Toolchain) -> Recipe:
    """The recipe of `kernel` on the source `tree`; `virtme` is virtme's own request, which the kernel's comes after."""
    wanted = config.required(kernel.config, kernel.options)
    return Recipe(
        name=kernel.name,
        where=kernel.where,
        source=tree,
        patches=tuple(patch for path in kernel.patches for patch in patches.read_series(path)),
        request=config.to_text(config.parse(virtme) | config.wishes(kernel.config) | dict(wanted)),
        required=wanted,
        toolchain=toolchain,
    )


def virtme_configkernel() -> str:
    """virtme-ng's configuration program, from the environment that orch itself runs in."""
    return str(Path(sys.executable).parent / "virtme-configkernel")

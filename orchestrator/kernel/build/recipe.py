# SPDX-License-Identifier: GPL-2.0-only
"""Make recipes from a scenario's kernels: fetch sources, check patches, request configurations."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.kernel.config import fragments
from orchestrator.kernel.image.prebuilt import ImageRequest, fetch_image
from orchestrator.kernel.make import programs_of
from orchestrator.kernel.model import AnyRecipe, Patch, Recipe, SourceTree, Toolchain
from orchestrator.kernel.patch import series as patches
from orchestrator.kernel.source import fetch as source
from orchestrator.kernel.toolchain import detect, versions
from orchestrator.scenario.model import Kernel
from orchestrator.scenario.sources import PrebuiltSource, Source

Versions = tuple[tuple[str, str], ...]
"""The name and the version of each program that only some options need, such as ("pahole", "v1.24")."""

Tools = dict[tuple[str, str], tuple[str, Toolchain, Versions]]
"""Virtme's own request for the configuration, the toolchain and optional programs, by architecture and compiler."""


@dataclass(frozen=True)
class RemoteToolchain:
    """Another machine, of the architecture `arch`, that compiles instead of this one."""

    host: Host
    arch: str


def recipes(
    host: Host, cache: Path, kernels: Sequence[Kernel], emit: Emit, away: RemoteToolchain | None = None
) -> tuple[AnyRecipe, ...]:
    """Return a recipe for each of `kernels`, in order.

    Every patch is verified to apply before the first build.  `away` is the machine that compiles, None for this
    machine.  Raises UsageError (a package or ref that does not exist, a PatchError, a ConfigError),
    InfrastructureError.
    """
    tools = find_tools(host, kernels, away)
    trees: dict[Source, SourceTree] = {}
    made: list[AnyRecipe] = []
    for kernel in kernels:
        if isinstance(kernel.source, PrebuiltSource):
            made.append(
                fetch_image(host, cache, ImageRequest(kernel.name, kernel.source, kernel.where, kernel.arch), emit)
            )
            continue
        if kernel.source not in trees:
            trees[kernel.source] = source.fetch(host, cache, kernel.source, where=kernel.where, emit=emit)
        tree = trees[kernel.source]
        series = fitting_patches(host, cache, kernel, tree, emit)
        made.append(compose(kernel, tree, series, *tools[kernel.arch, kernel.compiler]))
    return tuple(made)


def fitting_patches(host: Host, cache: Path, kernel: Kernel, tree: SourceTree, emit: Emit) -> tuple[Patch, ...]:
    """Return the patches of `kernel`, verified to apply to `tree`.

    Raises PatchError or UsageError if one does not.
    """

    def say(text: str) -> None:
        emit(Event(kernel.name, "patch", Kind.NOTE, text))

    series = patches.read_patches(host, cache, kernel.patches, tree, where=kernel.where, say=say)
    return patches.fit_series(host, cache, tree, series, kernel.name, emit)


def find_tools(host: Host, kernels: Iterable[Kernel], away: RemoteToolchain | None = None) -> Tools:
    """Return the toolchains and virtme's requests for `kernels`.

    Raises InfrastructureError if this machine, or `away`, lacks a compiler.
    """
    where, native = (away.host, away.arch) if away else (host, None)
    found: Tools = {}
    built = [kernel for kernel in kernels if not kernel.prebuilt]
    asked = {option for kernel in built for option in (*fragments.wishes(kernel.config).items(), *kernel.options)}
    optional = versions(
        where, [name for option, value in sorted(asked) if value == "y" for name in programs_of(option)]
    )
    for kernel in built:
        if (kernel.arch, kernel.compiler) not in found:
            what = f"{kernel.where}: kernel '{kernel.name}'"
            toolchain = detect(where, kernel.arch, kernel.compiler, what, native)
            request = fragments.virtme_request(host, virtme_configkernel(), kernel.arch)
            found[kernel.arch, kernel.compiler] = request, toolchain, optional
    return found


def compose(
    kernel: Kernel,
    tree: SourceTree,
    series: tuple[Patch, ...],
    virtme: str,
    toolchain: Toolchain,
    optional: Versions = (),
) -> Recipe:
    """Return the recipe of `kernel` on the source `tree` with the patches `series`.

    `virtme` is virtme's own request; the kernel's request overrides it.  `optional` are the versions of the programs
    that only some options need.
    """
    modular = (("MODULES", "y"),) if kernel.modules else ()
    wanted = fragments.required(kernel.config, (*modular, *kernel.options))
    request = fragments.to_text(fragments.parse(virtme) | fragments.wishes(kernel.config) | dict(wanted))
    return Recipe(
        name=kernel.name,
        where=kernel.where,
        source=tree,
        patches=series,
        request=request + _needed(request, optional),
        required=wanted,
        toolchain=toolchain,
        modules=kernel.modules,
    )


def _needed(request: str, optional: Versions) -> str:
    """Return a comment for each program that `request` needs beside the compiler.

    The request is part of the recipe's key, so another version of the program gives another recipe.
    """
    asked = [option for option, value in fragments.parse(request).items() if value == "y"]
    needed = {name for option in asked for name in programs_of(option)}
    return "".join(f"# {name}: {version}\n" for name, version in optional if name in needed)


def virtme_configkernel() -> str:
    """Return virtme-ng's configuration program, from the environment that orch runs in."""
    return str(Path(sys.executable).parent / "virtme-configkernel")

# SPDX-License-Identifier: GPL-2.0-only
"""Replace the kernels of a scenario: make base and variant from the recipe of its base.

An override runs a scenario with a source or with patches that its author did not know.  The scenario's expectations
therefore do not apply to a replaced source, nor to the kernel's own placement if patches are added.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from orchestrator.errors import UsageError
from orchestrator.scenario.model import CapabilityOverride, Kernel, Placement, Scenario
from orchestrator.scenario.sources import GitRange, GitSource, PatchSource, Revert, Source, TreeSource
from orchestrator.yamlfile.messages import quoted

LONGEST_NAME = 40
"""Maximum length of a kernel name that is made from a longer text.  Names are row headings in tables."""


@dataclass(frozen=True)
class OtherSource:
    """A source that replaces that of the base.

    `name` is the name of the kernel made from it, `option` the command-line option that requested it.  `patches` are
    applied after those of the base, before any other.
    """

    name: str
    source: Source
    option: str
    patches: tuple[PatchSource, ...] = ()


@dataclass(frozen=True)
class MorePatches:
    """A patch to apply after the base's patches; `name` and `option` are as in `OtherSource`."""

    name: str
    patch: PatchSource
    option: str


@dataclass(frozen=True)
class Overrides:
    """The replacements for a scenario's kernels.

    `sources` is empty, or has one source (compared with the base) or two (compared with each other).  `patches` are
    applied in order to the last of `sources`, or to the base if there are none; the result is compared with the
    kernel without them.
    """

    sources: tuple[OtherSource, ...] = ()
    patches: tuple[MorePatches, ...] = ()

    @property
    def command_line(self) -> str:
        """The command-line options that request these overrides, quoted for a shell; empty for none."""
        options = [source.option for source in self.sources] + [more.option for more in self.patches]
        return " ".join(dict.fromkeys(options))


def overridden(scenario: Scenario, overrides: Overrides) -> Scenario:
    """Return `scenario` with the kernels of `overrides`, the base first.

    Machine, devices and workloads are kept.  Raises UsageError if the base's recipe cannot be used to build another
    kernel, or already has one of the patches.
    """
    if not overrides.command_line:
        return scenario
    kernels = tuple(_kernels(scenario.kernel(scenario.base), overrides))
    return replace(scenario, base=kernels[0].name, kernels=kernels, overrides=overrides.command_line)


def _kernels(base: Kernel, overrides: Overrides) -> Iterator[Kernel]:
    """Yield the base, then the kernels that are compared with it."""
    if base.prebuilt:
        option = _option(overrides.command_line)
        what = f"kernel {quoted(base.name)}, the base, is booted as it is, which is no recipe to build another one by"
        raise UsageError(f"{option}: {what}; choose a scenario whose base is built")
    last, names = base, {base.name}
    if not overrides.sources or (len(overrides.sources) == 1 and not overrides.patches):
        yield base
    else:
        names = set()  # the scenario's base is not one of the kernels
    for other in overrides.sources:
        last = with_source(base, other.source, name=_unused(other.name, names), where=other.option)
        last = replace(last, patches=last.patches + other.patches)
        names.add(last.name)
        yield last
    if overrides.patches:
        yield _patched(last, overrides.patches, names)


def with_source(kernel: Kernel, source: Source, *, name: str, where: str) -> Kernel:
    """Return the recipe of `kernel` with another source, without expectations, capabilities and known failures.

    These describe the original source only.  `where` is the prefix of messages about the new kernel.
    """
    return replace(
        kernel, name=name, source=source, where=where, expect=(), expect_vmm=(), can=CapabilityOverride(), xfail=()
    )


def _patched(kernel: Kernel, more: tuple[MorePatches, ...], names: Collection[str]) -> Kernel:
    """Return `kernel` with more patches.

    Expectations are kept for all placements except the kernel's own, as patches may change that one, and with it
    those of a VMM.
    """
    patches = list(kernel.patches)
    for added in more:
        option = _option(added.option)
        if added.patch in patches:
            raise UsageError(f"{option}: {added.name} is applied to kernel {quoted(kernel.name)} already; leave it out")
        if _needs_history(added.patch) and not isinstance(kernel.source, GitSource | TreeSource):
            what = f"the source of kernel {quoted(kernel.name)} has no history to find the commit in"
            raise UsageError(f"{option}: {what}; add --tree or --git")
        patches.append(added.patch)
    expect = tuple((placement, wanted) for placement, wanted in kernel.expect if placement is not Placement.KERNEL)
    where = " ".join(added.option for added in more)
    name = _unused(_joined([added.name for added in more]), names)
    return replace(kernel, name=name, patches=tuple(patches), expect=expect, expect_vmm=(), where=where)


def _option(command_line: str) -> str:
    """Return the first option of a command line such as `Overrides.command_line`."""
    return shlex.split(command_line)[0]


def _needs_history(patch: PatchSource) -> bool:
    return isinstance(patch, Revert) or (isinstance(patch, GitRange) and patch.repository is None)


def _joined(names: list[str]) -> str:
    """Join several names to one.

    If that is too long, use the first name and the number of the others.
    """
    name = "-".join(names)
    return name if len(name) <= LONGEST_NAME or len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more"


def _unused(name: str, names: Collection[str]) -> str:
    """Return `name`, or the first of name-2, name-3, ... that is not in `names`."""
    found, count = name, 1
    while found in names:
        count += 1
        found = f"{name}-{count}"
    return found

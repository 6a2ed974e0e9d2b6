# SPDX-License-Identifier: GPL-2.0-only
"""A scenario with other kernels in the place of its own: base and variant made on the fly from its base's recipe.

A scenario asks a question; an override asks it of a source or of patches that its author did not know.  What a source
should do is then nobody's expectation, and what patches do to the kernel's own placement neither.
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
"""Characters of a kernel's name that was made of something longer: it heads rows of tables."""


@dataclass(frozen=True)
class OtherSource:
    """A source in the place of the base's: `name` is for the kernel made of it, `option` how it was asked for."""

    name: str
    source: Source
    option: str


@dataclass(frozen=True)
class MorePatches:
    """Something to apply after the base's patches: `name` and `option` as in `OtherSource`."""

    name: str
    patch: PatchSource
    option: str


@dataclass(frozen=True)
class Overrides:
    """What takes the place of a scenario's kernels.

    `sources` is empty, one (which is compared with the base), or two (which are compared with each other).  `patches`
    are applied in order, to the last of `sources` or else to the base, and compared with it.
    """

    sources: tuple[OtherSource, ...] = ()
    patches: tuple[MorePatches, ...] = ()

    @property
    def told(self) -> str:
        """The options that ask for this, for a shell; empty for none."""
        options = [source.option for source in self.sources] + [more.option for more in self.patches]
        return " ".join(dict.fromkeys(options))


def overridden(scenario: Scenario, overrides: Overrides) -> Scenario:
    """`scenario` with the kernels of `overrides`, the base first; machine, devices and workloads stay.

    Raises UsageError where the base's recipe is none to build another kernel by, or has a patch already.
    """
    if not overrides.told:
        return scenario
    kernels = tuple(_kernels(scenario.kernel(scenario.base), overrides))
    return replace(scenario, base=kernels[0].name, kernels=kernels, overrides=overrides.told)


def _kernels(base: Kernel, overrides: Overrides) -> Iterator[Kernel]:
    """The base, and what is compared with it."""
    if base.prebuilt:
        option = _option(overrides.told)
        what = f"kernel {quoted(base.name)}, the base, is booted as it is, which is no recipe to build another one by"
        raise UsageError(f"{option}: {what}; choose a scenario whose base is built")
    last, names = base, {base.name}
    if not overrides.sources or (len(overrides.sources) == 1 and not overrides.patches):
        yield base
    else:
        names = set()  # the base is none of the kernels
    for other in overrides.sources:
        last = with_source(base, other.source, name=_unused(other.name, names), where=other.option)
        names.add(last.name)
        yield last
    if overrides.patches:
        yield _patched(last, overrides.patches, names)


def with_source(kernel: Kernel, source: Source, *, name: str, where: str) -> Kernel:
    """The recipe of `kernel` with another source, of which nobody has said what it should do or can.

    `where` is what messages about it begin with.
    """
    return replace(kernel, name=name, source=source, where=where, expect=(), can=CapabilityOverride(), xfail=())


def _patched(kernel: Kernel, more: tuple[MorePatches, ...], names: Collection[str]) -> Kernel:
    """`kernel` with more patches: other placements than its own are expected to stay what they are."""
    patches = list(kernel.patches)
    for one in more:
        option = _option(one.option)
        if one.patch in patches:
            raise UsageError(f"{option}: {one.name} is applied to kernel {quoted(kernel.name)} already; leave it out")
        if _needs_history(one.patch) and not isinstance(kernel.source, GitSource | TreeSource):
            what = f"the source of kernel {quoted(kernel.name)} has no history to find the commit in"
            raise UsageError(f"{option}: {what}; add --tree or --git")
        patches.append(one.patch)
    expect = tuple((placement, wanted) for placement, wanted in kernel.expect if placement is not Placement.KERNEL)
    where = " ".join(one.option for one in more)
    name = _unused(_joined([one.name for one in more]), names)
    return replace(kernel, name=name, patches=tuple(patches), expect=expect, where=where)


def _option(told: str) -> str:
    """The first option of those that `Overrides.told` has."""
    return shlex.split(told)[0]


def _needs_history(patch: PatchSource) -> bool:
    return isinstance(patch, Revert) or (isinstance(patch, GitRange) and patch.repository is None)


def _joined(names: list[str]) -> str:
    """One name of several, which says how many there are where all of them would be too long."""
    name = "-".join(names)
    return name if len(name) <= LONGEST_NAME or len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more"


def _unused(name: str, names: Collection[str]) -> str:
    """`name`, or the first of name-2, name-3, ... that is not among `names`."""
    found, count = name, 1
    while found in names:
        count += 1
        found = f"{name}-{count}"
    return found

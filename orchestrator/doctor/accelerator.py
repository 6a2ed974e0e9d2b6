# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator runs guests on a host, found by a real boot of a kernel that the cache has."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from orchestrator.doctor.mend import as_root
from orchestrator.doctor.model import Facts, Finding, State
from orchestrator.doctor.needs import arch_of
from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import shared
from orchestrator.kernel.cache import KernelCache
from orchestrator.kernel.cache_files import PROVENANCE
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.accelerator import choose_accelerator
from orchestrator.machine.ground import Ground
from orchestrator.machine.model import Accelerator
from orchestrator.machine.platforms import PLATFORMS
from orchestrator.machine.rootfs import guest_root

_INSTEAD = "tcg is used instead, which emulates every instruction"
_PVM = " (it is that of the module kvm_pvm, which runs no ordinary kernel)"
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


def accelerator(ground: Ground, facts: Facts, cache: Path, *, anew: bool) -> Finding:
    """Whether guests run under KVM on `ground`; a warning where they do not.

    `cache` is that of the machine orch runs on.  `anew` boots even where the answer is remembered there, which costs a
    few seconds, or half a minute where KVM hangs.
    """
    obstacle = _obstacle(facts)
    if obstacle:
        return obstacle
    qemu = PLATFORMS[ground.arch].qemu
    try:
        if qemu not in facts.programs:
            raise InfrastructureError(f"{qemu} is not there")
        kernels = _kernels(cache)
        with shared(ground.host, kernels.users):
            found = _tried(ground, cache, plainest(kernels, ground.arch), anew=anew)
    except Interrupted:
        raise
    except (InfrastructureError, OSError) as error:
        why = str(error).splitlines()[0]
        return Finding("accelerator", State.WARNING, f"/dev/kvm is there, and not tried: {why}")
    if found.name == "kvm":
        return Finding("accelerator", State.OK, f"kvm: {found.reason}")
    pvm = _PVM if facts.kvm.pvm else ""
    return Finding("accelerator", State.WARNING, f"{found.reason}{pvm}; {_INSTEAD}")


def _kernels(cache: Path) -> KernelCache:
    """The kernels in `cache`.  Raises InfrastructureError where there are none, before anything is made there."""
    if not (cache / "builds").is_dir():
        raise InfrastructureError(f"no kernel is in the cache {cache} yet; the first run will try it")
    return KernelCache(cache)


def _obstacle(facts: Facts) -> Finding | None:
    """Why KVM need not even be tried; None where it is to be."""
    kvm = facts.kvm
    if arch_of(facts.machine) not in PLATFORMS:
        known = ", ".join(PLATFORMS)
        return Finding("accelerator", State.MISSING, f"orch has no guests for {facts.machine}, only for {known}")
    if not kvm.there and kvm.flag:
        mend = as_root(facts, f"modprobe {_MODULES[kvm.flag]}")
        return Finding("accelerator", State.WARNING, f"there is no /dev/kvm; {_INSTEAD}", mend)
    if not kvm.there:
        why = "there is no /dev/kvm, and the CPU shows no virtualization: it is off in the firmware or, in a virtual"
        return Finding("accelerator", State.WARNING, f"{why} machine, on its host; {_INSTEAD}")
    if not kvm.usable:
        mend = as_root(facts, f"usermod -aG kvm {facts.user.name}")
        why = f"{facts.user.name} may not open /dev/kvm, which counts from the next login on"
        return Finding("accelerator", State.WARNING, f"{why}; {_INSTEAD}", mend)
    return None


def plainest(cache: KernelCache, arch: str) -> KernelBuild:
    """The kernel of the cache that says most of KVM and least of itself: without patches, and the smallest of those.

    Raises InfrastructureError where there is none for `arch`.
    """
    found = []
    for directory in sorted(cache.builds.glob("*")):
        build = cache.artifact(directory.name[:12], directory.name)
        if build and build.arch == arch and build.modules is None and not _patched(build):
            with suppress(OSError):
                found.append((build.image.stat().st_size, directory.name, build))
    if not found:
        raise InfrastructureError(f"no kernel for {arch} is in the cache {cache.root} yet; the first run will try it")
    return min(found)[2]


def _patched(build: KernelBuild) -> bool:
    return bool(json.loads((build.directory / PROVENANCE).read_text()).get("patches"))


def _tried(ground: Ground, cache: Path, build: KernelBuild, *, anew: bool) -> Accelerator:
    """The same question as a run's, whose answer is remembered for runs."""
    arch = build.arch
    root, qemu = guest_root(LocalHost(), cache, arch=arch), ground.qemu(arch)
    with ground.open():
        return choose_accelerator(
            ground, cache, "auto", build.image, root, qemu, ignore, arch, build.modules, anew=anew
        )

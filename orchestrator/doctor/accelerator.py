# SPDX-License-Identifier: GPL-2.0-only
"""Determine the accelerator of a host by a real boot of a cached kernel."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from orchestrator.arch import ARCHES, arch_name
from orchestrator.doctor.fixes import as_root
from orchestrator.doctor.model import Facts, HostFinding, State
from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import shared
from orchestrator.kernel.cache.files import PROVENANCE
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boothost.accelerator import choose_accelerator
from orchestrator.machine.boothost.base import BootHost
from orchestrator.machine.boothost.kvm_module import kvm_module, without_hardware
from orchestrator.machine.model import Accelerator
from orchestrator.machine.rootfs.busybox import guest_root

_INSTEAD = "tcg is used instead, which emulates every instruction"
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


def accelerator(boot_host: BootHost, facts: Facts, cache: Path, *, anew: bool) -> HostFinding:
    """Return whether guests run under KVM on `boot_host`; a warning if they do not.

    `cache` is the cache of orch's own machine.  With `anew` the boot takes place even if the answer is cached; that
    takes a few seconds, or two minutes if KVM hangs.
    """
    obstacle = _obstacle(facts)
    if obstacle:
        return obstacle
    qemu = ARCHES[boot_host.arch].qemu
    try:
        if qemu not in facts.programs:
            raise InfrastructureError(f"{qemu} is not there")
        kernels = _kernels(cache)
        with shared(boot_host.host, kernels.users):
            found = _boot(boot_host, cache, plainest(kernels, boot_host.arch), anew=anew)
    except Interrupted:
        raise
    except (InfrastructureError, OSError) as error:
        why = str(error).splitlines()[0]
        return HostFinding("accelerator", State.WARNING, f"/dev/kvm is there, and not tried: {why}{_software(facts)}")
    if found.name == "kvm":
        return HostFinding("accelerator", State.OK, f"kvm: {found.reason}{_software(facts)}")
    return HostFinding("accelerator", State.WARNING, f"{found.reason}; {_INSTEAD}")


def _software(facts: Facts) -> str:
    """Return the end of a sentence about /dev/kvm; see `without_hardware`."""
    return without_hardware(kvm_module(facts.kvm.modules, {facts.kvm.flag}))


def _kernels(cache: Path) -> KernelCache:
    """Return the kernels in `cache`.

    Raises InfrastructureError if there are none, without writing to the cache.
    """
    if not (cache / "builds").is_dir():
        raise InfrastructureError(f"no kernel is in the cache {cache} yet; the first run will try it")
    return KernelCache(cache)


def _obstacle(facts: Facts) -> HostFinding | None:
    """Return why KVM need not be tried; None if it must be."""
    kvm = facts.kvm
    if arch_name(facts.machine) not in ARCHES:
        known = ", ".join(ARCHES)
        return HostFinding("accelerator", State.MISSING, f"orch has no guests for {facts.machine}, only for {known}")
    if not kvm.there and kvm.flag:
        fix = as_root(facts, f"modprobe {_MODULES[kvm.flag]}")
        return HostFinding("accelerator", State.WARNING, f"there is no /dev/kvm; {_INSTEAD}", fix)
    if not kvm.there:
        why = "there is no /dev/kvm, and the CPU shows no virtualization: it is off in the firmware or, in a virtual"
        return HostFinding("accelerator", State.WARNING, f"{why} machine, on its host; {_INSTEAD}")
    if not kvm.usable:
        fix = as_root(facts, f"usermod -aG kvm {facts.user.name}")
        why = f"{facts.user.name} may not open /dev/kvm, which counts from the next login on"
        return HostFinding("accelerator", State.WARNING, f"{why}{_software(facts)}; {_INSTEAD}", fix)
    return None


def plainest(cache: KernelCache, arch: str) -> KernelBuild:
    """Return the best kernel of the cache for the test: without patches, the smallest.

    Raises InfrastructureError if there is none for `arch`.
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


def _boot(boot_host: BootHost, cache: Path, build: KernelBuild, *, anew: bool) -> Accelerator:
    """Choose the accelerator as a run does; the answer is cached for runs."""
    arch = build.arch
    root, qemu = guest_root(LocalHost(), cache, arch=arch), boot_host.qemu(arch)
    with boot_host.open():
        return choose_accelerator(
            boot_host, cache, "auto", build.image, root, qemu, ignore, arch, build.modules, anew=anew
        )

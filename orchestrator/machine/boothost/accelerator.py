# SPDX-License-Identifier: GPL-2.0-only
"""Find out which accelerator can run a guest, by booting one, as no simpler check is reliable.

`/dev/kvm` can exist and be opened, but still not run an ordinary guest: with one CPU model QEMU aborts, with another
the guest hangs.  The booted kernel can also be the cause: a guest that crashes or hangs under KVM shows a problem of
KVM only if the same kernel comes up without KVM.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import InfrastructureError
from orchestrator.events import Emit, phase
from orchestrator.host.full import failure
from orchestrator.host.local import LOCAL
from orchestrator.host.lock import locked
from orchestrator.machine.boothost.base import KVM, BootHost
from orchestrator.machine.boothost.kvm_module import without_hardware
from orchestrator.machine.model import Accelerator, Boot, BootEnd, BootReport
from orchestrator.machine.printk import strip_timestamp
from orchestrator.scenario.model import Machine

PROBE_DEADLINE_SECONDS = 120.0
"""Time limit for a guest to come up.

A guest under KVM has as long as one without: on a loaded host, or where the host is emulated, too, the start of
virtme-ng and QEMU alone can take half a minute, and an answer that is too early is cached.
"""

_CAME_UP = (BootEnd.OK, BootEnd.WORKLOAD)
_NOT_KNOWN = f"whether {KVM} works is not known yet"
_HOW = {
    BootEnd.HANG: f"does not come up under it within {PROBE_DEADLINE_SECONDS:.0f} s",
    BootEnd.FLOOD: "writes to its console without end",
    BootEnd.SHUTDOWN: "shuts itself down under it",
}


class UndecidedError(InfrastructureError):
    """A guest failed under KVM, and the cause is not known yet: KVM or the guest's kernel."""


def choose_accelerator(
    boot_host: BootHost,
    cache: Path,
    requested: str,
    image: Path,
    root: Path,
    qemu: str,
    emit: Emit,
    arch: str = "x86_64",
    modules: Path | None = None,
    *,
    anew: bool = False,
    doubted: set[Path] | None = None,
) -> Accelerator:
    """Return the accelerator for `boot_host`.

    It is `requested` unless that is "auto"; for "auto", it is KVM if `image` boots under KVM.  The result of the probe
    is cached per host, host kernel, module of KVM and QEMU version; with `anew`, the cached one is ignored.  If `image`
    comes up neither under KVM nor without it, the result is "tcg" and not cached, so that the next kernel is probed.
    The image is added to `doubted`; these images are not probed again.  Guests of another architecture than the host's
    can only be emulated, whatever is requested.
    """
    if arch != boot_host.arch:
        return Accelerator("tcg", f"the guest is {arch}, which {_whose(boot_host)} must emulate")
    if requested != "auto":
        return Accelerator(requested, "set by the scenario")
    if why_not := boot_host.kvm():
        return Accelerator("tcg", why_not)
    module = boot_host.kvm_module()
    key = hashlib.sha256(repr((boot_host.identity, qemu, module)).encode()).hexdigest()[:16]
    answer = cache / "accelerators" / f"{key}.json"
    with locked(boot_host.host, answer.with_suffix(".lock")):
        known = None if anew else _remembered(answer)
        if known:
            return known
        if doubted is not None and image in doubted:
            return Accelerator("tcg", f"{_NOT_KNOWN}: this kernel does not come up under tcg, either")
        with phase(emit, "host", "probe KVM"):
            found, decided = _probe(boot_host, image, root, arch, modules)
        if found.name != "kvm":
            found = Accelerator(found.name, found.reason + without_hardware(module))
        if decided:
            answer.write_text(json.dumps(asdict(found)))
        elif doubted is not None:
            doubted.add(image)
    return found


def _remembered(answer: Path) -> Accelerator | None:
    """Return the cached accelerator in the file `answer`.

    Returns None if the file is missing or damaged.
    """
    with suppress(FileNotFoundError, ValueError, TypeError):
        found = Accelerator(**json.loads(answer.read_text()))
        return found if found.name in ("kvm", "tcg") and isinstance(found.reason, str) else None
    return None


def _probe(boot_host: BootHost, image: Path, root: Path, arch: str, modules: Path | None) -> tuple[Accelerator, bool]:
    """Return the accelerator for `boot_host`, and whether this holds for every kernel, not only for `image`."""
    try:
        return judge_kvm(_try(boot_host, "kvm", image, root, arch, modules)), True
    except UndecidedError as error:
        emulated = _try(boot_host, "tcg", image, root, arch, modules)
        if emulated.end in _CAME_UP:
            return Accelerator("tcg", f"{KVM} is there, but {error}, and comes up under tcg"), True
        return Accelerator("tcg", f"{_NOT_KNOWN}: {error}, and does not come up under tcg, either"), False


def _whose(boot_host: BootHost) -> str:
    return "this machine" if boot_host.host.name == LOCAL else boot_host.host.name


def _try(boot_host: BootHost, accelerator: str, image: Path, root: Path, arch: str, modules: Path | None) -> BootReport:
    with TemporaryDirectory(prefix="orch-probe-") as name:
        directory = Path(name)
        share, seconds = directory / "share", PROBE_DEADLINE_SECONDS
        boot = Boot(image, root, share, root, "true", Machine(), (), accelerator, seconds, arch=arch, modules=modules)
        return boot_host.boot(boot, directory / "console.log", lambda _: None).report


def judge_kvm(report: BootReport) -> Accelerator:
    """Return the accelerator to use after a boot under KVM that ended as `report`.

    Raises UndecidedError if the guest started and then failed, and InfrastructureError if it could not be started:
    neither shows by itself whether KVM works.
    """
    if report.end in _CAME_UP:
        return Accelerator("kvm", "a guest booted under it")
    message = report.why or (strip_timestamp(report.lines[0].strip()).strip() if report.lines else "it wrote nothing")
    if report.end is not BootEnd.QEMU:
        raise UndecidedError(f"this kernel {_HOW.get(report.end, 'crashes under it')}: {message}")
    if report.why:
        raise UndecidedError(f"with this kernel {message}")
    if "kvm" not in " ".join(report.lines).lower():
        raise failure(f"cannot boot anything, to find out whether {KVM} works: {message}", message, InfrastructureError)
    return Accelerator("tcg", f"{KVM} is there, but QEMU cannot use it: {message}")

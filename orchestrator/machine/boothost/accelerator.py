# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator really runs a guest here: found by booting one, because nothing less tells.

`/dev/kvm` can exist, open, and still not run an ordinary guest: with one CPU model QEMU aborts, with another the
guest hangs.  But the kernel that is booted can be the one at fault: a guest that crashes or hangs under KVM says
something of KVM only where the same kernel comes up without it.
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
from orchestrator.host.local import LOCAL
from orchestrator.host.lock import locked
from orchestrator.machine.boothost.base import KVM, BootHost
from orchestrator.machine.console import without_time
from orchestrator.machine.model import Accelerator, Boot, BootEnd, BootReport
from orchestrator.scenario.model import Machine

PROBE_DEADLINE_SECONDS = {"kvm": 30.0, "tcg": 90.0}
"""How long a guest may take to come up, by accelerator: emulated, a distribution's kernel is many times slower."""

_CAME_UP = (BootEnd.OK, BootEnd.WORKLOAD)
_NOT_KNOWN = f"whether {KVM} works is not known yet"
_HOW = {
    BootEnd.HANG: f"does not come up under it within {PROBE_DEADLINE_SECONDS['kvm']:.0f} s",
    BootEnd.FLOOD: "writes to its console without end",
    BootEnd.SHUTDOWN: "shuts itself down under it",
}


class UndecidedError(InfrastructureError):
    """A guest failed under KVM, and nothing says yet whether KVM or the guest's kernel is at fault."""


def choose_accelerator(
    boot_host: BootHost,
    cache: Path,
    wish: str,
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
    """The accelerator for `boot_host`: `wish` where the scenario names one, else KVM if `image` boots under it.

    The answer of the probe is cached per host, host kernel and QEMU version; `anew` asks for another.  An `image` that
    comes up neither under KVM nor without it decides nothing, and is emulated: the next kernel is asked.  It is added
    to `doubted`, whose images are not asked again.  Guests of another architecture than the host's can only be
    emulated, whatever is wished.
    """
    if arch != boot_host.arch:
        return Accelerator("tcg", f"the guest is {arch}, which {_whose(boot_host)} must emulate")
    if wish != "auto":
        return Accelerator(wish, "the scenario says so")
    if why_not := boot_host.kvm():
        return Accelerator("tcg", why_not)
    key = hashlib.sha256(repr((boot_host.identity, qemu)).encode()).hexdigest()[:16]
    answer = cache / "accelerators" / f"{key}.json"
    with locked(boot_host.host, answer.with_suffix(".lock")):
        known = None if anew else _remembered(answer)
        if known:
            return known
        if doubted is not None and image in doubted:
            return Accelerator("tcg", f"{_NOT_KNOWN}: this kernel does not come up under tcg, either")
        with phase(emit, "host", "probe KVM"):
            found, decided = _probe(boot_host, image, root, arch, modules)
        if decided:
            answer.write_text(json.dumps(asdict(found)))
        elif doubted is not None:
            doubted.add(image)
    return found


def _remembered(answer: Path) -> Accelerator | None:
    """What the file `answer` says; None where there is none, or it is damaged."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        found = Accelerator(**json.loads(answer.read_text()))
        return found if found.name in ("kvm", "tcg") and isinstance(found.reason, str) else None
    return None


def _probe(boot_host: BootHost, image: Path, root: Path, arch: str, modules: Path | None) -> tuple[Accelerator, bool]:
    """What runs guests on `boot_host`, and whether that is certain: whatever the kernel that was tried is worth."""
    try:
        return judge_kvm(_try(boot_host, "kvm", image, root, arch, modules)), True
    except UndecidedError as doubt:
        emulated = _try(boot_host, "tcg", image, root, arch, modules)
        if emulated.end in _CAME_UP:
            return Accelerator("tcg", f"{KVM} is there, but {doubt}, and comes up under tcg"), True
        return Accelerator("tcg", f"{_NOT_KNOWN}: {doubt}, and does not come up under tcg, either"), False


def _whose(boot_host: BootHost) -> str:
    return "this machine" if boot_host.host.name == LOCAL else boot_host.host.name


def _try(boot_host: BootHost, accelerator: str, image: Path, root: Path, arch: str, modules: Path | None) -> BootReport:
    with TemporaryDirectory(prefix="orch-probe-") as name:
        directory = Path(name)
        share, seconds = directory / "share", PROBE_DEADLINE_SECONDS[accelerator]
        plan = Boot(image, root, share, root, "true", Machine(), (), accelerator, seconds, arch=arch, modules=modules)
        return boot_host.boot(plan, directory / "console.log", lambda _: None).report


def judge_kvm(report: BootReport) -> Accelerator:
    """What a boot under KVM that ended as `report` says of it.

    Raises UndecidedError where the guest got under way and then failed, InfrastructureError where the boot could not
    even be tried: neither says anything of KVM by itself.
    """
    if report.end in _CAME_UP:
        return Accelerator("kvm", "a guest booted under it")
    told = report.why or (without_time(report.lines[0]) if report.lines else "it wrote nothing")
    if report.end is not BootEnd.QEMU:
        raise UndecidedError(f"this kernel {_HOW.get(report.end, 'crashes under it')}: {told}")
    if report.why:
        raise UndecidedError(f"with this kernel {told}")
    if "kvm" not in " ".join(report.lines).lower():
        raise InfrastructureError(f"cannot boot anything, to find out whether {KVM} works: {told}")
    return Accelerator("tcg", f"{KVM} is there, but QEMU cannot use it: {told}")

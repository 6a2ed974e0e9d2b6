# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator really runs a guest here: found by booting one, because nothing less tells.

`/dev/kvm` can exist, open, and still not run an ordinary guest: with one CPU model QEMU aborts, with another the
guest hangs.
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
from orchestrator.machine.ground import KVM, Ground
from orchestrator.machine.model import Accelerator, Boot, BootEnd, BootReport
from orchestrator.scenario.model import Machine

PROBE_DEADLINE_SECONDS = 30.0


def choose_accelerator(
    ground: Ground,
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
) -> Accelerator:
    """The accelerator for `ground`: `wish` where the scenario names one, else KVM if `image` boots under it.

    The answer of the probe is cached per host, host kernel and QEMU version; `anew` asks for another.  Guests of
    another architecture than the host's can only be emulated, whatever is wished.
    """
    if arch != ground.arch:
        return Accelerator("tcg", f"the guest is {arch}, which {_whose(ground)} must emulate")
    if wish != "auto":
        return Accelerator(wish, "the scenario says so")
    if why_not := ground.kvm():
        return Accelerator("tcg", why_not)
    key = hashlib.sha256(repr((ground.identity, qemu)).encode()).hexdigest()[:16]
    answer = cache / "accelerators" / f"{key}.json"
    with locked(ground.host, answer.with_suffix(".lock")):
        with suppress(FileNotFoundError, ValueError, TypeError):
            if not anew:
                return Accelerator(**json.loads(answer.read_text()))
        with phase(emit, "host", "probe KVM"):
            report = _try_kvm(ground, image, root, arch, modules)
        found = judge_kvm(report)
        answer.write_text(json.dumps(asdict(found)))
    return found


def _whose(ground: Ground) -> str:
    return "this machine" if ground.host.name == LOCAL else ground.host.name


def _try_kvm(ground: Ground, image: Path, root: Path, arch: str, modules: Path | None) -> BootReport:
    with TemporaryDirectory(prefix="orch-probe-") as name:
        directory = Path(name)
        share, seconds = directory / "share", PROBE_DEADLINE_SECONDS
        plan = Boot(image, root, share, root, "true", Machine(), (), "kvm", seconds, arch=arch, modules=modules)
        return ground.boot(plan, directory / "console.log", lambda _: None).report


def judge_kvm(report: BootReport) -> Accelerator:
    """What a boot under KVM that ended as `report` says of it.

    Raises InfrastructureError where the boot could not even be tried: that says nothing of KVM.
    """
    if report.end is BootEnd.OK:
        return Accelerator("kvm", "a guest booted under it")
    told = report.lines[0] if report.lines else "it said nothing"
    if report.end is BootEnd.QEMU and "kvm" not in " ".join(report.lines).lower():
        raise InfrastructureError(f"cannot boot anything, to find out whether {KVM} works: {told}")
    how = {
        BootEnd.HANG: f"a guest did not come up under it within {PROBE_DEADLINE_SECONDS:.0f} s",
        BootEnd.QEMU: f"QEMU cannot use it: {told}",
    }.get(report.end, f"a guest crashed under it: {told}")
    return Accelerator("tcg", f"{KVM} is there, but {how}")

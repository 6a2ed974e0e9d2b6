# SPDX-License-Identifier: GPL-2.0-only
"""What a single job does: boot one kernel and judge what it measured; put a build's files beside the results."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.agent.inodes import MIB
from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.events import Emit, Event, Kind, phase
from orchestrator.host.base import Host
from orchestrator.host.disk import needs_room
from orchestrator.host.untrusted import copy_untrusted
from orchestrator.kernel.cache.files import PROVENANCE
from orchestrator.kernel.cache.store import inputs
from orchestrator.kernel.config.capability import boot_arguments, capability_of, shows_page_tables
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt
from orchestrator.kernel.reproduce.script import keep_script, patch_name
from orchestrator.machine.boot import Booted
from orchestrator.machine.boothost.accelerator import choose_accelerator
from orchestrator.machine.boothost.base import BootHost
from orchestrator.machine.devices import guest_addresses
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE, Boot, BootEnd, BootReport
from orchestrator.machine.share import MOST_OUTPUT, Share
from orchestrator.passthrough.pool import NOTHING_LENT, DevicePool
from orchestrator.result.judge.alignment import judge
from orchestrator.result.judge.taint import ordinary
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.run import BootResult
from orchestrator.result.store.writer import RunStore
from orchestrator.scenario.model import AlignmentWorkload, Capability, Scenario, Workload
from orchestrator.workload.alignment.infer import with_deduced
from orchestrator.workload.alignment.outcomes import ProgramStatus, setup_failure, verdicts
from orchestrator.workload.alignment.program import KTAP_FILE, MEASUREMENTS_FILE, command
from orchestrator.workload.alignment.tests import tests_of
from orchestrator.workload.ktap.parse import parse_ktap
from orchestrator.workload.measurement import parse_measurements

_PROBLEMS = 20
"""Problems with measurements that a report holds; one is enough to make it an ERROR."""

MOST_LOG = 256 * MIB
"""Bytes of a file of a build that are copied to the results."""

SHARE = "guest"
"""The directory, in a boot's results, that the guest writes to."""

_NOTES = 5
"""Splats of one boot that are noted while the run goes on; the case `log` has more."""
_UNREAD = "the kernel cannot show its page tables (CONFIG_PTDUMP_DEBUGFS)"
_STATUS_OF_SAID = {ProgramStatus.OK: Status.PASS, ProgramStatus.NOT_OK: Status.FAIL, ProgramStatus.SKIP: Status.SKIP}


@dataclass(frozen=True)
class ArchAssets:
    """What the boots of one architecture share: the guest's root, the workload's program, and QEMU's version."""

    root: Path
    program: Path | None
    qemu: str


@dataclass(frozen=True)
class RunContext:
    """What the boots of a run share.

    `host` is this machine, `boot_host` is where guests boot, and `stations` are by architecture.  `doubted` are images
    that did not help to find the accelerator.
    """

    host: Host
    cache: Path
    stations: Mapping[str, ArchAssets]
    scenario: Scenario
    emit: Emit
    boot_host: BootHost
    jobs: int = 1
    pool: DevicePool = NOTHING_LENT
    doubted: set[Path] = field(default_factory=set)


def boot_kernel(
    bench: RunContext, build: KernelBuild, workload: AlignmentWorkload, store: RunStore, job: str
) -> BootResult:
    """Boot `build`, run `workload` in it, and judge what it told.  An infrastructure failure is a result, too."""
    kernel = bench.scenario.kernel(build.name)
    directory = store.directory(job)
    capability, dump = Capability(), True
    try:
        capability = capability_of(build, kernel.can)
        dump = shows_page_tables(build.config.read_text())
        with needs_room(bench.cache, f"booting kernel '{build.name}'", store.path):
            booted = _boot(bench, build, workload, store, directory)
    except Interrupted:
        raise
    except (InfrastructureError, OSError) as error:
        booted = Booted(BootReport(BootEnd.QEMU, 0.0, (str(error),)), "")
    tell_warnings(bench, build.name, workload, booted)
    place = str(directory.relative_to(store.path))
    report, told = _told(bench, booted.report, build.name, workload, directory, place)
    told = replace(told, capability=capability, taint=ordinary_taint(bench.scenario, build.name))
    if not dump:
        told = replace(told, measurements=with_deduced(told.measurements, capability), unread=_UNREAD)
    cases = judge(kernel, workload, report, told)
    return BootResult(build.name, workload.name, workload.device, report, cases, told.measurements)


def failed_boot(kernel: str, workload: Workload, message: str) -> BootResult:
    """The result of a boot of which orch itself failed to say anything else than `message`."""
    report = BootReport(BootEnd.QEMU, 0.0, (message,))
    case = Case(CaseId.of_boot(kernel, workload.name, workload.device), Status.ERROR, message=message)
    return BootResult(kernel, workload.name, workload.device, report, (case,))


def tell_warnings(bench: RunContext, kernel: str, workload: Workload, booted: Booted) -> None:
    """Emit a note for the first splats of the guest kernel."""
    splats = booted.report.splats
    for splat in splats[:_NOTES]:
        bench.emit(Event(kernel, f"boot {workload.name}", Kind.NOTE, f"the guest kernel warned: {splat.text}"))
    if len(splats) > _NOTES:
        more = f"the guest kernel warned of {len(splats) - _NOTES} more things"
        bench.emit(Event(kernel, f"boot {workload.name}", Kind.NOTE, more))


def ordinary_taint(scenario: Scenario, kernel: str) -> int:
    """The taint that is none of a kernel's faults: that of its modules, and of the mode that VFIO is in."""
    return ordinary(prebuilt=scenario.kernel(kernel).prebuilt, noiommu=scenario.machine.noiommu)


def _boot(
    bench: RunContext, build: KernelBuild, workload: AlignmentWorkload, store: RunStore, directory: Path
) -> Booted:
    address = guest_addresses(bench.scenario.devices)[workload.device]
    dump = shows_page_tables(build.config.read_text())
    argv = command(workload, address, f"{GUEST_PROGRAM}/alignment", GUEST_SHARE, dump=dump)
    station = bench.stations[build.arch]
    answers = (KTAP_FILE, MEASUREMENTS_FILE)
    guest = Guest(station.root, station.program or station.root, shlex.join(argv), answers)
    return boot_guest(bench, build, workload, guest, store, directory)


@dataclass(frozen=True)
class Guest:
    """What is in a guest, what runs in it, and what it answers by: see `machine.model.Boot`."""

    root: Path
    program: Path
    command: str
    answers: tuple[str, ...]
    exports: tuple[tuple[str, Path], ...] = ()


def boot_guest(
    bench: RunContext, build: KernelBuild, workload: Workload, guest: Guest, store: RunStore, directory: Path
) -> Booted:
    """Boot `build` with `guest` in it, for `workload`; its share and its console are kept in `directory`.

    Raises InfrastructureError where no accelerator can be found or virtme-ng cannot be started.
    """
    machine, station = bench.scenario.machine, bench.stations[build.arch]
    accelerator = choose_accelerator(
        bench.boot_host,
        bench.cache,
        machine.accelerator,
        build.image,
        station.root,
        station.qemu,
        bench.emit,
        build.arch,
        build.modules,
        doubted=bench.doubted,
    )
    store.describe(accelerator=f"{accelerator.name} ({accelerator.reason})")
    plan = Boot(
        image=build.image,
        root=guest.root,
        share=directory / SHARE,
        program=guest.program,
        command=guest.command,
        machine=machine,
        devices=bench.scenario.devices,
        accelerator=accelerator.name,
        timeout=workload.timeout,
        exports=guest.exports,
        arch=build.arch,
        modules=build.modules,
        arguments=boot_arguments(build.config.read_text()),
        answers=guest.answers,
    )
    what = f"boot {workload.name}"
    with (
        bench.pool.lending(store.path, lambda text: bench.emit(Event(build.name, what, Kind.NOTE, text))) as lent,
        phase(bench.emit, build.name, what, f"under {accelerator.name}") as progress,
    ):
        plan = replace(plan, environment=lent)
        return bench.boot_host.boot(plan, directory / "console.log", progress)


def _told(
    bench: RunContext, report: BootReport, kernel: str, workload: AlignmentWorkload, directory: Path, place: str
) -> tuple[BootReport, WorkloadOutput]:
    """What the workload left in the share, and the report with evidence as paths in the run directory."""
    devices = {address: name for name, address in guest_addresses(bench.scenario.devices).items()}
    share, left = f"{place}/{SHARE}", Share(directory / SHARE)
    tap = parse_ktap(left.text(KTAP_FILE, MOST_OUTPUT))
    address = guest_addresses(bench.scenario.devices)[workload.device]
    said = verdicts(tap, address, tests_of(workload), f"{share}/{KTAP_FILE}")
    measured = parse_measurements(
        left.text(MEASUREMENTS_FILE, MOST_OUTPUT),
        kernel=kernel,
        workload=workload.name,
        devices=devices,
        path=f"{share}/{MEASUREMENTS_FILE}",
    )
    program = {(v.bar, v.test): Verdict(_STATUS_OF_SAID[v.said], v.reason, v.evidence) for v in said}
    told = WorkloadOutput(measured.measurements, program, f"{share}/{KTAP_FILE}")
    problems = tuple(filter(None, (setup_failure(tap), *(str(problem) for problem in measured.problems[:_PROBLEMS]))))
    lines = (*problems, *report.lines) if report.end is BootEnd.WORKLOAD or measured.problems else report.lines
    evidence = f"{place}/{report.evidence}" if report.evidence else ""
    end = BootEnd.WORKLOAD if measured.problems and report.end is BootEnd.OK else report.end
    odd = (*report.odd, *left.odd)
    return replace(report, end=end, lines=lines, evidence=evidence, odd=odd), told


def build_facts(build: KernelBuild, recipe: AnyRecipe) -> dict[str, object]:
    """What the results say of a build: its provenance, flat, and whether this run built it."""
    facts = _provenance(build, recipe)
    return {
        "version": facts["version"],
        "source": facts["source"]["name"],
        "source_sha256": facts["source"]["sha256"],
        "patches": [f"{patch['name']} sha256:{patch['sha256'][:12]}" for patch in facts["patches"]],
        "compiler": facts["toolchain"]["compiler"],
        "linker": facts["toolchain"]["linker"],
        "config_sha256": facts["config_sha256"],
        "build": build.key,
        "cached": build.cached,
        "objects": build.objects,
        "build_seconds": round(build.seconds, 1),
    }


def _provenance(build: KernelBuild, recipe: AnyRecipe) -> dict[str, Any]:
    """The provenance of `build`, with what went in called as this run calls it."""
    facts: dict[str, Any] = json.loads((build.directory / PROVENANCE).read_text())
    if isinstance(recipe, Prebuilt):
        named: dict[str, object] = {"source": {**facts["source"], "name": recipe.version}}
    else:
        named = inputs(recipe)
    return facts | {"kernel": build.name} | named


def keep_build_files(host: Host, build: KernelBuild, recipe: AnyRecipe, directory: Path) -> None:
    """Copy to `directory` what a reviewer needs of a build: configuration, log, commands, provenance, patches; and
    write what rebuilds it.  Raises CommandError, and OddFileError where a build left something else than a file."""
    (directory / PROVENANCE).write_text(json.dumps(_provenance(build, recipe), indent=2) + "\n")
    for name in ("config", "build.log", "commands.sh"):
        # A kernel that was not built has no log.
        copy_untrusted(build.directory, name, directory / name, MOST_LOG)
    patches = () if isinstance(recipe, Prebuilt) else recipe.patches
    for number, patch in enumerate(patches, 1):
        (directory / "patches").mkdir(exist_ok=True)
        (directory / patch_name(number, patch)).write_bytes(patch.data)
    keep_script(host, build, recipe, directory)

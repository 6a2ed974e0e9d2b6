# SPDX-License-Identifier: GPL-2.0-only
"""The boot job: boot one kernel with a workload, and judge what it measured."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import InfrastructureError, Interrupted
from orchestrator.events import Event, Kind, phase
from orchestrator.host.disk import report_full_disk
from orchestrator.kernel.config.capability import KernelFacts, kernel_facts
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boot import Booted
from orchestrator.machine.boothost.accelerator import choose_accelerator
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE, Boot, BootEnd, BootReport
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.userland import Userland
from orchestrator.machine.share import MOST_OUTPUT, Share
from orchestrator.result.judge.alignment import judge
from orchestrator.result.judge.taint import ordinary
from orchestrator.result.model import Case, CaseId, Status, Verdict, WorkloadOutput
from orchestrator.result.run import BootResult
from orchestrator.run.context import ArchAssets, RunContext
from orchestrator.scenario.model import MeasuringWorkload, ProgramVmm, Scenario, VmmWorkload, Workload
from orchestrator.workload.alignment.infer import with_deduced
from orchestrator.workload.alignment.outcomes import ProgramStatus, setup_failure, verdicts
from orchestrator.workload.alignment.program import KTAP_FILE, MEASUREMENTS_FILE, command
from orchestrator.workload.alignment.tests import tests_of
from orchestrator.workload.ktap.parse import parse_ktap
from orchestrator.workload.measurement import parse_measurements
from orchestrator.workload.vmm.command import GUEST_KERNEL, GUEST_VMM, LOG_FILE, vmm_command

SHARE = "guest"
"""The directory, in a boot's results, that the guest writes to."""

FILES = "files"
"""The directory, in a boot's results, with the user's files for the guest."""

_MOST_PROBLEMS = 20
"""Problems with measurements that a report has; a single one makes it an ERROR."""
_MOST_NOTES = 5
"""Splats of one boot that are emitted as notes; the case `log` has all."""
_UNREAD = "the kernel cannot show its page tables (CONFIG_PTDUMP_DEBUGFS)"
_STATUSES = {ProgramStatus.OK: Status.PASS, ProgramStatus.NOT_OK: Status.FAIL, ProgramStatus.SKIP: Status.SKIP}


def boot_kernel(
    context: RunContext, assets: ArchAssets, build: KernelBuild, workload: MeasuringWorkload, job: str
) -> BootResult:
    """Boot `build`, run `workload` in it, and judge its output.  An infrastructure failure is a result, too."""
    kernel, store = context.scenario.kernel(build.name), context.store
    directory = store.directory(job)
    facts = KernelFacts()
    try:
        facts = kernel_facts(build, kernel.can)
        with report_full_disk(context.settings.cache, f"booting kernel '{build.name}'", store.path):
            guest = measuring_guest(context, assets, build, facts, workload, directory)
            booted = boot_guest(context, assets, build, facts, workload, guest, job)
    except Interrupted:
        raise
    except (InfrastructureError, OSError) as error:
        booted = Booted(BootReport(BootEnd.QEMU, 0.0, (str(error),)), "")
    note_splats(context, build.name, job, booted)
    report, output = _read_output(context, booted.report, build.name, workload, directory)
    output = replace(output, capability=facts.capability, taint=ordinary_taint(context.scenario, build.name))
    if not facts.page_tables:
        output = replace(output, measurements=with_deduced(output.measurements, facts.capability), unread=_UNREAD)
    cases = judge(kernel, workload, report, output)
    return BootResult(build.name, workload.name, workload.device, report, cases, output.measurements)


def failed_boot(kernel: str, workload: Workload, message: str) -> BootResult:
    """Return the result of a boot that failed by an error of orch itself; `message` says which."""
    report = BootReport(BootEnd.QEMU, 0.0, (message,))
    case = Case(CaseId.of_boot(kernel, workload.name, workload.device), Status.ERROR, message=message)
    return BootResult(kernel, workload.name, workload.device, report, (case,))


def phase_of(context: RunContext, job: str) -> str:
    """Return what a boot is called in events: ``boot WORKLOAD``, and which of how many if there are several."""
    run = context.store.run
    planned = run.job(job)
    return f"boot {planned.workload}" + (f" {planned.round}/{run.repeat}" if planned.round else "")


def note_splats(context: RunContext, kernel: str, job: str, booted: Booted) -> None:
    """Emit a note for each of the first splats of the guest kernel, and one for the number of the others."""
    splats, what = booted.report.splats, phase_of(context, job)
    for splat in splats[:_MOST_NOTES]:
        context.emit(Event(kernel, what, Kind.NOTE, f"the guest kernel warned: {splat.text}"))
    if len(splats) > _MOST_NOTES:
        more = f"the guest kernel warned of {len(splats) - _MOST_NOTES} more things"
        context.emit(Event(kernel, what, Kind.NOTE, more))


def ordinary_taint(scenario: Scenario, kernel: str) -> int:
    """Return the taint bits that are no fault of the kernel: those of its modules, and of the mode that VFIO is in."""
    return ordinary(prebuilt=scenario.kernel(kernel).prebuilt, noiommu=scenario.machine.noiommu)


def measuring_guest(
    context: RunContext,
    assets: ArchAssets,
    build: KernelBuild,
    facts: KernelFacts,
    workload: MeasuringWorkload,
    directory: Path,
) -> Guest:
    """Return the guest that runs the alignment program, or the VMM that this program starts."""
    address, binary = context.addresses[workload.device], f"{GUEST_PROGRAM}/alignment"
    program, answers = assets.program or assets.root, (KTAP_FILE, MEASUREMENTS_FILE)
    if isinstance(workload, VmmWorkload):
        argv = vmm_command(workload, address, build.image.name, binary, GUEST_SHARE, dump=facts.page_tables)
        exports = ((GUEST_VMM, _vmm(assets, workload, directory)), (GUEST_KERNEL, build.image.parent))
        root = guest_root(context.host, context.settings.cache, Userland(exports), build.arch)
        return Guest(root, program, shlex.join(argv), (*answers, LOG_FILE), exports)
    argv = command(workload, address, binary, GUEST_SHARE, dump=facts.page_tables)
    return Guest(assets.root, program, shlex.join(argv), answers)


def _vmm(assets: ArchAssets, workload: VmmWorkload, directory: Path) -> Path:
    """Return the directory with the VMM; a program of the user is copied to `directory`, which is that of the boot."""
    if isinstance(workload.vmm, ProgramVmm):
        return copy_files((workload.vmm.path,), directory / FILES)
    return assets.vmms[workload.name]


def copy_files(files: tuple[Path, ...], place: Path) -> Path:
    """Copy files and directories, with their modes, to `place` in the results, and return `place`.

    Raises OSError if one of them does not exist any more.
    """
    place.mkdir(parents=True, exist_ok=True)
    for path in files:
        if path.is_dir():
            shutil.copytree(path, place / path.name, symlinks=True)
        else:
            shutil.copy2(path, place / path.name)
    return place


@dataclass(frozen=True)
class Guest:
    """What is in a guest, what runs in it, and which files it leaves; see `machine.model.Boot`."""

    root: Path
    program: Path
    command: str
    answers: tuple[str, ...]
    exports: tuple[tuple[str, Path], ...] = ()
    arguments: tuple[str, ...] = ()
    qemu: tuple[str, ...] = ()


def boot_guest(
    context: RunContext,
    assets: ArchAssets,
    build: KernelBuild,
    facts: KernelFacts,
    workload: Workload,
    guest: Guest,
    job: str,
) -> Booted:
    """Boot `build` with `guest` in it, for `workload`; its share and its console are kept in the directory of `job`.

    Raises InfrastructureError if no accelerator can be found or virtme-ng cannot be started.
    """
    directory = context.store.directory(job)
    accelerator = choose_accelerator(
        context.boot_host,
        context.settings.cache,
        context.scenario.machine.accelerator,
        build.image,
        assets.root,
        assets.qemu,
        context.emit,
        build.arch,
        build.modules,
        doubted=context.doubted,
    )
    context.store.describe(accelerator=f"{accelerator.name} ({accelerator.reason})")
    boot = Boot(
        image=build.image,
        root=guest.root,
        share=directory / SHARE,
        program=guest.program,
        command=guest.command,
        machine=context.scenario.machine,
        devices=context.scenario.devices,
        accelerator=accelerator.name,
        timeout=workload.timeout,
        exports=guest.exports,
        arch=build.arch,
        modules=build.modules,
        arguments=(*facts.arguments, *guest.arguments),
        answers=guest.answers,
        qemu=guest.qemu,
    )
    what = phase_of(context, job)

    def note(text: str) -> None:
        context.emit(Event(build.name, what, Kind.NOTE, text))

    with (
        context.pool.leased(context.store.path, note) as environment,
        phase(context.emit, build.name, what, f"under {accelerator.name}") as progress,
    ):
        boot = replace(boot, environment=environment)
        return context.boot_host.boot(boot, directory / "console.log", progress)


def _read_output(
    context: RunContext, report: BootReport, kernel: str, workload: MeasuringWorkload, directory: Path
) -> tuple[BootReport, WorkloadOutput]:
    """Read what the workload left in the share.

    Also returns the report, with its evidence as a path in the run directory, and with problems of the workload.
    """
    place = str(directory.relative_to(context.store.path))
    share, files = f"{place}/{SHARE}", Share(directory / SHARE)
    tap = parse_ktap(files.text(KTAP_FILE, MOST_OUTPUT))
    found = verdicts(tap, context.addresses[workload.device], tests_of(workload), f"{share}/{KTAP_FILE}")
    measured = parse_measurements(
        files.text(MEASUREMENTS_FILE, MOST_OUTPUT),
        kernel=kernel,
        workload=workload.name,
        devices={address: name for name, address in context.addresses.items()},
        path=f"{share}/{MEASUREMENTS_FILE}",
    )
    program = {(v.bar, v.test): Verdict(_STATUSES[v.status], v.reason, v.evidence) for v in found}
    output = WorkloadOutput(measured.measurements, program, f"{share}/{KTAP_FILE}")
    problems = (setup_failure(tap), *(str(problem) for problem in measured.problems[:_MOST_PROBLEMS]))
    shows_problems = report.end is BootEnd.WORKLOAD or measured.problems
    lines = (*filter(None, problems), *report.lines) if shows_problems else report.lines
    evidence = f"{place}/{report.evidence}" if report.evidence else ""
    end = BootEnd.WORKLOAD if measured.problems and report.end is BootEnd.OK else report.end
    return replace(report, end=end, lines=lines, evidence=evidence, odd=(*report.odd, *files.odd)), output

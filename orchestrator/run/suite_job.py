# SPDX-License-Identifier: GPL-2.0-only
"""The boot job of a suite or a command: lay out its programs, boot a kernel with the host's userland, judge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.arch import is_foreign
from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError
from orchestrator.host.disk import report_full_disk
from orchestrator.host.niced import Niced
from orchestrator.host.untrusted import copy_untrusted
from orchestrator.kernel.build.selftests import SelftestsBuilder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.config.capability import kernel_facts
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt
from orchestrator.machine.boot import MOST_STATUS, Booted
from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.userland import Userland, find_userland
from orchestrator.machine.share import MOST_OUTPUT, Share
from orchestrator.result.judge.suite import SuiteOutput, failed_to_build, judge_suite
from orchestrator.result.run import BootResult
from orchestrator.run.boot_job import FILES, SHARE, Guest, boot_guest, copy_files, note_splats, ordinary_taint
from orchestrator.run.build_job import MOST_LOG
from orchestrator.run.context import ArchAssets, RunContext
from orchestrator.scenario.model import CommandWorkload, SelftestsWorkload, SuiteWorkload
from orchestrator.workload.suite.script import (
    OUTPUT_FILE,
    PROBLEM_FILE,
    PROGRAM_STATUS_FILE,
    SCRIPT_FILE,
    chosen_tests,
    guest_command,
    guest_script,
)

_ANSWERS = (OUTPUT_FILE, PROGRAM_STATUS_FILE, PROBLEM_FILE)


@dataclass(frozen=True)
class Programs:
    """The guest's working directory, and the names of the selftests that run, in their order."""

    directory: Path
    tests: tuple[str, ...] = ()


def boot_suite(
    context: RunContext, assets: ArchAssets, build: KernelBuild, recipe: AnyRecipe, workload: SuiteWorkload, job: str
) -> BootResult:
    """Boot `build`, which was built from `recipe`, run `workload` in it, and judge its output.

    A suite that does not compile is a failed case of this kernel; an infrastructure failure is a result, too.
    """
    store = context.store
    directory = store.directory(job)
    programs, problem = Programs(directory), ""
    try:
        with report_full_disk(context.settings.cache, f"booting kernel '{build.name}'", store.path):
            programs = lay_out(context, recipe, workload, directory)
            guest = suite_guest(context, build, workload, programs, directory)
            facts = kernel_facts(build, context.scenario.kernel(build.name).can)
            booted = boot_guest(context, assets, build, facts, workload, guest, job)
    except Interrupted:
        raise
    except KernelBuildError as error:
        report = BootReport(BootEnd.WORKLOAD, 0.0, (str(error),))
        failed = failed_to_build(build.name, workload, str(error))
        return BootResult(build.name, workload.name, workload.device, report, (failed,))
    except (InfrastructureError, OSError) as error:
        problem = str(error)
        booted = Booted(BootReport(BootEnd.QEMU, 0.0), "")
    note_splats(context, build.name, job, booted)
    place = str(directory.relative_to(store.path))
    files = Share(directory / SHARE)
    output = _read_output(files, programs, problem, f"{place}/{SHARE}/{OUTPUT_FILE}")
    output = replace(output, taint=ordinary_taint(context.scenario, build.name))
    report = _report(booted.report, output, place)
    report = replace(report, odd=(*report.odd, *files.odd))
    cases = judge_suite(build.name, workload, report, output)
    return BootResult(build.name, workload.name, workload.device, report, cases)


def lay_out(context: RunContext, recipe: AnyRecipe, workload: SuiteWorkload, directory: Path) -> Programs:
    """Copy or build the programs of `workload`.

    Raises KernelBuildError if selftests do not compile, InfrastructureError if this kernel cannot have them.
    """
    if isinstance(workload, CommandWorkload):
        return Programs(copy_files(workload.files, directory / FILES))
    if isinstance(recipe, Prebuilt):
        what = f"{workload.where}: selftests are built from a kernel's source, which '{recipe.name}' does not have"
        raise InfrastructureError(f"{what}; give it a source, or a command instead")
    if is_foreign(recipe.toolchain.arch):
        what = f"{workload.where}: selftests run with this machine's own programs and libraries"
        raise InfrastructureError(f"{what}, which a guest for {recipe.toolchain.arch} cannot; give it a static command")
    cache = KernelCache(context.settings.cache)
    builder = SelftestsBuilder(Niced(context.host), cache, context.settings.jobs, context.emit)
    built = builder.build(recipe, workload.targets)
    for name in ("build.log", "commands.sh"):
        copy_untrusted(built.directory.parent, name, directory / f"selftests-{name}", MOST_LOG)
    return Programs(built.directory, _chosen(workload, built.listed, recipe.name))


def _chosen(workload: SelftestsWorkload, listed: str, kernel: str) -> tuple[str, ...]:
    try:
        return chosen_tests(listed, workload.only)
    except LookupError as error:
        available = ", ".join(test.partition(":")[2] for test in listed.split())
        what = f"{workload.where}: the selftests of kernel '{kernel}' have no program '{error.args[0]}'"
        raise InfrastructureError(f"{what}; there are {available or 'none'}") from error


def suite_guest(
    context: RunContext, build: KernelBuild, workload: SuiteWorkload, programs: Programs, directory: Path
) -> Guest:
    """Return the guest that runs the programs of `workload`; writes their script to the share in `directory`."""
    # A guest of another architecture cannot run this machine's programs: it has busybox, bash, and the command's files.
    userland = Userland() if is_foreign(build.arch) else find_userland()
    root = guest_root(context.host, context.settings.cache, userland, build.arch)
    address = context.addresses[workload.device] if workload.device else ""
    share = directory / SHARE
    share.mkdir(parents=True, exist_ok=True)
    (share / SCRIPT_FILE).write_text(guest_script(workload, address, userland.binds, programs.tests))
    return Guest(root, programs.directory, guest_command(), _ANSWERS, userland.exports)


def _read_output(files: Share, programs: Programs, problem: str, evidence: str) -> SuiteOutput:
    """Read what the suite left in the share; `evidence` is the path of its output in the run directory.

    `problem` says why there was no boot at all, "" if there was one.
    """
    return SuiteOutput(
        output=files.text(OUTPUT_FILE, MOST_OUTPUT),
        status=files.number(PROGRAM_STATUS_FILE, MOST_STATUS),
        problem=problem or files.text(PROBLEM_FILE).strip(),
        planned=programs.tests,
        evidence=evidence,
    )


def _report(report: BootReport, output: SuiteOutput, place: str) -> BootReport:
    """Return `report` with its evidence as a path in the run directory, and with the script's problem."""
    lines = (output.problem, *report.lines) if output.problem else report.lines
    return replace(report, lines=lines, evidence=f"{place}/{report.evidence}" if report.evidence else "")

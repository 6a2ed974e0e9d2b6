# SPDX-License-Identifier: GPL-2.0-only
"""The job of a suite that others wrote: lay its programs out, boot a kernel with the host's userland, judge it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.arch import is_foreign
from orchestrator.errors import InfrastructureError, Interrupted, KernelBuildError
from orchestrator.host.disk import needs_room
from orchestrator.host.niced import Niced
from orchestrator.host.untrusted import copy_untrusted
from orchestrator.kernel.build.selftests import SelftestsBuilder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt
from orchestrator.machine.boot import MOST_STATUS, Booted
from orchestrator.machine.devices import guest_addresses
from orchestrator.machine.model import BootEnd, BootReport
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.userland import Userland, find_userland
from orchestrator.machine.share import MOST_OUTPUT, Share
from orchestrator.result.judge.suite import SuiteTold, failed_to_build, judge_suite
from orchestrator.result.run import BootResult
from orchestrator.result.store.writer import RunStore
from orchestrator.run.boot_job import MOST_LOG, SHARE, Guest, RunContext, boot_guest, ordinary_taint, tell_warnings
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

FILES = "files"
"""The directory, in a boot's results, with what a command brought along."""


@dataclass(frozen=True)
class _Programs:
    """What the guest finds in its working directory, and the names of the selftests that run, in their order."""

    directory: Path
    tests: tuple[str, ...] = ()


def boot_suite(
    bench: RunContext, build: KernelBuild, recipe: AnyRecipe, workload: SuiteWorkload, store: RunStore, job: str
) -> BootResult:
    """Boot `build`, which was built from `recipe`, run `workload` in it, and judge what it told.

    A suite that does not compile is a failed case of this kernel; an infrastructure failure is a result, too.
    """
    directory = store.directory(job)
    programs, problem = _Programs(directory), ""
    try:
        with needs_room(bench.cache, f"booting kernel '{build.name}'", store.path):
            programs = _lay_out(bench, recipe, workload, directory)
            booted = _boot(bench, build, workload, programs, store, directory)
    except Interrupted:
        raise
    except KernelBuildError as error:
        report = BootReport(BootEnd.WORKLOAD, 0.0, (str(error),))
        failed = failed_to_build(build.name, workload, str(error))
        return BootResult(build.name, workload.name, workload.device, report, (failed,))
    except (InfrastructureError, OSError) as error:
        problem = str(error)
        booted = Booted(BootReport(BootEnd.QEMU, 0.0), "")
    tell_warnings(bench, build.name, workload, booted)
    place = str(directory.relative_to(store.path))
    left = Share(directory / SHARE)
    told = _told(left, programs, problem, f"{place}/{SHARE}/{OUTPUT_FILE}")
    told = replace(told, taint=ordinary_taint(bench.scenario, build.name))
    report = _report(booted.report, told, place)
    report = replace(report, odd=(*report.odd, *left.odd))
    cases = judge_suite(build.name, workload, report, told)
    return BootResult(build.name, workload.name, workload.device, report, cases)


def _lay_out(bench: RunContext, recipe: AnyRecipe, workload: SuiteWorkload, directory: Path) -> _Programs:
    if isinstance(workload, CommandWorkload):
        return _Programs(copy_files(workload.files, directory / FILES))
    if isinstance(recipe, Prebuilt):
        what = f"{workload.where}: selftests are built from a kernel's source, which '{recipe.name}' does not have"
        raise InfrastructureError(f"{what}; give it a source, or a command instead")
    if is_foreign(recipe.toolchain.arch):
        what = f"{workload.where}: selftests run with this machine's own programs and libraries"
        raise InfrastructureError(f"{what}, which a guest for {recipe.toolchain.arch} cannot; give it a static command")
    builder = SelftestsBuilder(Niced(bench.host), KernelCache(bench.cache), bench.jobs, bench.emit)
    built = builder.build(recipe, workload.targets)
    for name in ("build.log", "commands.sh"):
        copy_untrusted(built.directory.parent, name, directory / f"selftests-{name}", MOST_LOG)
    return _Programs(built.directory, _chosen(workload, built.listed, recipe.name))


def _chosen(workload: SelftestsWorkload, listed: str, kernel: str) -> tuple[str, ...]:
    try:
        return chosen_tests(listed, workload.only)
    except LookupError as error:
        there = ", ".join(test.partition(":")[2] for test in listed.split())
        what = f"{workload.where}: the selftests of kernel '{kernel}' have no program '{error.args[0]}'"
        raise InfrastructureError(f"{what}; there are {there or 'none'}") from error


def copy_files(files: tuple[Path, ...], place: Path) -> Path:
    """Copy files and directories, with their modes, to `place`, where a reviewer finds what was run.

    Raises OSError where one of them is gone.
    """
    place.mkdir(parents=True, exist_ok=True)
    for path in files:
        if path.is_dir():
            shutil.copytree(path, place / path.name, symlinks=True)
        else:
            shutil.copy2(path, place / path.name)
    return place


def _boot(
    bench: RunContext,
    build: KernelBuild,
    workload: SuiteWorkload,
    programs: _Programs,
    store: RunStore,
    directory: Path,
) -> Booted:
    # A guest of another architecture cannot run this machine's programs: it has busybox, bash, and what comes along.
    userland = Userland() if is_foreign(build.arch) else find_userland()
    root = guest_root(bench.host, bench.cache, userland, build.arch)
    address = guest_addresses(bench.scenario.devices)[workload.device] if workload.device else ""
    share = directory / SHARE
    share.mkdir(parents=True, exist_ok=True)
    (share / SCRIPT_FILE).write_text(guest_script(workload, address, userland.binds, programs.tests))
    guest = Guest(root, programs.directory, guest_command(), _ANSWERS, userland.exports)
    return boot_guest(bench, build, workload, guest, store, directory)


def _told(left: Share, programs: _Programs, problem: str, evidence: str) -> SuiteTold:
    """What the suite left in the share; `evidence` is where its output lies in the run directory.

    `problem` says why there was no boot at all.
    """
    return SuiteTold(
        output=left.text(OUTPUT_FILE, MOST_OUTPUT),
        status=left.number(PROGRAM_STATUS_FILE, MOST_STATUS),
        problem=problem or left.text(PROBLEM_FILE).strip(),
        planned=programs.tests,
        evidence=evidence,
    )


def _report(report: BootReport, told: SuiteTold, place: str) -> BootReport:
    """The report with its evidence as a path in the run directory, and with what the script could not do."""
    lines = (told.problem, *report.lines) if told.problem else report.lines
    return replace(report, lines=lines, evidence=f"{place}/{report.evidence}" if report.evidence else "")

# SPDX-License-Identifier: GPL-2.0-only
"""Boot one kernel, run one command in the guest, and report how the boot ended."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.host.base import Command, Completed, Host
from orchestrator.host.recorder import shell_line
from orchestrator.machine.console import BootFinding, Ended, find_end
from orchestrator.machine.devices import memory_file
from orchestrator.machine.kernel_log import find_splats, merged
from orchestrator.machine.links import plain_paths
from orchestrator.machine.model import GUEST_SHARE, Boot, BootEnd, BootReport
from orchestrator.machine.monitor import machine_end, prepare_monitor
from orchestrator.machine.share import MOST_OUTPUT, Limits, Share, shared_with_guest
from orchestrator.machine.vng import vng_argv, vng_environment
from orchestrator.scenario.model import Machine

STATUS_FILE = "status"
TAINT_BEFORE = "tainted.before"
TAINT_AFTER = "tainted.after"
KERNEL_LOG = "kernel.log"
"""The kernel's log, read by the guest at the end.  Output of programs does not interrupt its lines."""
_OWN_ANSWERS = (STATUS_FILE, TAINT_BEFORE, TAINT_AFTER, KERNEL_LOG, "version", "cmdline", "modules.log")
"""Files of the share that the guest's script writes."""
MOST_STATUS = 255
"""The largest exit status (wait(2))."""
_MOST_TAINT = (1 << 64) - 1

Progress = Callable[[str], None]
"""Callback that receives a short description of what is happening now."""

_KTAP = re.compile(r"^\s*(?:not )?ok \d+ ")
_GUEST_SCRIPT = """\
#!/bin/sh
# Runs in the guest.  What it leaves in this directory is the result; the exit status on the way out is lost too easily.
cd {share}
cat /proc/version > version
cat /proc/cmdline > cmdline
{modules}{noiommu}cat /proc/sys/kernel/tainted > {before}
{command}
echo $? > {status}
dmesg > {log} 2>&1
cat /proc/sys/kernel/tainted > {after}
sync
"""
_LOAD_MODULES = """\
# What a workload takes for granted; a kernel may lack one, or have it built in.
for module in vfio-pci vfio_iommu_type1 iommufd{virtualization}; do
\tmodprobe -q $module || echo "$module: not loaded"
done > modules.log 2>&1
cat /proc/modules >> modules.log
"""
_KVM = " kvm_amd kvm_intel"
_TURN_ON_NOIOMMU = """\
# Not every busybox gives modules their options from the command line (FEATURE_CMDLINE_MODULE_OPTIONS).
echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
"""


@dataclass(frozen=True)
class Booted:
    """A finished boot: its report, and the guest's /proc/version ("" if the guest did not come up)."""

    report: BootReport
    version: str


def run_vng(host: Host, boot: Boot, console: Path, home: Path, progress: Progress) -> Booted:
    """Boot a guest until it ends or its timeout expires.

    The whole console is logged to `console` as it is written.  `home` is the home directory for virtme-ng.  `progress`
    is called with what the guest does.  The exact command is written to ``command.sh`` beside the console.  Raises
    CommandError if virtme-ng cannot be started.
    """
    prepare_home(home)
    write_script(boot)
    try:
        with (
            shared_with_guest(boot.share, answers_of(boot)) as limits,
            plain_paths(boot, home.parent / "work") as plain,
        ):
            done = launch(host, plain, console, vng_environment(home), progress, limits)
    finally:
        for device in boot.devices:
            memory_file(device, boot.share.parent).unlink(missing_ok=True)
    return with_limits(conclude(done, console, boot.share, flooded=limits.flooded), limits)


def answers_of(boot: Boot) -> tuple[str, ...]:
    """Return the names of the files in the share that orch reads after the boot."""
    return (*_OWN_ANSWERS, *boot.answers)


def write_script(boot: Boot) -> None:
    """Create the share with the guest's script, and beside it the monitor's files."""
    boot.share.mkdir(parents=True, exist_ok=True)
    prepare_monitor(boot.share)
    (boot.share / "run.sh").write_text(_script(boot))


def launch(
    host: Host, boot: Boot, console: Path, environment: Mapping[str, str], progress: Progress, limits: Limits
) -> Completed:
    """Run virtme-ng on `host` for `boot`, whose paths are all on `host`.

    `console` is a local file.  `limits` end the boot early if the guest writes too much.

    Raises CommandError if virtme-ng cannot be started, or if the connection to the host is lost.
    """
    argv = vng_argv(replace(boot, command=f"sh {GUEST_SHARE}/run.sh"))
    env = {**environment, **dict(boot.environment)}
    console.with_name("command.sh").write_bytes(os.fsencode(_command_script(boot, shell_line(argv, None, env))))
    watch = _Watch(progress, limits)
    return host.run(Command(argv, env=env, timeout=boot.timeout, log=console, on_line=watch, until=limits.over))


def _command_script(boot: Boot, command: str) -> str:
    """Return a script with which the user can repeat the boot.

    It creates the links again, which are removed later.
    """
    links = (shell_line(("ln", "-sfn", str(target), str(link)), None, None) for link, target in boot.links)
    directories = dict.fromkeys(shell_line(("mkdir", "-p", str(link.parent)), None, None) for link, _ in boot.links)
    return "".join(f"{line}\n" for line in ("#!/bin/sh", *directories, *links, command))


def _script(boot: Boot) -> str:
    return _GUEST_SCRIPT.format(
        share=GUEST_SHARE,
        modules=_load_modules(boot.machine) if boot.modules else "",
        noiommu=_TURN_ON_NOIOMMU if boot.machine.noiommu else "",
        command=boot.command,
        status=STATUS_FILE,
        before=TAINT_BEFORE,
        after=TAINT_AFTER,
        log=KERNEL_LOG,
    )


def _load_modules(machine: Machine) -> str:
    return _LOAD_MODULES.format(virtualization=_KVM if machine.virtualization else "")


def with_limits(booted: Booted, limits: Limits) -> Booted:
    """Return `booted` with the forbidden actions of the guest in `limits`.

    One of them can be why the boot ended.
    """
    report = booted.report
    if limits.odd and limits.over.is_set() and report.end is BootEnd.QEMU:
        report = replace(report, lines=(limits.odd[0], *report.lines), why="")
    return replace(booted, report=replace(report, odd=(*limits.odd, *report.odd)))


def conclude(done: Completed, console: Path, share: Path, *, flooded: bool = False) -> Booted:
    """Return the result of a boot that ended as `done`.

    The result is read from the console and from the files that the guest left in `share`.  `flooded` is whether the
    boot was ended because the guest wrote too much to its console.
    """
    log = console.read_text(errors="replace") if console.exists() else done.output
    left = Share(share)
    status, version = left.number(STATUS_FILE, MOST_STATUS), left.text("version").strip()
    ended = Ended(
        timed_out=done.timed_out,
        flooded=flooded,
        status=status,
        began=bool(version),
        machine=machine_end(share),
    )
    finding = find_end(log, ended)
    guest_splats = find_splats(left.text(KERNEL_LOG, MOST_OUTPUT), f"{share.name}/{KERNEL_LOG}")
    splats = merged((find_splats(log, console.name), guest_splats))
    evidence = f"{console.name}:{finding.line or 1}"
    lines, taint = _lines(finding, done), _taint(left)
    report = BootReport(finding.end, done.seconds, lines, evidence, splats, taint, finding.why, left.odd)
    return Booted(report, version)


class _Watch:
    """Reports the workload's KTAP lines on the console, and counts the console's output."""

    def __init__(self, progress: Progress, limits: Limits) -> None:
        self._progress = progress
        self._limits = limits

    def __call__(self, line: str) -> None:
        self._limits.console(line)
        if _KTAP.match(line):
            self._progress(line.strip())


def _lines(finding: BootFinding, done: Completed) -> tuple[str, ...]:
    if finding.end is BootEnd.QEMU and not finding.lines and not finding.why:
        how = f"was killed by signal {-done.status}" if done.status < 0 else f"ended with status {done.status}"
        return (f"virtme-ng {how} and wrote nothing",)
    return finding.lines


def _taint(share: Share) -> tuple[int, int] | None:
    before, after = (share.number(name, _MOST_TAINT) for name in (TAINT_BEFORE, TAINT_AFTER))
    return None if before is None or after is None else (before, after)


def prepare_home(home: Path) -> None:
    """Create a home directory with an empty configuration, which virtme-ng uses instead of one in /etc."""
    settings = home / ".config/virtme-ng/virtme-ng.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    if not settings.exists():
        settings.write_text("{}\n")

# SPDX-License-Identifier: GPL-2.0-only
"""Boot one kernel, run one command in it, and say how that ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.host.base import Completed, Host
from orchestrator.host.record import shell_line
from orchestrator.machine.console import Finding, find_end
from orchestrator.machine.devices import memory_file
from orchestrator.machine.kernel_log import find_splats, merged
from orchestrator.machine.model import GUEST_SHARE, Boot, BootEnd, BootReport
from orchestrator.machine.vng import vng_argv, vng_environment

STATUS_FILE = "status"
TAINT_BEFORE = "tainted.before"
TAINT_AFTER = "tainted.after"
KERNEL_LOG = "kernel.log"
"""The kernel's log as the guest reads it in the end, in which no line is cut by what a program wrote."""

Progress = Callable[[str], None]
"""Told, in a few words, what is happening now."""

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
for module in vfio-pci vfio_iommu_type1 iommufd; do
\tmodprobe -q $module || echo "$module: not loaded"
done > modules.log 2>&1
cat /proc/modules >> modules.log
"""
_TURN_ON_NOIOMMU = """\
# Not every busybox gives modules their options from the command line (FEATURE_CMDLINE_MODULE_OPTIONS).
echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode
"""


@dataclass(frozen=True)
class Booted:
    """A boot that is over: its report, and the guest's /proc/version ("" where it never came up)."""

    report: BootReport
    version: str


def boot(host: Host, plan: Boot, console: Path, home: Path, progress: Progress) -> Booted:
    """Boot `plan` to its end or its deadline; the console is logged whole to `console` as it comes.

    `home` is the home directory that virtme-ng gets; `progress` is told what the guest does.  Beside the console,
    ``command.sh`` has the exact command.
    Raises CommandError where virtme-ng cannot be started at all.
    """
    prepare_home(home)
    write_script(plan)
    try:
        done = launch(host, plan, console, vng_environment(home), progress)
    finally:
        for device in plan.devices:
            memory_file(device, plan.share.parent).unlink(missing_ok=True)
    return conclude(done, console, plan.share)


def write_script(plan: Boot) -> None:
    """Put into the share, which is made, what the guest runs."""
    plan.share.mkdir(parents=True, exist_ok=True)
    (plan.share / "run.sh").write_text(_script(plan))


def launch(host: Host, plan: Boot, console: Path, environment: Mapping[str, str], progress: Progress) -> Completed:
    """Run virtme-ng for `plan`, all of whose paths are the host's; `console` is a file of this machine.

    Raises CommandError where virtme-ng cannot be started, and where the host is lost.
    """
    argv = vng_argv(replace(plan, command=f"sh {GUEST_SHARE}/run.sh"))
    env = {**environment, **dict(plan.environment)}
    console.with_name("command.sh").write_text("#!/bin/sh\n" + shell_line(argv, None, env) + "\n")
    return host.run(argv, env=env, timeout=plan.timeout, log=console, on_line=_Watch(progress))


def _script(plan: Boot) -> str:
    return _GUEST_SCRIPT.format(
        share=GUEST_SHARE,
        modules=_LOAD_MODULES if plan.modules else "",
        noiommu=_TURN_ON_NOIOMMU if plan.machine.noiommu else "",
        command=plan.command,
        status=STATUS_FILE,
        before=TAINT_BEFORE,
        after=TAINT_AFTER,
        log=KERNEL_LOG,
    )


def conclude(done: Completed, console: Path, share: Path) -> Booted:
    """What a boot that ended as `done` comes to, from its console and from what the guest left in `share`."""
    log = console.read_text(errors="replace") if console.exists() else done.output
    finding = find_end(log, timed_out=done.timed_out, workload_status=_number(share / STATUS_FILE))
    left = find_splats(_read(share / KERNEL_LOG), f"{share.name}/{KERNEL_LOG}")
    splats = merged((find_splats(log, console.name), left))
    evidence = f"{console.name}:{finding.line or 1}"
    report = BootReport(finding.end, done.seconds, _lines(finding, done), evidence, splats, _taint(share))
    return Booted(report, _read(share / "version").strip())


class _Watch:
    """Reports the workload's KTAP lines, which it also writes to the console."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, line: str) -> None:
        if _KTAP.match(line):
            self._progress(line.strip())


def _lines(finding: Finding, done: Completed) -> tuple[str, ...]:
    if finding.end is BootEnd.QEMU and not finding.lines:
        return (f"virtme-ng ended with status {done.status} and said nothing",)
    return finding.lines


def _taint(share: Path) -> tuple[int, int] | None:
    before, after = _number(share / TAINT_BEFORE), _number(share / TAINT_AFTER)
    return None if before is None or after is None else (before, after)


def _number(path: Path) -> int | None:
    """The number that the guest left in a file; None where it left none, or died while it wrote."""
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(errors="replace")
    return ""


def prepare_home(home: Path) -> None:
    """A home directory in which virtme-ng finds a configuration, an empty one, before it looks into /etc."""
    settings = home / ".config/virtme-ng/virtme-ng.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    if not settings.exists():
        settings.write_text("{}\n")

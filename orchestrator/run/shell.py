# SPDX-License-Identifier: GPL-2.0-only
"""Boot one kernel of a scenario as a run does, with a shell or a command of the user instead of the workload."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from time import monotonic

from orchestrator.errors import InfrastructureError, KernelBuildError
from orchestrator.events import Emit, Event, Kind
from orchestrator.host.base import Host
from orchestrator.host.terminal import Connection, Ends
from orchestrator.host.untrusted import replace_untrusted
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.config.capability import KernelFacts, kernel_facts
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.config.needs import refuse_build
from orchestrator.kernel.model import AnyRecipe, KernelBuild, Prebuilt
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.machine.boot import MOST_STATUS, STATUS_FILE, Booted
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.machine.model import GUEST_SHARE, BootEnd
from orchestrator.machine.share import MOST_OUTPUT, Share
from orchestrator.machine.shell import (
    BANNER_FILE,
    NO_TERMINAL,
    OUTPUT_FILE,
    READY,
    SCRIPT_FILE,
    SIZE_FILE,
    TERMINALS,
    command_script,
    gdb_arguments,
    shell_script,
    terminal_arguments,
)
from orchestrator.passthrough.pool import resolve_devices
from orchestrator.paths import odd_character
from orchestrator.result.judge.alignment import describe_end
from orchestrator.result.run import RunStatus
from orchestrator.result.store.writer import RunStore
from orchestrator.run.boot_job import SHARE, Guest, boot_guest, measuring_guest
from orchestrator.run.build_job import build_facts, keep_build_files
from orchestrator.run.context import ArchAssets, EventLog, RunContext, Settings, prepare_assets
from orchestrator.run.execute import closed, prepared, working
from orchestrator.run.gdb import gdb_lines
from orchestrator.run.plan import boot_id, build_id, jobs, seeded
from orchestrator.run.suite_job import lay_out, suite_guest
from orchestrator.scenario.model import MeasuringWorkload, Scenario, Workload

_LONGEST_PLACE = 80
"""Characters of a directory in which a socket can have its own directory."""
_NO_LIMIT = 1e6
"""Seconds; a shell has no time limit (`host.supervisor.FOREVER`)."""


@dataclass(frozen=True)
class ShellRequest:
    """What the user wants.

    `command` is a shell line, None for an interactive shell.  `gdb` is the socket or the port for gdb, "" for a new
    socket, None for no gdb; `stopped` is whether the machine waits for gdb.  `term` is the user's TERM.  `show` gets
    lines for the user before the boot and after it, `ready` is called when the shell starts, and `write` gets the
    output of a command.
    """

    command: str | None
    gdb: Path | int | str | None
    stopped: bool
    term: str
    show: Callable[[str], None]
    ready: Callable[[], None]
    write: Callable[[bytes], None]


def run_shell(
    scenario: Scenario,
    settings: Settings,
    host: Host,
    request: ShellRequest,
    emit: Emit,
    build_host: BuildHost | None = None,
) -> int:
    """Build and boot the only kernel of `scenario` for its only workload, and return the exit status.

    It is that of the command, and 0 for a shell.  Raises UsageError, KernelBuildError (also if the guest's kernel ended
    the machine), and InfrastructureError.
    """
    boot_host, notes = LocalBootHost(host, settings.cache / "vng-home"), list[str]()
    scenario, pool = resolve_devices(
        boot_host.host, seeded(scenario, secrets.randbits(32)), settings.forced, notes.append, boot_host.given
    )
    store = RunStore.create(settings.results, scenario, jobs(scenario))
    with closed(store):
        context = RunContext(scenario, settings, host, boot_host, store, EventLog(store, emit), pool, build_host)
        for note in notes:
            context.emit(Event("devices", "choose", Kind.NOTE, note))
        cache = KernelCache(settings.cache)
        with working(context, cache), TemporaryDirectory(prefix="orch-", dir=_place()) as sockets:
            status = _Shell(context, request, Path(sockets)).run(cache)
        store.finish(RunStatus.FINISHED, status)
    return status


class _Shell:
    """One kernel, one workload, one shell; `sockets` is a directory of this user only, with a short name."""

    def __init__(self, context: RunContext, request: ShellRequest, sockets: Path) -> None:
        self._context = context
        self._request = request
        self._sockets = sockets
        self._workload: Workload = context.scenario.workloads[0]

    def run(self, cache: KernelCache) -> int:
        """Build, boot, and return the exit status."""
        (recipe,), builder = prepared(self._context, cache)
        assets = prepare_assets(self._context)
        job, started = build_id(recipe.name), monotonic()
        build = builder.build(recipe)
        refuse_build(self._context.scenario, recipe, build)
        keep_build_files(self._context.host, build, recipe, self._context.store.directory(job))
        facts = build_facts(build, recipe, self._context.scenario.kernel(recipe.name))
        self._context.store.end_build(job, facts, seconds=monotonic() - started)
        return self._booted(recipe, build, assets[build.arch])

    def _booted(self, recipe: AnyRecipe, build: KernelBuild, assets: ArchAssets) -> int:
        job = boot_id(build.name, self._workload.name)
        directory = self._context.store.directory(job)
        facts = kernel_facts(build, self._context.scenario.kernel(build.name).can)
        guest = self._guest(recipe, build, facts, assets, directory)
        self._context.store.start_job(job)
        booted = self._connected(build, facts, assets, guest, job)
        return self._status(booted, directory)

    def _guest(
        self, recipe: AnyRecipe, build: KernelBuild, facts: KernelFacts, assets: ArchAssets, directory: Path
    ) -> Guest:
        """Return the guest of the workload with the shell instead of its command."""
        (directory / SHARE).mkdir(parents=True, exist_ok=True)
        if isinstance(self._workload, MeasuringWorkload):
            guest = measuring_guest(self._context, assets, build, facts, self._workload, directory)
        else:
            programs = lay_out(self._context, recipe, self._workload, directory)
            guest = suite_guest(self._context, build, self._workload, programs, directory)
        self._write_script(build, guest, directory)
        gdb, arguments = self._gdb(recipe, build)
        terminal = terminal_arguments(self._terminal) if build.arch in TERMINALS else ()
        return replace(guest, command=f"sh {GUEST_SHARE}/{SCRIPT_FILE}", arguments=arguments, qemu=(*terminal, *gdb))

    @property
    def _terminal(self) -> Path:
        return self._sockets / "shell"

    def _write_script(self, build: KernelBuild, guest: Guest, directory: Path) -> None:
        share = directory / SHARE
        if self._request.command is not None:
            text = command_script(self._request.command, build.arch)
            (share / SCRIPT_FILE).write_text(text, errors="surrogateescape")
            return
        script = shell_script(f"{build.name}:\\w# ", self._request.term, self._context.addresses)
        (share / SCRIPT_FILE).write_text(script)
        banner = (
            f"Linux {build.version}, kernel {build.name} of scenario {self._context.scenario.name}.",
            "'exit' ends the machine, and so does Ctrl-] twice.",
            f"{GUEST_SHARE} is {share}",
            f"The kernel's console is in {directory / 'console.log'}",
            f"This runs the workload {self._workload.name}:",
            f"  {guest.command}",
        )
        (share / BANNER_FILE).write_text("".join(f"{line}\n" for line in banner))

    def _gdb(self, recipe: AnyRecipe, build: KernelBuild) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return QEMU's and the kernel's arguments for gdb, and show the user how to start it."""
        place = self._request.gdb
        if place is None:
            return (), ()
        if isinstance(place, str):
            place = self._sockets / "gdb"
        config = parse(build.config.read_text())
        source = None if isinstance(recipe, Prebuilt) else recipe.source.path
        for line in gdb_lines(place, build, config, source, stopped=self._request.stopped):
            self._request.show(line)
        moved = config.get("RANDOMIZE_BASE") == "y"
        return gdb_arguments(place, stopped=self._request.stopped), ("nokaslr",) if moved else ()

    def _connected(self, build: KernelBuild, facts: KernelFacts, assets: ArchAssets, guest: Guest, job: str) -> Booted:
        """Boot the guest while its terminal is connected to that of the user."""
        request = self._request
        ends = Ends(
            READY,
            request.ready,
            None if request.command is None else request.write,
            partial(_write_size, self._context.store.directory(job) / SHARE),
            self._context.host.stop_all,
        )
        workload = replace(self._workload, timeout=_NO_LIMIT)
        with Connection(self._terminal, ends):
            return boot_guest(self._context, assets, build, facts, workload, guest, job)

    def _status(self, booted: Booted, directory: Path) -> int:
        """Return the exit status that follows from the end of the machine."""
        report, share = booted.report, Share(directory / SHARE)
        status = share.number(STATUS_FILE, MOST_STATUS)
        warnings = (f"the guest kernel warned: {splat.text}" for splat in report.splats)
        for sentence in (*report.odd, *share.odd, *warnings):
            self._request.show(sentence)
        if output := share.text(OUTPUT_FILE, MOST_OUTPUT):
            self._request.write(output.encode())
        if report.end in (BootEnd.OK, BootEnd.WORKLOAD) and status is not None:
            return self._of_command(status)
        if report.end is BootEnd.SHUTDOWN and self._request.command is None:
            return 0  # the user typed poweroff
        what = "the shell" if self._request.command is None else "the command"
        sentence = f"{describe_end(self._workload, report, what)}; see {directory / 'console.log'}"
        if report.end in (BootEnd.QEMU, BootEnd.WORKLOAD):
            raise InfrastructureError(sentence)
        raise KernelBuildError(sentence)

    def _of_command(self, status: int) -> int:
        if self._request.command is not None:
            return status
        if status == NO_TERMINAL:
            raise InfrastructureError("the shell has no terminal: this kernel drives no second serial port")
        return 0


def _place() -> str:
    """Return a directory for sockets, whose paths are short (unix(7)) and without special characters."""
    own = gettempdir()
    return own if len(own) < _LONGEST_PLACE and not odd_character(Path(own)) else "/tmp"


def _write_size(share: Path, rows: int, columns: int) -> None:
    """Give the guest the size of the terminal.  A guest that puts something in the way of the file gets none."""
    with suppress(OSError):
        replace_untrusted(share, SIZE_FILE, f"rows {rows} cols {columns}\n".encode())

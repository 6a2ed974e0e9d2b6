# SPDX-License-Identifier: GPL-2.0-only
"""``orch shell``: a shell, or one command, in a kernel of a scenario, with its devices."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches

from orchestrator.cli.hosts import choose_build_host
from orchestrator.cli.options import ShellOptions
from orchestrator.cli.scenarios import load_with_overrides
from orchestrator.cli.signals import interruptible
from orchestrator.errors import Interrupted, UsageError
from orchestrator.events import Emit, Event
from orchestrator.host.local import LOCAL, LocalHost
from orchestrator.host.terminal import has_terminal
from orchestrator.machine.shell import TERMINALS
from orchestrator.report.progress import progress
from orchestrator.report.text import say
from orchestrator.run.context import Settings
from orchestrator.run.shell import ShellRequest, run_shell
from orchestrator.scenario.model import Scenario

SHELLS = "shells"
"""The directory in the results with what shells leave; it has no runs."""


class _View:
    """The progress of the build and the boot, until the shell starts; then only the shell writes to the terminal."""

    def __init__(self, stack: ExitStack, emit: Emit) -> None:
        self._stack = stack
        self._emit = emit
        self._open = True

    def emit(self, event: Event) -> None:
        """Show an event."""
        if self._open:
            self._emit(event)

    def close(self) -> None:
        """Show nothing more."""
        self._open = False
        self._stack.close()

    def show(self, line: str) -> None:
        """Print a line that the user may copy, instead of the progress: a live view would wrap it."""
        self.close()
        say(line, file=sys.stderr)


def shell(options: ShellOptions) -> int:
    """Build and boot the kernel; the status is that of the command, or of the machine's end.

    Raises UsageError also without a terminal.
    """
    if options.command is None and not has_terminal():
        raise UsageError("a shell needs a terminal on stdin and stdout; for scripts there is --command 'COMMAND'")
    if options.stopped and options.gdb is None:
        raise UsageError("--stopped is for --gdb: only gdb can start a machine that is stopped")
    scenario = _chosen(load_with_overrides(options.scenario), options)
    settings = Settings(options.places.cache, options.results / SHELLS, options.jobs, options.places.forced)
    with (
        interruptible(),
        ExitStack() as stack,
        choose_build_host(options.places, scenario) as build_host,
    ):
        output = _Output()
        view = _View(stack, stack.enter_context(progress(sys.stderr, verbose=options.verbose)))
        request = ShellRequest(
            options.command,
            options.gdb,
            options.stopped,
            os.environ.get("TERM", "dumb"),
            view.show,
            view.close,
            output.write,
        )
        try:
            return run_shell(scenario, settings, LocalHost(), request, view.emit, build_host)
        except Interrupted:
            if output.broken:
                raise BrokenPipeError from None
            raise


def _chosen(scenario: Scenario, options: ShellOptions) -> Scenario:
    """Return `scenario` with the kernel and the workload of the options only."""
    host = options.places.host or scenario.host.name or scenario.host.tag
    if host not in ("", LOCAL):
        raise UsageError(f"a shell boots on this machine only, not on {host}; use --host {LOCAL}")
    kernels = {kernel.name: kernel for kernel in scenario.kernels}
    workloads = {workload.name: workload for workload in scenario.workloads}
    kernel = _named("kernel", options.kernel, tuple(kernels))
    workload = _named("workload", options.workload or next(iter(workloads)), tuple(workloads))
    if options.command is None and kernels[kernel].arch not in TERMINALS:
        what = f"a guest for {kernels[kernel].arch} has no second serial port for a shell"
        raise UsageError(f"kernel {kernel}: {what}; use --command 'COMMAND'")
    return replace(scenario, base=kernel, kernels=(kernels[kernel],), workloads=(workloads[workload],))


def _named(what: str, name: str, known: tuple[str, ...]) -> str:
    if name in known:
        return name
    near = get_close_matches(name, known, cutoff=0.4) or known
    raise UsageError(f"the scenario has no {what} {name!r}; did you mean {' or '.join(near[:3])}?")


class _Output:
    """The output of a command: byte for byte, but on a terminal so that nothing of it acts."""

    def __init__(self) -> None:
        self.broken = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if sys.stdout.isatty() else None

    def write(self, data: bytes) -> None:
        """Print what the guest wrote.  Raises BrokenPipeError if stdout has no reader any more."""
        try:
            if self._decoder:
                say(self._decoder.decode(data), end="")
            else:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.broken = True
            raise

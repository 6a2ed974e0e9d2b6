# SPDX-License-Identifier: GPL-2.0-only
"""``orch diff``: compare the kernels of two stored runs."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from orchestrator.cli.options import DiffOptions
from orchestrator.cli.terminal import screen
from orchestrator.errors import InfrastructureError, KernelBuildError, UsageError
from orchestrator.report import diff as report
from orchestrator.report.text import one_line, say, say_json
from orchestrator.result.compare.diff import RunDiff, diff_runs, same_names
from orchestrator.result.compare.diff_pair import KernelPair
from orchestrator.result.run import Run
from orchestrator.result.store.load import find_run, load_run


def diff(options: DiffOptions) -> int:
    """Print what differs.

    The status is 1 if something is worse, or else 3 if the second run lacks a result of the first.  Raises UsageError
    for a wrong name or if nothing can be compared, InfrastructureError if a run cannot be read.
    """
    first, second = (_load(find_run(options.results, name)) for name in options.runs)
    found = diff_runs(first, second, _pairs(first, second, options.kernels))
    if not found.compared:
        why = "\n".join(f"  {one_line(sentence)}" for sentence in found.left_out) or "  neither has a result"
        raise UsageError(f"{first.id} and {second.id}: nothing can be compared:\n{why}")
    if options.json:
        say_json(report.to_json(found))
    else:
        stdout = screen()
        say(report.render(found, width=stdout.width, color=stdout.color), end="", color=stdout.color)
    return _exit_status(found)


def _exit_status(found: RunDiff) -> int:
    if found.worse:
        return KernelBuildError.exit_status
    return InfrastructureError.exit_status if found.lost else 0


def _load(path: Path) -> Run:
    try:
        return load_run(path)
    except UsageError as error:
        raise InfrastructureError(str(error)) from error


def _pairs(first: Run, second: Run, named: tuple[tuple[str, str], ...]) -> tuple[KernelPair, ...]:
    for base, variant in named:
        _refuse_unknown(first, base)
        _refuse_unknown(second, variant)
    pairs = tuple(KernelPair(*pair) for pair in dict.fromkeys(named))
    if not pairs and not same_names(first, second):
        names = (f"{run.id} has {', '.join(run.scenario.kernels)}" for run in (first, second))
        raise UsageError(f"no kernel has the same name in both runs: {'; '.join(names)}; pair them with --kernels A=B")
    return pairs


def _refuse_unknown(run: Run, kernel: str) -> None:
    known = run.scenario.kernels
    if kernel not in known:
        near = get_close_matches(kernel, known, cutoff=0.4) or known
        raise UsageError(f"--kernels: {run.id} has no kernel {kernel!r}; did you mean {' or '.join(near[:3])}?")

# SPDX-License-Identifier: GPL-2.0-only
"""``orch bisect``: print the table of steps and the first bad commit, and return the exit status."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from orchestrator.bisect import report as render
from orchestrator.bisect import state as kept
from orchestrator.bisect.history import History, git_bisect, open_history
from orchestrator.bisect.measure import CommitRunner, Places, digest_of, repository_of
from orchestrator.bisect.model import Question, State
from orchestrator.bisect.search import Search, Step, Watcher
from orchestrator.cli.hosts import open_places
from orchestrator.cli.options import BisectOptions
from orchestrator.cli.scenarios import load_scenario
from orchestrator.cli.signals import interruptible
from orchestrator.cli.terminal import Screen, screen
from orchestrator.errors import InfrastructureError, Interrupted, UsageError
from orchestrator.events import Emit
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import shared
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.report.progress import progress
from orchestrator.report.text import say, say_json
from orchestrator.result.store.files import write_atomically
from orchestrator.scenario.model import Scenario
from orchestrator.yamlfile.messages import listed


def bisect(options: BisectOptions) -> int:
    """Find the first bad commit; returns 0 if it is found, 1 if only skipped commits are left.

    Raises UsageError, InfrastructureError, and Interrupted with a sentence that says how to continue.
    """
    with interruptible():
        return _bisect(options, screen())


def _bisect(options: BisectOptions, stdout: Screen) -> int:
    host, cache = LocalHost(), options.places.cache
    if options.resume is None:
        question, scenario = _question(options, host)
        directory = kept.new_directory(options.results, scenario.name)
        state = State(question)
        kept.save(directory, state)
    else:
        directory = _directory(options, options.resume)
        state = kept.load(directory)
        scenario = _same_scenario(state.question)
    with shared(host, KernelCache(cache).users), kept.kept_alone(host, directory):
        history = open_history(host, cache, state.question.repository, where=state.question.scenario)
        state = _search(options, scenario, state, history, directory, stdout)
    return _report(state, directory, stdout, in_json=options.json)


def _question(options: BisectOptions, host: LocalHost) -> tuple[Question, Scenario]:
    """Return what the command line asks, with every ref resolved now, and the scenario.

    Raises UsageError if an option is missing, a ref does not exist, or good does not come before bad.
    """
    if options.scenario is None or options.good is None or options.bad is None:
        required = {"FILE": options.scenario, "--good REF": options.good, "--bad REF": options.bad}
        missing = listed(name for name, value in required.items() if value is None)
        raise UsageError(f"{missing} must be given, unless --resume continues an earlier one")
    scenario = load_scenario(options.scenario)
    kernel, places = scenario.kernel(scenario.base), options.places
    repository = repository_of(kernel, options.git or "")
    history = open_history(host, places.cache, repository, where="--git" if options.git else kernel.where)
    good, bad = history.resolve(options.good, "--good"), history.resolve(options.bad, "--bad")
    history.require_order(good, bad, options.good, options.bad)
    question = Question(
        scenario=str(scenario.path.absolute()),
        digest=digest_of(scenario, kernel),
        name=scenario.name,
        kernel=kernel.name,
        git=options.git or "",
        repository=repository,
        good_ref=options.good,
        bad_ref=options.bad,
        good=good,
        bad=bad,
        case=options.case or "",
        repeat=options.repeat or 2,
        seed=secrets.randbits(32),
        host=places.host or "",
        build_host=places.build_host or "",
        hosts=str(places.hosts.absolute()) if places.hosts else "",
        forced=places.forced,
    )
    return question, scenario


def _directory(options: BisectOptions, resume: str) -> Path:
    """Return the directory of the bisection to continue: `resume`, or the newest unfinished if that is empty.

    Raises UsageError if its question differs from the command line.
    """
    given = {"good_ref": options.good, "bad_ref": options.bad, "case": options.case, "git": options.git}
    given |= {"host": options.places.host, "build_host": options.places.build_host}
    asked: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if options.scenario:
        asked["scenario"] = str(load_scenario(options.scenario).path.absolute())
    if options.places.forced:
        asked["forced"] = options.places.forced
    if options.repeat:
        asked["repeat"] = options.repeat
    if not resume:
        return kept.find_unfinished(options.results, asked)
    directory = Path(resume).absolute()
    if differing := kept.differing(kept.load(directory).question, asked):
        names = ", ".join(name.removesuffix("_ref") for name in differing)
        raise UsageError(f"{directory}: this bisection asks something else ({names}); leave it out, or start a new one")
    return directory


def _same_scenario(question: Question) -> Scenario:
    """Return the scenario of `question`.  Raises UsageError if it has changed."""
    scenario = load_scenario(Path(question.scenario))
    names = {kernel.name for kernel in scenario.kernels}
    if question.kernel not in names or digest_of(scenario, scenario.kernel(question.kernel)) != question.digest:
        what = f"{question.scenario}: the scenario, or a file of its kernel, has changed since the bisection began"
        raise UsageError(f"{what}, so its answers are no longer valid; start a new one without --resume")
    return scenario


def _search(
    options: BisectOptions,
    scenario: Scenario,
    state: State,
    history: History,
    directory: Path,
    stdout: Screen,
) -> State:
    """Continue from `state` until there is an outcome, and return the state with it."""
    if state.outcome:
        return state
    question = state.question
    print_lines, git = _printer(options, color=stdout.color), git_bisect(history, directory)
    resume = f"'orch bisect --resume {directory}' continues it"
    try:
        for name, commit in (("--good", question.good), ("--bad", question.bad)):
            history.resolve(commit, name)  # the repository may have lost it
        print_lines(render.title(state, history.count(question.good, question.bad), stdout.width))
        print_lines([f"  kept in {directory}", render.header(stdout.width)])
        watch, places = _watch(options), _places(options, question)
        runner = CommitRunner(scenario, question, options.places.cache, options.jobs, watch, places)
        found = Search(state, git, directory, runner, _watcher(print_lines, stdout)).run()
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; all it started is stopped; {resume}") from None
    except InfrastructureError as error:
        raise type(error)(f"{error}\n{resume}") from error
    git.forget()
    return found


PrintLines = Callable[[list[str]], None]


def _printer(options: BisectOptions, *, color: bool) -> PrintLines:
    """Return a function that prints lines at once: on stdout, or on stderr if stdout is for JSON."""
    out = sys.stderr if options.json else sys.stdout
    return lambda lines: say(*lines, file=out, color=color)


def _watch(options: BisectOptions) -> Callable[[], AbstractContextManager[Emit]]:
    return lambda: progress(sys.stderr, verbose=options.verbose)


def _places(options: BisectOptions, question: Question) -> Places:
    """Return what opens the hosts on which commits are built and booted: those given when the bisection began."""
    places = replace(
        options.places,
        host=question.host or None,
        build_host=question.build_host or None,
        hosts=Path(question.hosts) if question.hosts else options.places.hosts,
        forced=question.forced,
    )
    return lambda scenario, local: open_places(places, scenario, local)


def _watcher(print_lines: PrintLines, stdout: Screen) -> Watcher:
    def judging(state: State) -> None:
        print_lines(render.judging(state, stdout.width) or ["", *render.ends(state, stdout.width), ""])

    def step(done: Step) -> None:
        print_lines(render.row(done, stdout.width, stdout.color))

    return Watcher(judging, step, lambda left: print_lines([f"  {left}"] if left else []))


def _report(state: State, directory: Path, stdout: Screen, *, in_json: bool) -> int:
    """Write the report file, print the outcome, and return the exit status."""
    write_atomically(directory / kept.REPORT_FILE, render.report(state, directory))
    if in_json:
        say_json(render.to_json(state, directory))
    else:
        say("\n" + render.report(state, directory, stdout.width, stdout.color), end="", color=stdout.color)
    return 0 if state.outcome and state.outcome.first_bad else 1

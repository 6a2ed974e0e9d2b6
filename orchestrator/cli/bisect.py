# SPDX-License-Identifier: GPL-2.0-only
"""``orch bisect``: arguments in, the table of steps and the first bad commit out, an exit status back."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.bisect import report as render
from orchestrator.bisect import state as kept
from orchestrator.bisect.history import History, git_bisect, open_history
from orchestrator.bisect.measure import CommitRunner, Places, digest_of, repository_of
from orchestrator.bisect.model import Question, State
from orchestrator.bisect.search import Search, Step, Watcher
from orchestrator.cli.hosts import places_of
from orchestrator.errors import InfrastructureError, Interrupted, UsageError
from orchestrator.events import Emit
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import shared
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.report.progress import progress
from orchestrator.report.text import say, say_json
from orchestrator.result.store.files import write_atomically
from orchestrator.scenario.model import Scenario

Load = Callable[[Path], Scenario]
"""Reads a scenario, as every verb does."""


@dataclass(frozen=True)
class Screen:
    """Where people read: `width` in columns, and whether there is `color`."""

    width: int
    color: bool


def bisect(arguments: argparse.Namespace, load: Load, screen: Screen) -> int:
    """Find the first bad commit: 0 for one, 1 where only skipped commits are left.

    Raises UsageError, InfrastructureError, and Interrupted with a sentence that says how to go on.
    """
    cache = arguments.cache.absolute()
    host = LocalHost()
    if arguments.resume is None:
        scenario = _scenario(arguments, load)
        question = _question(host, cache, scenario, arguments)
        directory = kept.new_directory(arguments.results, scenario.name)
        state = State(question)
        kept.save(directory, state)
    else:
        directory = _directory(arguments, load)
        state = kept.load(directory)
        scenario = _same_scenario(state.question, load)
    with shared(host, KernelCache(cache).users), kept.kept_alone(host, directory):
        history = open_history(host, cache, state.question.repository, where=state.question.scenario)
        state = _go_on(arguments, scenario, state, history, directory, screen)
    return _tell(state, directory, screen, in_json=arguments.json)


def _scenario(arguments: argparse.Namespace, load: Load) -> Scenario:
    missing = [name for name in ("scenario", "good", "bad") if getattr(arguments, name) is None]
    if missing:
        named = " and ".join("FILE" if name == "scenario" else f"--{name} REF" for name in missing)
        raise UsageError(f"{named} must be given, unless --resume goes on with an earlier one")
    return load(arguments.scenario)


def _question(host: LocalHost, cache: Path, scenario: Scenario, arguments: argparse.Namespace) -> Question:
    """What the command line asks, with every ref as it is now.  Raises UsageError for what makes no sense."""
    kernel = scenario.kernel(scenario.base)
    repository = repository_of(kernel, arguments.git or "")
    history = open_history(host, cache, repository, where="--git" if arguments.git else kernel.where)
    good, bad = (history.resolve(getattr(arguments, name), f"--{name}") for name in ("good", "bad"))
    history.require_order(good, bad, arguments.good, arguments.bad)
    return Question(
        scenario=str(scenario.path.absolute()),
        digest=digest_of(scenario, kernel),
        name=scenario.name,
        kernel=kernel.name,
        git=arguments.git or "",
        repository=repository,
        good_ref=arguments.good,
        bad_ref=arguments.bad,
        good=good,
        bad=bad,
        case=arguments.case or "",
        repeat=arguments.repeat or 2,
        seed=secrets.randbits(32),
        host=arguments.host or "",
        build_host=arguments.build_host or "",
        hosts=str(arguments.hosts.absolute()) if arguments.hosts else "",
        forced=tuple(arguments.force or ()),
    )


def _directory(arguments: argparse.Namespace, load: Load) -> Path:
    """The directory of the bisection to go on with.  Raises UsageError for one that asks something else."""
    given = {"good_ref": arguments.good, "bad_ref": arguments.bad, "case": arguments.case, "git": arguments.git}
    given |= {"host": arguments.host, "build_host": arguments.build_host}
    asked = {name: value for name, value in given.items() if value is not None}
    if arguments.scenario:
        asked["scenario"] = str(load(arguments.scenario).path.absolute())
    if arguments.force:
        asked["forced"] = tuple(arguments.force)
    if arguments.repeat:
        asked["repeat"] = arguments.repeat
    if not arguments.resume:
        return kept.find_unfinished(arguments.results, asked)
    directory = Path(arguments.resume).absolute()
    if other := kept.differing(kept.load(directory).question, asked):
        told = ", ".join(name.removesuffix("_ref") for name in other)
        raise UsageError(f"{directory}: this bisection asks something else ({told}); leave it out, or begin a new one")
    return directory


def _same_scenario(question: Question, load: Load) -> Scenario:
    scenario = load(Path(question.scenario))
    names = {kernel.name for kernel in scenario.kernels}
    if question.kernel not in names or digest_of(scenario, scenario.kernel(question.kernel)) != question.digest:
        told = f"{question.scenario}: the scenario, or a file of its kernel, has changed since the bisection began"
        raise UsageError(f"{told}, so that its answers hold no longer; begin a new one without --resume")
    return scenario


def _go_on(
    arguments: argparse.Namespace,
    scenario: Scenario,
    state: State,
    history: History,
    directory: Path,
    screen: Screen,
) -> State:
    """From `state` to one with an outcome."""
    if state.outcome:
        return state
    question = state.question
    say, git = _say(arguments, color=screen.color), git_bisect(history, directory)
    resume = f"'orch bisect --resume {directory}' goes on with it"
    try:
        for name, commit in (("--good", question.good), ("--bad", question.bad)):
            history.resolve(commit, name)  # it may be gone since
        say(render.title(state, history.count(question.good, question.bad), screen.width))
        say([f"  kept in {directory}", render.header(screen.width)])
        watch, places = _watch(arguments), _places(arguments, question)
        bench = CommitRunner(scenario, question, arguments.cache.absolute(), arguments.jobs, watch, places)
        found = Search(state, git, directory, bench, _watcher(say, screen)).run()
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; all it started is stopped; {resume}") from None
    except InfrastructureError as error:
        raise type(error)(f"{error}\n{resume}") from error
    git.forget()
    return found


Say = Callable[[list[str]], None]


def _say(arguments: argparse.Namespace, *, color: bool) -> Say:
    """Prints lines at once, beside the JSON where that is wanted."""
    out = sys.stderr if arguments.json else sys.stdout
    return lambda lines: say(*lines, file=out, color=color)


def _watch(arguments: argparse.Namespace) -> Callable[[], AbstractContextManager[Emit]]:
    return lambda: progress(sys.stderr, verbose=arguments.verbose)


def _places(arguments: argparse.Namespace, question: Question) -> Places:
    """Where commits are built and booted: on the hosts that were given when the bisection began."""
    given = {
        "host": question.host or None,
        "build_host": question.build_host or None,
        "hosts": Path(question.hosts) if question.hosts else arguments.hosts,
        "force": question.forced,
    }
    asked = argparse.Namespace(**{**vars(arguments), **given})
    return lambda scenario, local: places_of(asked, scenario, local)


def _watcher(say: Say, screen: Screen) -> Watcher:
    def judging(state: State) -> None:
        say(render.judging(state, screen.width) or ["", *render.ends(state, screen.width), ""])

    def step(one: Step) -> None:
        say(render.row(one, screen.width, screen.color))

    return Watcher(judging, step, lambda left: say([f"  {left}"] if left else []))


def _tell(state: State, directory: Path, screen: Screen, *, in_json: bool) -> int:
    write_atomically(directory / kept.REPORT_FILE, render.report(state, directory))
    if in_json:
        say_json(render.to_json(state, directory))
    else:
        say("\n" + render.report(state, directory, screen.width, screen.color), end="", color=screen.color)
    return 0 if state.outcome and state.outcome.first_bad else 1

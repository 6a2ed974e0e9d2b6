# SPDX-License-Identifier: GPL-2.0-only
"""A bisection on disk.

Each trial is written when it ends, so that a kill loses one boot at most.

results/bisect-<scenario>-<time>/
    state.json       the question, every trial, the verdicts, the outcome
    bisect.log       the answers for git, for ``git bisect replay``
    report.txt       the result, as it was printed
    steps/NN-<commit>/<run>/    every trial: a run directory like any other
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.agent.inodes import MIB
from orchestrator.bisect.judge import criteria_of, verdict_of
from orchestrator.bisect.model import SHORT, Outcome, Question, State
from orchestrator.errors import UsageError
from orchestrator.host.base import Host
from orchestrator.host.lock import locked
from orchestrator.host.untrusted import OddFileError, read_untrusted
from orchestrator.result.store.files import disk_errors, make_directory, to_json, write_atomically

STATE_FILE = "state.json"
LOG_FILE = "bisect.log"
REPORT_FILE = "report.txt"
_FORMAT = 1
_MOST = 64 * MIB
"""Bytes of a state that are read at most."""
_PREFIX = "bisect-"


def new_directory(results: Path, name: str) -> Path:
    """Make the directory of a new bisection of the scenario called `name`.  Raises InfrastructureError."""
    make_directory(results)
    stem = results.resolve() / f"{_PREFIX}{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    for attempt in range(1, 1000):
        path = stem if attempt == 1 else stem.with_name(f"{stem.name}-{attempt}")
        with disk_errors(path):
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    raise UsageError(f"{stem}: too many of the same name; remove some")


@contextmanager
def kept_alone(host: Host, directory: Path) -> Iterator[None]:
    """Lock the bisection in `directory`.  Raises UsageError if another process works on it."""

    def refuse() -> None:
        raise UsageError(f"{directory}: another orch works on this bisection; wait until it has ended")

    with locked(host, directory / ".lock", refuse):
        yield


def save(directory: Path, state: State) -> None:
    """Write the state to `directory`.  Raises InfrastructureError if the file cannot be written."""
    write_atomically(directory / STATE_FILE, to_json(encode(state)))


def encode(state: State) -> dict[str, Any]:
    """Return the content of `state.json`.  `criteria` and `verdicts` follow from the rest and are for users."""
    commits = dict.fromkeys(trial.commit for trial in state.trials)
    verdicts = {commit: verdict_of(state, commit) for commit in commits}
    return {
        "format": _FORMAT,
        "question": asdict(state.question),
        "criteria": [asdict(criterion) for criterion in criteria_of(state)],
        "verdicts": {commit: asdict(verdict) for commit, verdict in verdicts.items() if verdict},
        "trials": [asdict(trial) for trial in state.trials],
        "outcome": asdict(state.outcome) if state.outcome else None,
    }


def load(directory: Path) -> State:
    """Return the state in `directory`.  Raises UsageError if there is none, or if it cannot be read."""
    path = directory / STATE_FILE
    try:
        content = read_untrusted(directory, STATE_FILE, _MOST)
        if content is None:
            raise FileNotFoundError(path)
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise UsageError(f"{path}: not format {_FORMAT}, which this orch reads; use the orch that wrote it")
        state: State = TypeAdapter(State).validate_python(data)
        return state
    except (OSError, OddFileError) as error:
        raise UsageError(f"{directory}: no bisection is kept here: no {STATE_FILE} can be read") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        problem = f"{path}: damaged, or not written by orch ({cause})"
        raise UsageError(f"{problem}; start a new bisection without --resume") from error


def find_unfinished(results: Path, asked: Mapping[str, object]) -> Path:
    """Return the newest unfinished bisection in `results` with the `asked` question.

    Raises UsageError if there is none.  A bisection that cannot be read does not hide the others.
    """
    unread: UsageError | None = None
    for path in sorted(results.glob(f"{_PREFIX}*/{STATE_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            state = load(path.parent)
        except UsageError as error:
            unread = unread or error
            continue
        if state.outcome is None and not differing(state.question, asked):
            return path.parent.resolve()
    if unread:
        raise unread
    problem = f"{results}: no bisection is unfinished here" + (" with the same question" if asked else "")
    raise UsageError(f"{problem}; leave out --resume to start one, or name its directory")


def differing(question: Question, asked: Mapping[str, object]) -> list[str]:
    """Return the fields of `question` that are not as `asked`."""
    return [name for name, value in asked.items() if getattr(question, name) != value]


def step_directory(directory: Path, state: State, commit: str) -> Path:
    """Return the directory for the runs of `commit`.

    Its number is the order in which commits were first tried.
    """
    tried = list(dict.fromkeys(trial.commit for trial in state.trials))
    number = tried.index(commit) if commit in tried else len(tried)
    return directory / "steps" / f"{number:02}-{commit[:SHORT]}"


def with_outcome(state: State, outcome: Outcome) -> State:
    """Return the state with the outcome of the bisection."""
    return replace(state, outcome=outcome)

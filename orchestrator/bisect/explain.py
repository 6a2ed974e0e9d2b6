# SPDX-License-Identifier: GPL-2.0-only
"""Why two ends cannot be told apart, in one sentence that says how to mend it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from orchestrator.bisect.judge import matches, most_telling
from orchestrator.bisect.model import CaseResult, State, Trial
from orchestrator.result.model import Status
from orchestrator.workload.alignment.tests import placement_of


def nothing_differs(state: State) -> str:
    """The sentence for two ends that were measured, and no case of which judges."""
    question = state.question
    good, bad = (most_telling(state.of(end)) for end in (question.good, question.bad))
    names = tuple(dict.fromkeys(case.name for case in (*good.cases, *bad.cases)))
    chosen = [name for name in names if not question.case or matches(name, question.case, question.kernel)]
    if not chosen:
        near = get_close_matches(question.case, names, 1, 0.3) or names[:1]
        mend = f"; did you mean '{near[0]}'?" if near else ""
        return f"--case: no case at --good or --bad is called '{question.case}'{mend}"
    ends = f"--good {question.good_ref} and --bad {question.bad_ref}"
    return next(_reasons(state, good, bad, chosen, ends))


def _reasons(state: State, good: Trial, bad: Trial, chosen: list[str], ends: str) -> Iterator[str]:
    """The reasons why nothing judges, the most telling first; the last one always holds."""
    for name in chosen:
        before, after = good.case(name), bad.case(name)
        if _passes(before) and _fails(after):
            times = [_statuses(state, commit, name) for commit in (state.question.good, state.question.bad)]
            told = f"{name} does not end alike each time: {times[0]} at good, {times[1]} at bad"
            yield f"{told}; name a case that does with --case"
    for name in chosen:
        if _fails(good.case(name)) and _passes(bad.case(name)):
            told = f"{name} fails at the good end and passes at the bad one, of {ends}"
            yield f"{told}; 'orch bisect' looks for what broke a case, not for what mended it"
    if spoilt := next((case for case in good.cases if _fails(case)), None):
        same = f"{spoilt.name} is {spoilt.status} at --good {state.question.good_ref} already ({spoilt.message})"
        yield f"no case passes at good and fails at bad: {same}; go further back"
    told = f"no case passes at good and fails at bad, of {ends}"
    if hint := next(_unexpected(state, good, bad), ""):
        yield f"{told}; {hint}"
    yield f"{told}; tell the kernel's 'expect' in {state.question.scenario} what must not change"


def _passes(seen: CaseResult | None) -> bool:
    return seen is not None and seen.status.expected and seen.status is not Status.SKIP


def _fails(seen: CaseResult | None) -> bool:
    return seen is not None and not seen.status.expected


def _statuses(state: State, commit: str, name: str) -> str:
    seen = (trial.case(name) for trial in state.of(commit))
    return ", ".join(str(case.status) if case else "missing" for case in seen)


def _unexpected(state: State, good: Trial, bad: Trial) -> Iterator[str]:
    """What was measured differently though nothing is expected of it: it could judge."""
    after = dict(bad.numbers)
    differing = [(name, value) for name, value in good.numbers if name in after and after[name] != value]
    for name, value in sorted(differing, key=lambda one: not one[0].endswith("/level")):
        *_, test, check = name.split("/")
        placement = placement_of(test)
        if placement:
            wanted = f"{placement}: {{{check}: {value}}}"
            told = f"{name} is {value} at good and {after[name]} at bad, and nothing is expected of it"
            yield f"{told}: add '{wanted}' to 'expect' of kernel '{state.question.kernel}' in {state.question.scenario}"

# SPDX-License-Identifier: GPL-2.0-only
"""One sentence on why no case differs between the ends.  Pure.

It has a hint on what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from orchestrator.bisect.judge import matches, most_telling
from orchestrator.bisect.model import CaseResult, State, Trial
from orchestrator.result.model import Status
from orchestrator.workload.alignment.tests import placement_of


def nothing_differs(state: State) -> str:
    """Return the sentence for two measured ends without a case that judges."""
    question = state.question
    good, bad = (most_telling(state.of(end)) for end in (question.good, question.bad))
    names = tuple(dict.fromkeys(case.name for case in (*good.cases, *bad.cases)))
    chosen = [name for name in names if not question.case or matches(name, question.case, question.kernel)]
    if not chosen:
        near = get_close_matches(question.case, names, 1, 0.3) or names[:1]
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"--case: no case at --good or --bad is called '{question.case}'{hint}"
    ends = f"--good {question.good_ref} and --bad {question.bad_ref}"
    return next(_reasons(state, good, bad, chosen, ends))


def _reasons(state: State, good: Trial, bad: Trial, chosen: list[str], ends: str) -> Iterator[str]:
    """Yield the reasons why no case judges, the most specific first.

    The last one always holds.
    """
    for name in chosen:
        before, after = good.case(name), bad.case(name)
        if _passes(before) and _fails(after):
            times = [_statuses(state, commit, name) for commit in (state.question.good, state.question.bad)]
            reason = f"{name} does not end the same way each time: {times[0]} at good, {times[1]} at bad"
            yield f"{reason}; name a case that does with --case"
    for name in chosen:
        if _fails(good.case(name)) and _passes(bad.case(name)):
            reason = f"{name} fails at the good end and passes at the bad one, of {ends}"
            yield f"{reason}; 'orch bisect' looks for what broke a case, not for what fixed it"
    if failed := next((case for case in good.cases if _fails(case)), None):
        same = f"{failed.name} is {failed.status} at --good {state.question.good_ref} already ({failed.message})"
        yield f"no case passes at good and fails at bad: {same}; go further back"
    reason = f"no case passes at good and fails at bad, of {ends}"
    if hint := next(_unexpected(state, good, bad), ""):
        yield f"{reason}; {hint}"
    yield f"{reason}; state in the kernel's 'expect' in {state.question.scenario} what must not change"


def _passes(case: CaseResult | None) -> bool:
    return case is not None and case.status.expected and case.status is not Status.SKIP


def _fails(case: CaseResult | None) -> bool:
    return case is not None and not case.status.expected


def _statuses(state: State, commit: str, name: str) -> str:
    cases = (trial.case(name) for trial in state.of(commit))
    return ", ".join(str(case.status) if case else "missing" for case in cases)


def _unexpected(state: State, good: Trial, bad: Trial) -> Iterator[str]:
    """Yield the measurements that differ and have no expectation: with one, they could judge."""
    after = dict(bad.numbers)
    differing = [(name, value) for name, value in good.numbers if name in after and after[name] != value]
    for name, value in sorted(differing, key=lambda number: not number[0].endswith("/level")):
        *_, test, check = name.split("/")
        placement = placement_of(test)
        if placement:
            wanted = f"{placement}: {{{check}: {value}}}"
            found = f"{name} is {value} at good and {after[name]} at bad, and nothing is expected of it"
            kernel = f"kernel '{state.question.kernel}' in {state.question.scenario}"
            yield f"{found}: add '{wanted}' to 'expect' of {kernel}"

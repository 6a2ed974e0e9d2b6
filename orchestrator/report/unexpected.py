# SPDX-License-Identifier: GPL-2.0-only
"""The cases that did not end as expected, in groups with the same cause."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from orchestrator.result.compare.alignment import Comparison
from orchestrator.result.model import Case, Status


@dataclass(frozen=True)
class Group:
    """Cases with the same cause, such as all of a boot that crashed; there is at least one."""

    cases: tuple[Case, ...]

    @property
    def first(self) -> Case:
        """The case that stands for all."""
        return self.cases[0]

    @property
    def more(self) -> str:
        """The number of further cases, for a title; "" if there are none."""
        rest = len(self.cases) - 1
        return f" and {rest} more of this boot" if rest else ""

    @property
    def detail(self) -> str:
        """The expected and the measured value, or the message."""
        case = self.first
        if case.id.check != "oracle" and case.expected and case.measured and case.status is Status.FAIL:
            return f"expected {case.expected}, measured {case.measured}"
        return case.message


def groups(comparison: Comparison, *, suites: bool = False) -> tuple[Group, ...]:
    """Return the unexpected cases in groups.

    Cases that were not measured for the same reason are one group.  Those of selftests and commands are left out, since
    these have sections of their own, unless `suites` is set.
    """
    own = comparison.run.suites
    cases = [case for case in comparison.unexpected if suites or case.id.workload not in own]
    return tuple(Group(tuple(same)) for _, same in groupby(cases, key=_cause))


def _cause(case: Case) -> tuple[str, ...]:
    shared = (case.id.kernel, case.id.workload, case.status, case.message, case.evidence)
    return (*shared, case.id.name) if case.measured else shared

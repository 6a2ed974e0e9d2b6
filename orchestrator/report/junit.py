# SPDX-License-Identifier: GPL-2.0-only
"""Runs as JUnit XML: a suite per kernel, a test per case.

FAIL, XPASS, TIMEOUT, CRASH   <failure type=STATUS>
ERROR                         <error>
SKIP, XFAIL                   <skipped>, an XFAIL with "XFAIL: " and its reason

So a known failure does not fail a job of Jenkins or GitLab, and one that is fixed does, as in pytest with xfail_strict.
Both know a test by its classname and name: the scenario with the kernel, and the case, which are the same every night.
junit_xml makes the elements; what the schema of Jenkins or of Surefire refuses in them is corrected here.

Parsers refuse a text of 10 MB (XML_MAX_TEXT_LENGTH of libxml2), and what is not a character of XML.  So each text and
the sum of all details are bounded, and what is not a character is shown by its number.
"""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from junit_xml import TestCase, TestSuite

from orchestrator.report.text import clean, in_a_line, one_line
from orchestrator.result.model import Case, CaseId, Status
from orchestrator.result.run import JobKind, Run
from orchestrator.result.store.bounds import LONGEST_LINE, LONGEST_MESSAGE, LONGEST_NAME, MOST_LINES, cut

MOST_DETAILS = 8_000_000
"""Characters of the messages and details of all cases at most; later ones are cut or left out."""
_LONGEST_NAME = 2 * LONGEST_NAME
"""Characters of a name at most; it has device, BAR and check beside the name of the test."""
_MOST_PROPERTIES = 100
_SHORTEST = 200
"""Characters that a message keeps if no room is left."""
_MOMENT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})?", re.ASCII)
_LEFT_OUT = "(left out: the details of the cases before it fill the report; see result.json of the boot)"


def render(run: Run) -> str:
    """Return the XML document of one run, as `render_all`."""
    return render_all((run,))


def render_all(runs: Sequence[Run]) -> str:
    """Return the XML document.  It is well-formed and bounded for any console output.  Never raises.

    Times are in seconds.  A boot's time is divided among its `run` cases; checks of their numbers take no time.  Of
    several runs of scenarios with one name, all but the first get a number, so that no test hides another.
    """
    room = _Room()
    root = ET.Element("testsuites")
    for run, scenario in zip(runs, _numbered([_name(run.scenario.name) for run in runs]), strict=True):
        for kernel in run.scenario.kernels:
            suite = _suite(run, kernel, scenario, room)
            root.append(_corrected(suite.build_xml_doc(encoding="utf-8")))
    _add_up(root)
    ET.indent(root, "\t")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _numbered(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered


def _corrected(suite: ET.Element) -> ET.Element:
    """Return a suite of junit_xml as the schemas want it.

    Jenkins' knows no `disabled`.  Surefire's wants a time of every test, and no type of what was skipped.  In both a
    time has at most three decimals.
    """
    suite.attrib.pop("disabled", None)
    suite.set("time", _seconds_text(suite.get("time", "0")))
    for test in suite.iter("testcase"):
        test.set("time", _seconds_text(test.get("time", "0")))
    for skipped in suite.iter("skipped"):
        skipped.attrib.pop("type", None)
    return suite


def _seconds_text(text: str) -> str:
    return f"{max(0.0, float(text)):.3f}"


def _add_up(root: ET.Element) -> None:
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", _seconds_text(str(sum(float(suite.get("time", "0")) for suite in root))))


class _Room:
    """The number of characters left for the messages and details of cases."""

    def __init__(self) -> None:
        self._left = MOST_DETAILS

    def take(self, text: str, otherwise: str = _LEFT_OUT) -> str:
        """Return `text` if there is room for it, else `otherwise`."""
        if len(text) > self._left:
            return otherwise
        self._left -= len(text)
        return text


def _suite(run: Run, kernel: str, scenario: str, room: _Room) -> TestSuite:
    cases = [case for case in run.cases if case.id.kernel == kernel]
    seconds = _seconds(run, kernel, cases)
    names = unique_names(case.id.name for case in cases)
    shown = _name(kernel)
    group = f"{scenario}.{shown}"
    return TestSuite(
        shown,
        [
            _test_case(case, name, group, seconds.get(case.id, 0.0), room)
            for case, name in zip(cases, names, strict=True)
        ],
        timestamp=_moment(run.started),
        properties=_properties(run, kernel),
    )


def _moment(text: str) -> str:
    """Return a time as the schema of Surefire wants it (xs:dateTime), "" for anything else."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return ""
    return text if _MOMENT.fullmatch(text) else ""


def _properties(run: Run, kernel: str) -> dict[str, str]:
    """Return the origin of the numbers: the kernel's provenance, the device, the tools."""
    devices = {boot.device: None for boot in run.boots if boot.kernel == kernel}
    facts = {
        "kernel": kernel,
        **run.kernels.get(kernel, {}),
        "device": " ".join(devices),
        "host": run.host,
        "accelerator": run.accelerator,
        **run.tools,
        "scenario": run.scenario.name,
        "scenario_sha256": run.scenario.sha256,
        "overrides": run.scenario.overrides,
        "boots": run.repeat if run.repeat > 1 else "",
        "run": run.id,
    }
    known = [(name, value) for name, value in facts.items() if value not in (None, "")]
    return {_name(name): one_line(_text(value)) for name, value in known[:_MOST_PROPERTIES]}


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names as they are shown, each unique.

    A name that is cut, or that is changed and then equals another one, gets a hash.
    """
    given = list(names)
    shown = [in_a_line(name[: _LONGEST_NAME + 1]) for name in given]
    count = Counter(shown)

    def unique(raw: str, name: str) -> str:
        distinct = name == raw or count[name] == 1
        return name if distinct and len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}...{_hash(raw)}"

    return [unique(raw, name) for raw, name in zip(given, shown, strict=True)]


def _name(name: str) -> str:
    return unique_names([name])[0]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(item) for item in value)
    return json.dumps(value, default=str) if isinstance(value, Mapping | bool) else str(value)


def _seconds(run: Run, kernel: str, cases: list[Case]) -> dict[CaseId, float]:
    shares: dict[CaseId, float] = {}
    for job in run.jobs:
        if job.kernel != kernel or not job.seconds:
            continue
        own = [case.id for case in cases if _belongs(case.id, job.kind, job.workload)]
        timed = [case_id for case_id in own if case_id.check == "run"] or own[:1]
        for case_id in timed:
            shares[case_id] = shares.get(case_id, 0.0) + job.seconds / len(timed)
    return shares


def _belongs(case: CaseId, kind: JobKind, workload: str) -> bool:
    is_build = case == CaseId.of_build(case.kernel)
    return is_build if kind is JobKind.BUILD else not is_build and case.workload == workload


def _test_case(case: Case, name: str, group: str, seconds: float, room: _Room) -> TestCase:
    test = TestCase(name, group, seconds)
    # junit_xml drops an element that has neither message nor output.
    text = one_line(case.message) or case.status.value
    message = room.take(text, text[:_SHORTEST])
    if case.status in (Status.FAIL, Status.XPASS, Status.TIMEOUT, Status.CRASH):
        test.add_failure_info(message, room.take(_details(case)), case.status.value)
    elif case.status is Status.ERROR:
        test.add_error_info(message, room.take(_details(case)), case.status.value)
    elif case.status is Status.SKIP:
        test.add_skipped_info(message)
    elif case.status is Status.XFAIL:
        test.add_skipped_info(f"XFAIL: {message}", room.take(_details(case)))
    return test


def _details(case: Case) -> str:
    parts = (("expected", case.expected), ("measured", case.measured), ("evidence", case.evidence))
    lines = [f"{name}: {cut(text, LONGEST_MESSAGE)}" for name, text in parts if text]
    return clean("\n".join([*lines, *(cut(line, LONGEST_LINE) for line in case.lines[:MOST_LINES])]))

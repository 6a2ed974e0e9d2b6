# SPDX-License-Identifier: GPL-2.0-only
"""Runs as the text of a mail to a mailing list: plain, at most 72 columns, and nothing that the guest wrote unescaped.

It has the finding, what was tested on what, what differs, what was not tested, and how to repeat it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from orchestrator.report.finding import sentences
from orchestrator.report.mail_table import differing
from orchestrator.report.origin import scenario_file
from orchestrator.report.text import fit, one_line, wrap
from orchestrator.report.times import is_emulated, times_tables
from orchestrator.report.unexpected import groups
from orchestrator.result.compare.alignment import Comparison
from orchestrator.result.compare.finding import findings, without_log
from orchestrator.result.compare.status import Change
from orchestrator.result.model import Status
from orchestrator.result.run import Run, RunStatus
from orchestrator.result.store.review import ReviewRecord

WIDTH = 72
_MOST_REASONS = 6
_MOST_UNEXPECTED = 10
_MOST_COMMANDS = 4
_LONGEST_WORD = 200
_LONGEST_TEXT = 600
"""Characters of one sentence at most: a mail is to be read."""
_LABEL = 10
_LINK_LABEL = "Link:"
_LABELS = ("Series:", _LINK_LABEL, "Base:", "Kernels:", "Compiler:", "Config:", "Machine:", "Scenario:", "Tool:")
_LINK = "https://lore.kernel.org/r/"
"""The address of a mail by its id, as in the Link: trailers of commits."""
_PERSON = re.compile(r"[^<>\x00-\x1f\x7f-\x9f\u2028\u2029]*[^<>\s] <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True)
class Reported:
    """A run to report, and the review that it is part of, if any."""

    comparison: Comparison
    review: ReviewRecord | None = None


def render(runs: Sequence[Reported], tested_by: str = "") -> str:
    """Return the text of the mail, with a final newline.

    `tested_by` is a name with an address; then a trailer is proposed, unless something got worse or is not known.
    """
    found = [finding for run in runs for finding in findings(run.comparison)]
    sections = [
        _heading(runs),
        [line for text in sentences(found) for line in _wrap(text, "* ", "  ")],
        *(section for run in runs if (section := _unexpected(run.comparison))),
        _inputs(runs),
        *(section for run in runs for section in differing(run.comparison)),
        *(section for run in runs for section in _times(run.comparison)),
        _untested(runs),
        _repeat(runs),
        [f"Tested-by: {tested_by}"] if tested_by and deserves_trailer(runs) else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def is_person(text: str) -> bool:
    """Whether `text` is a name with an address in one line, as a trailer has it."""
    return _PERSON.fullmatch(text) is not None and fit(text, WIDTH * 2) == text


def deserves_trailer(runs: Sequence[Reported]) -> bool:
    """Whether all runs are complete and as expected, and nothing got worse or is not known."""
    good = all(run.comparison.run.ok and run.comparison.run.status is RunStatus.FINISHED for run in runs)
    found = [finding for run in runs for finding in findings(run.comparison)]
    return good and all(finding.change not in (Change.REGRESSION, Change.INCOMPLETE) for finding in found)


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    return wrap(fit(one_line(text), _LONGEST_TEXT), WIDTH, first, rest)


def _heading(runs: Sequence[Reported]) -> list[str]:
    review = next((run.review for run in runs if run.review), None)
    if review:
        return _wrap(f'orch tested "{_titled(review)}":')
    names = ", ".join(dict.fromkeys(run.comparison.run.scenario.name for run in runs))
    questions = [run.comparison.run.scenario.description for run in runs]
    about = f"  {one_line(questions[0])}" if len(runs) == 1 and questions[0].strip() else ""
    return _wrap(f"orch ran {names}.{about}")


def _titled(review: ReviewRecord) -> str:
    version = f" v{review.version}" if review.version > 1 else ""
    count = f" 0/{review.patches}" if review.patches > 1 else ""
    return f"[PATCH{version}{count}] {fit(review.title, 200)}"


def _unexpected(comparison: Comparison) -> list[str]:
    """Return the cases that are not as the scenario expects, whatever the base does."""
    found = groups(comparison, suites=True)
    lines = ["Not as expected:"] if found else []
    for group in found[:_MOST_UNEXPECTED]:
        case = group.first
        detail = without_log(group.detail)
        lines += _wrap(f"{case.id.kernel}: {case.id.name}{group.more}: {case.status}, {detail}", "- ", "  ")
    rest = sum(len(group.cases) for group in found[_MOST_UNEXPECTED:])
    return [*lines, f"- {_count(rest, 'more case', 'more cases')}"] if rest else lines


def _inputs(runs: Sequence[Reported]) -> list[str]:
    """Return what was tested on what, each fact once."""
    lines: list[str] = []
    for label, texts in _facts(runs).items():
        for at, text in enumerate(dict.fromkeys(text for text in texts if text)):
            first = f"{label if at == 0 else '':<{_LABEL}}"
            whole = [first + fit(text, _LONGEST_WORD)]  # a link that is broken leads nowhere
            lines += whole if label == _LINK_LABEL else _wrap(text, first, " " * _LABEL)
    return lines


def _facts(runs: Sequence[Reported]) -> dict[str, list[str]]:
    facts: dict[str, list[str]] = {name: [] for name in _LABELS}
    for reported in runs:
        run, review = reported.comparison.run, reported.review
        if review:
            facts["Series:"].append(f"{_count(review.patches, 'patch', 'patches')} from {review.author or 'a file'}")
            facts[_LINK_LABEL].append(f"{_LINK}{review.message_id}" if review.message_id else "")
            facts["Base:"] += [f"{review.base}, {review.reason}", *review.notes]
        for name in run.scenario.kernels:
            built = run.kernels.get(name, {})
            facts["Kernels:"].append("" if review else _kernel(run, name))
            facts["Compiler:"].append(str(built.get("compiler") or ""))
            facts["Config:"].append(_joined(built.get("config")))
        qemu = run.tools.get("qemu", "").removeprefix("QEMU emulator version ")
        facts["Machine:"].append(f"QEMU {qemu}, {_accelerator(run.accelerator)}")
        facts["Scenario:"].append(scenario_file(run) + (f", {review.chosen}" if review and review.chosen else ""))
        facts["Tool:"].append(f"orch {run.tools.get('orch', '')}, virtme-ng {run.tools.get('virtme_ng', '')}")
    return facts


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _joined(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value or "")


def _kernel(run: Run, name: str) -> str:
    """Return the source and the SHA-256 of each patch of a kernel; a source that is the base's is not repeated."""
    built, base = run.kernels.get(name, {}), run.scenario.base
    source, patches = built.get("source"), built.get("patches")
    named = [str(patch).rpartition("sha256:")[2] for patch in patches] if isinstance(patches, list | tuple) else []
    same = name != base and named and source == run.kernels.get(base, {}).get("source")
    more = f" + {'patch' if len(named) == 1 else 'patches'} {', '.join(named)}" if named else ""
    return f"{name}: {base if same else source or 'not built'}{more}"


def _accelerator(text: str) -> str:
    """Return the accelerator without the reason for it: no details of the user's machine."""
    name = text.partition(" ")[0]
    return {"tcg": "emulated CPU (TCG)", "kvm": "KVM"}.get(name, fit(name, 20) or "no boot")


def _times(comparison: Comparison) -> list[list[str]]:
    """Return the tables of times, if each kernel was booted often enough to show a difference."""
    times = comparison.times
    return times_tables(comparison, WIDTH, color=False) if times and times.can_show else []


def _untested(runs: Sequence[Reported]) -> list[str]:
    """Return what was not tested, with the reasons."""
    reasons: dict[str, int] = {}
    for reported in runs:
        run = reported.comparison.run
        for case in run.cases:
            if case.status in (Status.SKIP, Status.ERROR) and case.message:
                reasons[one_line(case.message)] = reasons.get(one_line(case.message), 0) + 1
        if run.unfinished:
            reasons[f"{len(run.unfinished)} jobs of {run.scenario.name} did not end"] = len(run.unfinished)
    lines = [f"{reason} ({_count(count, 'case', 'cases')})" for reason, count in list(reasons.items())[:_MOST_REASONS]]
    if len(reasons) > _MOST_REASONS:
        lines.append(f"{len(reasons) - _MOST_REASONS} more reasons: see the report of the run")
    lines += _limits(runs)
    return ["Not tested:"] + [line for text in lines for line in _wrap(text, "- ", "  ")]


def _limits(runs: Sequence[Reported]) -> Iterator[str]:
    """Yield the limits of what was measured, whatever the kernels did."""
    devices = [device for run in runs for device in run.comparison.run.scenario.devices.values()]
    if devices and not any(device.get("address") for device in devices):
        yield "hardware: all devices are emulated by QEMU"
    for comparison in (run.comparison for run in runs):
        run, times = comparison.run, comparison.times
        name = f" of {run.scenario.name}" if len(runs) > 1 else ""
        if not (times and times.can_show):
            needed = f", and a difference takes {times.needed} boots" if times else ""
            yield f"times{name}: each kernel was booted {_count(run.repeat, 'time', 'times')}{needed}"
        elif is_emulated(run):
            yield f"times{name}: only ratios, as the CPU is emulated"


def _repeat(runs: Sequence[Reported]) -> list[str]:
    """Return the commands that repeat the runs, without paths of the user's machine."""
    commands = list(dict.fromkeys(_command(run) for run in runs))[:_MOST_COMMANDS]
    return ["To repeat:", *(line for words in commands for line in _continued(words))]


def _continued(words: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a command, each but the last with a backslash at its end."""
    line = " "
    for part in _with_values(shlex.quote(fit(word, _LONGEST_WORD)) for word in words):
        if line.strip() and len(line) + len(part) + 3 > WIDTH:
            yield f"{line} \\"
            line = "   "
        line += f" {part}"
    yield line


def _with_values(words: Iterable[str]) -> list[str]:
    """Return the words of a command, each option together with its value."""
    parts: list[str] = []
    for word in words:
        if parts and parts[-1].startswith("--") and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts


def _command(reported: Reported) -> tuple[str, ...]:
    run, review = reported.comparison.run, reported.review
    if review:
        return ("orch", "review", *review.arguments)
    words = shlex.split(run.scenario.overrides)
    return ("orch", "run", scenario_file(run), *(_without_directories(word) for word in words))


def _without_directories(word: str) -> str:
    return PurePath(word).name if word.startswith("/") else word

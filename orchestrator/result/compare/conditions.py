# SPDX-License-Identifier: GPL-2.0-only
"""What two runs do not have in common: what cannot be compared because of it, and what may explain a difference.  Pure.

Exact measurements do not depend on the accelerator, QEMU or this machine; times do, and no verdict rests on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.result.run import Run, RunStatus

_NOT_ABOUT_RESULTS = ("name", "where", "timeout", "xfail", "instead", "address", "fallback", "selector")
"""Options of a workload and a device that do not change what is measured."""

SELECTING = ("tests", "placements", "bars", "targets", "only")
"""Options of a workload that select its cases: those of both runs can be compared."""

_OF_RANDOM_TESTS = {"repeats": "repeat", "ranges": "random", "seed": "random"}
"""Options that change the numbers of a group of tests only."""

_INPUTS = {
    "arch": "architecture",
    "version": "version",
    "source": "source",
    "source_sha256": "content of the source",
    "patches": "patches",
    "config_sha256": "configuration",
    "compiler": "compiler",
    "linker": "linker",
}
"""What a run knows of a build (`run.build_job.build_facts`), with the name for users."""

_TOOLS = {"qemu": "QEMU", "virtme_ng": "virtme-ng", "host_kernel": "host kernel", "orch": "orch"}


def conditions(first: Run, second: Run) -> Iterator[str]:
    """Yield a sentence for each difference of two runs that may explain another one."""
    yield from _scenarios(first, second)
    yield from _machines(first, second)
    pairs = {"host": (first.host, second.host), "accelerator": (_accelerator(first), _accelerator(second))}
    pairs |= {name: (first.tools.get(key, ""), second.tools.get(key, "")) for key, name in _TOOLS.items()}
    for name, (before, after) in pairs.items():
        if before != after:
            noisy = "; times cannot be compared" if name == "accelerator" else ""
            yield f"{name}: {_then(before, after)}{noisy}"
    for workload in first.scenario.workloads.keys() & second.scenario.workloads.keys():
        yield from _random_tests(workload, first, second)


def build_changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence for each input that two builds do not have in common.

    `before` and `after` are what the runs know of the kernels.
    """
    for key, name in _INPUTS.items():
        if key in before and key in after and before[key] != after[key]:
            values = [_short(key, facts[key]) for facts in (before, after)]
            yield f"{name}: {_then(*values)}"


def unfinished(first: Run, second: Run) -> Iterator[str]:
    """Yield a sentence for each of two runs that has not all results."""
    for which, run in (("first", first), ("second", second)):
        if run.status is not RunStatus.FINISHED:
            jobs = f": {len(run.unfinished)} of {len(run.jobs)} jobs did not end" if run.unfinished else ""
            yield f"the {which} run is {run.status}{jobs}"


def why_not_comparable(workload: str, first: Run, second: Run) -> str:
    """Return why no result of `workload` can be compared, with both values; "" if it can be."""
    before, after = (run.scenario.workloads[workload] for run in (first, second))
    changed = [*_changed(before, after, (*_NOT_ABOUT_RESULTS, *SELECTING, *_OF_RANDOM_TESTS))]
    device = str(before.get("device", ""))
    if device and device == after.get("device"):
        devices = [run.scenario.devices.get(device, {}) for run in (first, second)]
        changed += [f"device {device}: {text}" for text in _changed(devices[0], devices[1], _NOT_ABOUT_RESULTS)]
    return "; ".join(changed)


def same_selection(workload: str, first: Run, second: Run) -> bool:
    """Whether two runs select the same cases of `workload`."""
    before, after = (run.scenario.workloads[workload] for run in (first, second))
    return all(before.get(key) == after.get(key) for key in SELECTING)


def _scenarios(first: Run, second: Run) -> Iterator[str]:
    before, after = first.scenario, second.scenario
    if before.name != after.name:
        yield f"scenario: {_then(before.name, after.name)}"
    elif before.sha256 != after.sha256:
        yield f"scenario {before.name}: the file was changed ({_then(before.sha256[:12], after.sha256[:12])})"
    if before.overrides != after.overrides:
        yield f"options: {_then(before.overrides, after.overrides)}"


def _machines(first: Run, second: Run) -> Iterator[str]:
    before, after = first.scenario.machine, second.scenario.machine
    if before and after:
        # What "auto" became is compared as the accelerator of the run.
        yield from (f"machine: {text}" for text in _changed(before, after, ("accelerator",)))
        return
    which = "first" if after else "second" if before else "first and the second"
    yield f"machine: not recorded in the {which} run, of an older orch"


def _random_tests(workload: str, first: Run, second: Run) -> Iterator[str]:
    before, after = (run.scenario.workloads[workload] for run in (first, second))
    groups = [_texts(options.get("tests")) for options in (before, after)]
    for key, group in _OF_RANDOM_TESTS.items():
        if before.get(key) != after.get(key) and all(group in chosen for chosen in groups):
            yield f"workload {workload}: {key} of the tests {group}: {_then(before.get(key), after.get(key))}"


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _changed(before: Mapping[str, object], after: Mapping[str, object], but: tuple[str, ...]) -> Iterator[str]:
    for key in dict.fromkeys((*before, *after)):
        if key not in but and before.get(key) != after.get(key):
            yield f"{key} {_then(before.get(key), after.get(key))}"


def _short(key: str, value: object) -> object:
    return str(value)[:12] if key.endswith("sha256") else value


def _accelerator(run: Run) -> str:
    """Return the accelerator without the reason why it was chosen."""
    return run.accelerator.split(" ")[0]


def _then(before: object, after: object) -> str:
    return f"{_text(before)} in the first, {_text(after)} in the second"


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value)) or "none"
    return "none" if value in (None, "") else str(value)

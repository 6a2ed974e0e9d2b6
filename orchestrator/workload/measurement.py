# SPDX-License-Identifier: GPL-2.0-only
"""The measurements that a guest program wrote, one JSON object on each line → values.  Pure; never raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Problem
from orchestrator.workload.model import Measurement

_TYPES: dict[str, type] = {
    "device": str,
    "bar": int,
    "test": str,
    "name": str,
    "value": int,
    "unit": str,
    "exact": bool,
}

MOST_MEASUREMENTS = 20_000
"""Measurements of one boot; the program takes some hundreds, or thousands for all groups."""
LONGEST_WORD = 200
"""Characters of a name, a test or a unit."""
_LAST_BAR = 5
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_PRINTED_BITS = 200


@dataclass(frozen=True)
class Measured:
    """What a file of measurements held: the good lines, and one problem for each bad one."""

    measurements: tuple[Measurement, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse_measurements(
    text: str,
    *,
    kernel: str,
    workload: str,
    devices: Mapping[str, str],
    path: str = "measurements.jsonl",
) -> Measured:
    """Parse the lines that `workload` wrote under `kernel`.

    `devices` maps PCI addresses in the guest to the scenario's names.  `path`, relative to the run directory, begins
    the evidence of each measurement and the place of each problem.  A last line without its newline was torn by the
    guest's end: it counts if it is whole, and is no problem if it is not.  Never raises.
    """
    lines = text.split("\n")
    measurements: dict[tuple[str, int, str, str], Measurement] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            one = _measurement(line, kernel, workload, devices, where)
        except ValueError as error:
            if number < len(lines) and line.strip():
                problems.append(Problem(where, str(error)))
            continue
        key = (one.device, one.bar, one.test, one.name)
        if key in measurements:
            problems.append(Problem(where, f"{one.name} was measured already, see {measurements[key].evidence}"))
        measurements.setdefault(key, one)
        if len(measurements) == MOST_MEASUREMENTS:
            problems.append(Problem(where, f"only the first {MOST_MEASUREMENTS:,} measurements are read"))
            break
    return Measured(tuple(measurements.values()), tuple(problems))


def _measurement(line: str, kernel: str, workload: str, devices: Mapping[str, str], where: str) -> Measurement:
    """The measurement in `line`; ValueError says what is wrong with it."""
    fields = _fields(line)
    address = fields.pop("device")
    if address not in devices:
        raise ValueError(
            f"no device of the scenario is at {_shortened(address)}; there are {', '.join(devices) or 'none'}"
        )
    return Measurement(kernel=kernel, workload=workload, device=devices[address], evidence=where, **fields)


def _fields(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {_shortened(line[:80])}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"not a JSON object: {_shortened(line[:80])}")
    if fields.keys() != _TYPES.keys():
        missing = ", ".join(sorted(_TYPES.keys() - fields.keys())) or "none"
        unknown = ", ".join(sorted(fields.keys() - _TYPES.keys())) or "none"
        raise ValueError(f"not the keys of a measurement: missing {missing}; unknown {unknown[:LONGEST_WORD]}")
    for key, wanted in _TYPES.items():
        if type(fields[key]) is not wanted:  # a bool is an int, but not a number of bytes
            raise ValueError(
                f"{key} is {_shortened(fields[key])}, not {'an' if wanted is int else 'a'} {wanted.__name__}"
            )
        if wanted is str and len(fields[key]) > LONGEST_WORD:
            raise ValueError(f"{key} is longer than {LONGEST_WORD} characters: {_shortened(fields[key])}")
    if not 0 <= fields["bar"] <= _LAST_BAR:
        raise ValueError(f"bar is {short_number(fields['bar'])}, not a number from 0 to {_LAST_BAR}")
    if not possible(fields["value"]):
        raise ValueError(f"value is {short_number(fields['value'])}, which no 64 bits hold")
    return fields


def possible(value: int) -> bool:
    """Whether a number can be one that a guest took: all are 64 bits wide, signed or not."""
    return _LEAST <= value <= _MOST


def short_number(value: int) -> str:
    """A number of any size as text of bounded length; Python refuses to print the largest."""
    return str(value) if value.bit_length() <= _PRINTED_BITS else f"a number of {value.bit_length()} bits"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

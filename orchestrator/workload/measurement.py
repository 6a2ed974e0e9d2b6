# SPDX-License-Identifier: GPL-2.0-only
"""Parse the measurements of a guest program, one JSON object per line.  Pure functions that never raise."""

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
"""Maximum number of measurements of one boot.  The program makes some hundreds, or thousands for all groups."""
LONGEST_WORD = 200
"""Maximum number of characters of a name, a test or a unit."""
_LAST_BAR = 5
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_PRINTED_BITS = 200


@dataclass(frozen=True)
class Measured:
    """The content of a file of measurements: the valid lines, and one problem for each invalid line."""

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

    `devices` maps PCI addresses in the guest to the device names of the scenario.  `path`, relative to the run
    directory, is the file in the evidence of each measurement and in the place of each problem.  A last line without a
    newline was cut by the end of the guest: it is used if it is complete, and is not a problem if it is not.  Never
    raises.
    """
    lines = text.split("\n")
    measurements: dict[tuple[str, int, str, str], Measurement] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        try:
            measurement = _measurement(line, kernel, workload, devices, where)
        except ValueError as error:
            if number < len(lines) and line.strip():
                problems.append(Problem(where, str(error)))
            continue
        key = (measurement.device, measurement.bar, measurement.test, measurement.name)
        if key in measurements:
            what = f"{measurement.name} was measured already, see {measurements[key].evidence}"
            problems.append(Problem(where, what))
        measurements.setdefault(key, measurement)
        if len(measurements) == MOST_MEASUREMENTS:
            problems.append(Problem(where, f"only the first {MOST_MEASUREMENTS:,} measurements are read"))
            break
    return Measured(tuple(measurements.values()), tuple(problems))


def _measurement(line: str, kernel: str, workload: str, devices: Mapping[str, str], where: str) -> Measurement:
    """Return the measurement in `line`.  Raises ValueError with a description of what is wrong."""
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
        if type(fields[key]) is not wanted:  # isinstance() would accept a bool as an int
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
    """Return whether a guest can have measured `value`: all numbers are 64-bit, signed or unsigned."""
    return _LEAST <= value <= _MOST


def short_number(value: int) -> str:
    """Return a number of any size as text of limited length.

    Python cannot print very large numbers.
    """
    return str(value) if value.bit_length() <= _PRINTED_BITS else f"a number of {value.bit_length()} bits"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"

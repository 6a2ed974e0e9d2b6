# SPDX-License-Identifier: GPL-2.0-only
"""Which of orch's scenarios answer for a patch, by the files that it touches: the table is in touched.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

TABLE = Path(__file__).with_name("touched.yaml")


@dataclass(frozen=True)
class Answering:
    """A scenario, by its name, and the first file of the patch for which it answers."""

    scenario: str
    file: str


def answering(files: Iterable[str], table: Path = TABLE) -> tuple[Answering, ...]:
    """Return the scenarios that answer for a patch that touches `files`, in the order of the table."""
    names = tuple(files)
    patterns: dict[str, list[str]] = yaml.safe_load(table.read_text())
    found = (
        (scenario, next((name for name in names if any(_matches(name, pattern) for pattern in listed)), None))
        for scenario, listed in patterns.items()
    )
    return tuple(Answering(scenario, file) for scenario, file in found if file is not None)


def _matches(file: str, pattern: str) -> bool:
    if pattern.endswith("/"):
        return file.startswith(pattern)
    return fnmatchcase(file, pattern) and file.count("/") == pattern.count("/")

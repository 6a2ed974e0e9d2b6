# SPDX-License-Identifier: GPL-2.0-only
"""The values of single options: each is checked and converted by a function that argparse calls.

What a function needs is imported when it is called, so that ``orch --help`` stays fast.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path


def cache_directory() -> Path:
    """Return the default of --cache: where sources, kernels and guest programs are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orch"


def cache(text: str) -> Path:
    """Return the cache directory as an absolute path."""
    from orchestrator.paths import ALLOWED_IN_WORDS, odd_character  # noqa: PLC0415 -- see above

    path = Path(text).absolute()
    if odd := odd_character(path):
        what = f"{str(path)!a} has {odd!a}, which Kbuild and virtme-ng do not take in a path"
        raise argparse.ArgumentTypeError(
            f"{what}; choose a directory named with {ALLOWED_IN_WORDS}, here or by XDG_CACHE_HOME"
        )
    return path


def size(text: str) -> int:
    """Return the size in bytes."""
    from orchestrator.yamlfile.units import parse_size  # noqa: PLC0415 -- see above

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a size such as 20G or 500M, not '{text}'") from error


def address(text: str) -> str:
    """Return the PCI address in its full form."""
    from orchestrator.scenario.schema.fields import pci_address  # noqa: PLC0415 -- see above

    try:
        return pci_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a PCI address such as 0000:3b:00.0, not '{text}'") from error


def count(text: str) -> int:
    """Return the number, which is at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1, not '{text}'")
    return int(text)


def origin(text: str) -> str:
    """Return the name of a CI system, as KCIDB's schema wants it."""
    if not re.fullmatch("[a-z0-9_]+", text):
        raise argparse.ArgumentTypeError(f"must be lower-case letters, digits and '_', not '{text}'")
    return text


def person(text: str) -> str:
    """Return a name with an address, as a trailer has it."""
    from orchestrator.report.mail import is_person  # noqa: PLC0415 -- see above

    if not is_person(text):
        raise argparse.ArgumentTypeError(f"must be a name and an address such as 'A Dev <a@b.org>', not '{text}'")
    return text


def rounds(text: str) -> int:
    """Return the number of boots of each kernel."""
    from orchestrator.scenario.model import MOST_ROUNDS  # noqa: PLC0415 -- see above

    if not text.isdigit() or not 1 <= int(text[:10]) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to {MOST_ROUNDS}, not '{text}'")
    return int(text)


def change(kind: str, text: str) -> tuple[str, str]:
    """Return a change with its kind: changes of several kinds share a list, which keeps their order."""
    return kind, text

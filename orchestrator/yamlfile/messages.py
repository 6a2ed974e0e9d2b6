# SPDX-License-Identifier: GPL-2.0-only
"""Format parts of error messages: values, hints and paths."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 60
"""Maximum number of characters of an invalid value in a message."""

_MOST = 15
"""Maximum number of names that a message lists."""


def quoted(value: object) -> str:
    """Return a value from a YAML file as text for a message such as "..., not 'big'"."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    text = str(value)
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def near(name: object, known: Iterable[str]) -> str:
    """Return a question that suggests the known name most similar to `name`.

    Returns "" if none is similar.
    """
    found = difflib.get_close_matches(str(name)[:_LONGEST], list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def hint(name: object, known: Iterable[str], plural: str) -> str:
    """Return how to fix an unknown `name`.

    The hint is the most similar known name, or a list of the known names.  `plural` is the plural noun for the names.
    """
    names = list(known)
    if not names:
        return f"; there are no {plural}"
    more = ", ..." if len(names) > _MOST else ""
    return near(name, names) or f"; the {plural} are {', '.join(names[:_MOST])}{more}"


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them: a, b and c.  Returns "" if there are none."""
    known = list(names)
    return " and ".join(filter(None, (", ".join(known[:-1]), *known[-1:])))


def shown(path: Path) -> str:
    """Return `path` relative to the current directory if it is below it, otherwise the absolute path."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)

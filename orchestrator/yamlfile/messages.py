# SPDX-License-Identifier: GPL-2.0-only
"""The small change of error messages: values, hints and paths, as their reader wants to see them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 60
"""Characters of a wrong value that a message shows."""

_MOST = 15
"""Names that a message lists."""


def quoted(value: object) -> str:
    """A value from a YAML file, for the end of a sentence such as "..., not 'big'"."""
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
    """The question after the known name that is nearest to `name`, empty where none is near."""
    found = difflib.get_close_matches(str(name)[:_LONGEST], list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def hint(name: object, known: Iterable[str], plural: str) -> str:
    """How to mend an unknown `name`: the nearest known one, else what there is; `plural` says what they are."""
    names = list(known)
    if not names:
        return f"; there are no {plural}"
    more = ", ..." if len(names) > _MOST else ""
    return near(name, names) or f"; the {plural} are {', '.join(names[:_MOST])}{more}"


def shown(path: Path) -> str:
    """`path` relative to the current directory where it lies below it, absolute otherwise."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)

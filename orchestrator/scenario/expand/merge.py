# SPDX-License-Identifier: GPL-2.0-only
"""Merge parts of recipes into one recipe.

Each part adds to the parts before it, as a kernel adds to the kernel that it extends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.scenario.schema.scenario import RecipeEntry
from orchestrator.yamlfile.nodes import Loc

_LISTS = ("config", "patches")
"""The keys whose items are appended to the earlier items.  A single item needs no list."""

_MAPPINGS = ("options", "expect", "expect-vmm", "can")
"""The keys whose entries are added to the earlier entries.  An entry replaces one of the same name."""


class Part(NamedTuple):
    """A part of a recipe, and its location in the document."""

    loc: Loc
    value: dict[str, object]


def merged(parts: Iterable[Part], under: Mapping[Loc, Mapping[Loc, int]]) -> tuple[dict[str, object], dict[Loc, int]]:
    """Return the recipe of `parts` and the line of each value in it.

    `under` has the lines of the content of each part, by the part's location.  Keys that no recipe has are left out,
    and so are values that are no mapping under a key that needs one: the schema check of the part reports these.
    """
    recipe = _Recipe()
    for part in parts:
        lines = under.get(part.loc, {})
        for key, given in part.value.items():
            if given is not None and key in RecipeEntry.known_keys():
                recipe.add(key, given, {loc[1:]: line for loc, line in lines.items() if loc[0] == key})
    return recipe.value, recipe.lines


class _Recipe:
    """A recipe that is filled key by key.

    The locations in `lines` are relative to the recipe; those in the `lines` arguments are relative to the key.
    """

    def __init__(self) -> None:
        self.value: dict[str, object] = {}
        self.lines: dict[Loc, int] = {}

    def add(self, key: str, given: object, lines: Mapping[Loc, int]) -> None:
        if key in _LISTS:
            self._add_items(key, given, lines)
        elif key in _MAPPINGS and isinstance(given, dict):
            self._add_entries(key, given, lines)
        elif key not in _MAPPINGS:
            self._put((key,), lines)
            self.value[key] = given

    def _put(self, loc: Loc, lines: Mapping[Loc, int]) -> None:
        """Replace the lines below `loc` by `lines`, whose locations are relative to `loc`."""
        self.lines = {place: line for place, line in self.lines.items() if place[: len(loc)] != loc}
        self.lines |= {(*loc, *rest): line for rest, line in lines.items()}

    def _add_items(self, key: str, given: object, lines: Mapping[Loc, int]) -> None:
        before = self.value.get(key)
        items = list(before) if isinstance(before, list) else []
        self.lines.setdefault((key,), lines.get((), 1))
        for at, item in enumerate(given if isinstance(given, list) else [given]):
            own = {loc[1:]: line for loc, line in lines.items() if loc[:1] == (at,)} if item is not given else lines
            self._put((key, len(items)), own)
            items.append(item)
        self.value[key] = items

    def _add_entries(self, key: str, given: dict[str, object], lines: Mapping[Loc, int]) -> None:
        before = self.value.get(key)
        entries = dict(before) if isinstance(before, dict) else {}
        self.lines.setdefault((key,), lines.get((), 1))
        for name, entry in ((name, entry) for name, entry in given.items() if entry is not None):
            bare = name.removeprefix("CONFIG_") if key == "options" else name
            self._put((key, bare), {loc[1:]: line for loc, line in lines.items() if loc[:1] == (name,)})
            entries[bare] = entry
        self.value[key] = entries

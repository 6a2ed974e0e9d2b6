# SPDX-License-Identifier: GPL-2.0-only
"""Parts of recipes → one recipe, each part adding to those before as a kernel adds to the one that it extends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from orchestrator.scenario.schema.scenario import RecipeEntry
from orchestrator.yamlfile.nodes import Loc

_LISTS = ("config", "patches")
"""The keys whose items are added to those before; one alone needs no list."""

_MAPPINGS = ("options", "expect", "can")
"""The keys whose entries are added to those before, or replace those of the same name."""


class Part(NamedTuple):
    """A part of a recipe, and where in the document it lies."""

    loc: Loc
    value: dict[str, object]


def merged(parts: Iterable[Part], under: Mapping[Loc, Mapping[Loc, int]]) -> tuple[dict[str, object], dict[Loc, int]]:
    """The recipe of `parts`, and the line of each thing in it; `under` has the lines of what is in each part.

    Keys that no recipe has are left out, and so are mappings and lists in the place of each other: the schema has
    found them in the part already.
    """
    recipe = _Recipe()
    for part in parts:
        lines = under.get(part.loc, {})
        for key, given in part.value.items():
            if given is not None and key in RecipeEntry.known_keys():
                recipe.add(key, given, {loc[1:]: line for loc, line in lines.items() if loc[0] == key})
    return recipe.value, recipe.lines


class _Recipe:
    """A recipe that grows by a key of a part at a time; `lines` go from the recipe, those given from the key."""

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
        """Forget the lines below `loc`, and note `lines`, which go from there."""
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

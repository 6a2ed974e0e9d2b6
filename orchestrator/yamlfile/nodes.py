# SPDX-License-Identifier: GPL-2.0-only
"""Convert PyYAML's node tree to plain values with their lines.

Find duplicate keys, resolve merge keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import yaml

from orchestrator.yamlfile.messages import quoted

Loc = tuple[str | int, ...]
"""The location of a value: keys of mappings and indices of lists, from the top."""

_MOST_NODES = 20_000
"""Maximum number of nodes.  A larger file is not a scenario, but nested aliases that would use all memory."""

_NULLS = ("", "~", "null", "Null", "NULL")

_Pair = tuple[yaml.Node, yaml.Node]


class SourceProblem(NamedTuple):
    """One mistake in a file: its line, and a sentence with the fix."""

    line: int
    what: str


class TooLargeError(Exception):
    """The tree has more values than a scenario can have."""


class Reader:
    """Reads one tree; meanwhile, `lines` (of every key and list item) and `findings` are filled."""

    def __init__(self) -> None:
        self.lines: dict[Loc, int] = {}
        self.findings: list[SourceProblem] = []
        self._around: list[yaml.Node] = []
        self._nodes = 0

    def value(self, node: yaml.Node, loc: Loc = ()) -> object:
        """Return the plain value of `node`, whose location is `loc`.  Raises TooLargeError."""
        self._count()
        if any(node is outer for outer in self._around):
            self._found(node, "this alias refers to a value that contains it; write the value out")
            return None
        self._around.append(node)
        try:
            return self._inner(node, loc)
        finally:
            self._around.pop()

    def _inner(self, node: yaml.Node, loc: Loc) -> object:
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._found(node, f"a scenario has no YAML tags; remove {quoted(node.tag)}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*loc, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> str | None:
        text = _text(node)
        if text is not None and any("\ud800" <= char <= "\udfff" for char in text):
            self._found(node, "half of a surrogate pair is no character; write the character itself")
            return ""
        return text

    def _item(self, node: yaml.Node, loc: Loc) -> object:
        self.lines[loc] = _line(node)
        return self.value(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in self._pairs(node):
            name = self._scalar(key)
            if name is None:
                self._found(key, "a key must be a plain name")
            elif name in found:
                first = self.lines[*loc, name]
                self._found(key, f"key {quoted(name)} is given twice, first on line {first}; remove one of them")
            else:
                self.lines[*loc, name] = _line(key)
                found[name] = self.value(value, (*loc, name))
        return found

    def _pairs(self, node: yaml.MappingNode) -> list[_Pair]:
        """Return the keys and values of a mapping, then the merged ones.

        Merged keys that the mapping has itself are left out.
        """
        self._count()
        pairs = [pair for pair in node.value if not _is_merge(pair[0])]
        names = {_text(key) for key, _ in pairs}
        for source in self._merged(node):
            new = [pair for pair in self._pairs(source) if _text(pair[0]) not in names]
            names.update(_text(key) for key, _ in new)
            pairs += new
        return pairs

    def _merged(self, node: yaml.MappingNode) -> Iterator[yaml.MappingNode]:
        """Yield the mappings that ``<<: *alias``, or a list of aliases, merges."""
        for key, value in node.value:
            if not _is_merge(key):
                continue
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(source, yaml.MappingNode):
                    yield source
                else:
                    self._found(key, "'<<' merges mappings only; give it an alias of a mapping, such as *base")

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise TooLargeError

    def _found(self, node: yaml.Node, what: str) -> None:
        self.findings.append(SourceProblem(_line(node), what))


def _text(node: yaml.Node) -> str | None:
    """Return the text of a scalar.

    Returns None if it is empty or the node is not a scalar.
    """
    if not isinstance(node, yaml.ScalarNode) or (node.style is None and node.value in _NULLS):
        return None
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.style is None

# SPDX-License-Identifier: GPL-2.0-only
"""Groups of messages: the threads of a mailbox, and its series with all their versions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from orchestrator.kernel.patch.mbox import Post


class _Joined:
    """Disjoint sets of patches that belong together (union-find)."""

    def __init__(self) -> None:
        self._above: dict[object, object] = {}

    def root(self, name: object) -> object:
        while self._above.setdefault(name, name) != name:
            self._above[name] = self._above[self._above[name]]
            name = self._above[name]
        return name

    def join(self, name: object, other: object) -> None:
        self._above[self.root(name)] = self.root(other)


def thread_roots(found: Iterable[Post]) -> dict[int, object]:
    """Return the thread of each message, by its place.

    Messages are joined by those to which they reply, even if these are not in the mailbox.
    """
    joined = _Joined()
    names = {post.place: post.id or post.place for post in found}
    for post in found:
        for other in post.answers:
            joined.join(names[post.place], other)
    return {place: joined.root(name) for place, name in names.items()}


_FILE = re.compile(rb"^\+\+\+ (?:b/)?([^\t\n]+)", re.MULTILINE)


def units_of(patches: list[Post], found: tuple[Post, ...]) -> list[list[Post]]:
    """Group `patches` by series, with all versions.

    Patches are joined by titles, threads and numbers; versions also by the files that they change.
    """
    roots = thread_roots(found)
    joined = _Joined()
    versions: dict[object, set[int]] = defaultdict(set)
    links: dict[object, list[Post]] = defaultdict(list)
    for post in patches:
        versions[post.subject.bare].add(post.version)
    for post in patches:
        joined.join(post.place, ("title", post.subject.bare))
        thread = ("thread", roots[post.place])
        if post.number is not None:
            joined.join(post.place, thread)
            sender = post.author if post.id else ""
            joined.join(post.place, ("numbers", post.version, post.total, sender))
        if len(versions[post.subject.bare]) == 1:
            keys = {("file", post.author, file) for file in _FILE.findall(post.body)} | {thread}
            for key in keys:
                links[key].append(post)
    for linked in links.values():
        # Single patches of one version stay apart, as git format-patch -N writes them.
        if len({post.version for post in linked}) > 1:
            for post in linked:
                joined.join(post.place, linked[0].place)
    units: dict[object, list[Post]] = defaultdict(list)
    for post in patches:
        units[joined.root(post.place)].append(post)
    return list(units.values())

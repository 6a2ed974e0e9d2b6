# SPDX-License-Identifier: GPL-2.0-only
"""Conversion of patches with other prefixes than a/ and b/, for use with -p1.

git diff --no-prefix writes no prefix, diff.mnemonicPrefix i/ and w/, and diff -ruN the names of two directories.  The
tree that a patch is for shows which of these it has: its names fit the files there in only one of these ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import walk
from pathlib import Path

from orchestrator.kernel.patch.diff import Diff, NotAPatch, printable, read_diff

_USUAL = re.compile(r'^(?:--- (?!"?a/|/dev/null)|\+\+\+ (?!"?b/|/dev/null)|diff --git (?!"?a/))', re.MULTILINE)
_MNEMONIC = re.compile(r"^(?:a|b|c|i|o|w|1|2|old|new)/")
_MOST = 200_000
"""The largest number of files searched for a hint; Linux 7.3 has half as many."""


class Prefixes:
    """The prefixes in the patches of one series, which is for the tree at `tree`."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._before: list[str] = []

    def usual(self, data: bytes) -> bytes:
        """Return the patch `data` with names that begin with a/ and b/.

        A text that is no patch for another reason is returned unchanged: `read_diff` refuses it.
        Raises NotAPatch if the prefix cannot be determined.
        """
        text = data.decode(errors="surrogateescape")
        if _USUAL.search(text):
            text = self._renamed(text)
        self._before.append(text)
        return text.encode(errors="surrogateescape")

    def _renamed(self, text: str) -> str:
        read = {strip: diff for strip in (1, 0) if (diff := _read(text, strip))}
        lines = text.split("\n")
        if not read or all(_is_usual(lines[index]) for index in next(iter(read.values())).names):
            return text
        fitting = [strip for strip, diff in read.items() if self._fits(diff)]
        # Any new file in a directory would fit as a new file at the top, if one directory is removed.
        sure = [strip for strip in fitting if all("/" in name for name in read[strip].made)] or fitting
        if len(sure) == 2 and all(_MNEMONIC.match(name) for name in read[0].files):
            sure = [1]
        if len(sure) == 2 and read[0].files == read[1].files:
            # Only renames, whose names have no prefix; the line before them ("diff --git") may have one.
            sure = [1 if f"/{read[1].files[0]} " in lines[read[1].names[0]] else 0]
        if len(sure) != 1:
            raise NotAPatch(self._cause(text, read, ambiguous=bool(sure)))
        return "\n".join(_prefixed(lines, read[sure[0]], sure[0]))

    def _fits(self, diff: Diff) -> bool:
        """Return whether the files that `diff` changes exist, and new ones are in existing directories."""
        before = self._made_before() if self._before else set()
        exist = all(name in before or (self._tree / name).is_file() for name in diff.changed)
        tops = {name.split("/")[0] for name in diff.made if "/" in name}
        return exist and all((self._tree / top).is_dir() for top in tops)

    def _made_before(self) -> set[str]:
        return {name for text in self._before if (diff := _read(text, 1)) for name in diff.made}

    def _cause(self, text: str, read: dict[int, Diff], *, ambiguous: bool) -> str:
        name = next(iter(read.values())).files[0] if 0 not in read else read[0].files[0]
        shown = printable(name)
        remedy = "make it at the top of the source, by 'git diff --src-prefix=a/ --dst-prefix=b/'"
        if ambiguous:
            without = f"with and without '{printable(name.split('/')[0])}/'"
            return f"names '{shown}' without a/ or b/, which can be in the source {without}; {remedy}"
        for strip in (2, 3, 4, 5):
            diff = _read(text, strip)
            if diff and diff.changed and self._fits(diff):
                return f"names '{shown}', which is in this source with {strip} directories less (-p{strip}); {remedy}"
        place = in_subdirectory(self._tree, read[0].changed if 0 in read else ())
        if place:
            return f"names '{shown}', which is in {place}/ of this source; {remedy}"
        return f"names '{shown}', and its names do not fit this source, with or without their first directory; {remedy}"


def _read(text: str, strip: int) -> Diff | None:
    try:
        return read_diff(text, strip)
    except NotAPatch:
        return None


def _is_usual(line: str) -> bool:
    return _USUAL.match(line) is None


def _prefixed(lines: list[str], diff: Diff, strip: int) -> Iterator[str]:
    """Yield `lines` with a/ or b/ before the names.

    If `strip` is 1, these replace the first directory of each name.
    """
    named = set(diff.names)
    for index, line in enumerate(lines):
        if index not in named or line.endswith(" /dev/null") or line.startswith(("--- /dev/null\t", "+++ /dev/null\t")):
            yield line
        elif line.startswith("diff --git "):
            yield _git_line(line, strip)
        else:
            yield line[:4] + _renamed_name(line[4:], "b/" if line.startswith("+++ ") else "a/", strip)


def _renamed_name(name: str, prefix: str, strip: int) -> str:
    """Return a name, in quotes or not, with another prefix."""
    quote = '"' if name.startswith('"') else ""
    bare = name.removeprefix(quote)
    return quote + prefix + (bare.split("/", 1)[1] if strip else bare)


def _end(name: str, strip: int) -> str:
    return name.split("/", strip)[-1].strip('"')


def _git_line(line: str, strip: int) -> str:
    """Return the line "diff --git OLD NEW" with other prefixes.

    It is unchanged if it does not show where NEW begins: git does not read it then either.
    """
    rest = line.removeprefix("diff --git ")
    names = rest.split(" ") if rest.count(" ") == 1 else [rest[: len(rest) // 2], rest[len(rest) // 2 + 1 :]]
    clear = rest.count(" ") == 1 or _end(names[0], strip) == _end(names[1], strip)
    if not clear or (strip and not all("/" in name for name in names)):
        return line
    return f"diff --git {_renamed_name(names[0], 'a/', strip)} {_renamed_name(names[1], 'b/', strip)}"


def in_subdirectory(tree: Path, names: tuple[str, ...]) -> str | None:
    """Return the only directory in `tree` that has all of `names`, or None.

    It is relative to `tree`.  A patch that was made in this directory has such names.
    """
    if not names:
        return None
    found: list[str] = []
    seen = 0
    for place, _, files in walk(tree):
        seen += len(files)
        if seen > _MOST:
            return None
        if Path(place) != tree and all((Path(place) / name).is_file() for name in names[:20]):
            found.append(str(Path(place).relative_to(tree)))
            if len(found) > 1:
                return None
    return found[0] if found else None

# SPDX-License-Identifier: GPL-2.0-only
"""A reader of diffs that finds the files of a patch, like ``git apply -p1``.

Only text that git treats as a diff counts: a file name in the message, or a removed line that looks like a header, does
not.  Patches are refused that do what is unusual for a kernel source: names outside of the tree or in .git, symbolic
links, submodules and binary files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HUNK = re.compile(r"^@@ -(\d{1,12})(?:,(\d{1,12}))? \+(\d{1,12})(?:,(\d{1,12}))? @@", re.ASCII)
_BINARY = re.compile(r"^(?:GIT binary patch|(?:Binary files|Files) .* differ)\s*$")
_ONLY_IN = re.compile(r"^Only in [^:]+: [^ ]+$")
_MODES = ("old mode ", "new mode ", "deleted file mode ", "new file mode ")
_MOVES = ("copy from ", "copy to ", "rename from ", "rename to ", "rename old ", "rename new ")
_MOVED_TO = ("copy to ", "rename to ", "rename new ")
_OTHERS = ("similarity index ", "dissimilarity index ")
_ESCAPE = re.compile(r'\\([0-7]{1,3}|[abfnrtv"\\])')
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_REGULAR = 0o100000
_INDEX = re.compile(r"^index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: [0-7]+)?\r?$")


class NotAPatch(ValueError):  # noqa: N818 -- it says what the text is
    """What is wrong with a text: the end of a sentence that names its origin."""


@dataclass(frozen=True)
class Blob:
    """The abbreviated blob ids of one file, from git's line ``index OLD..NEW``.

    `before` and `after` are its names; "" if the file is made or removed.
    """

    before: str
    old: str
    after: str
    new: str


@dataclass(frozen=True)
class Diff:
    """The contents of a diff.

    `files` are the files it touches, in order.  `hunks` are (file, first line of the old file) of each hunk.  `start`
    is the character at which the first file's part begins.  `changed` are the files that must exist before, `made` the
    new files.  `names` are the indices of the lines that name files with a prefix such as a/.  `blobs` has the
    blob ids that git wrote for files, in order; a diff of diff(1) has none.
    """

    files: tuple[str, ...]
    hunks: tuple[tuple[str, int], ...]
    start: int
    changed: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    names: tuple[int, ...] = ()
    blobs: tuple[Blob, ...] = ()


def read_diff(text: str, strip: int = 1) -> Diff:
    """Read the diff in `text`.

    `strip` is the number of leading directories removed from each name, as in ``patch -p``.
    Raises NotAPatch if there is no diff, or if it is truncated or refused (see the module).
    """
    if "\0" in text:
        raise NotAPatch("holds NUL bytes; only plain text files can be patched, no links and no binaries")
    reader = _Reader(text, strip)
    reader.read()
    if not reader.files:
        raise NotAPatch("holds no diff; a patch is made by 'git format-patch'")
    start = sum(len(line) + 1 for line in reader.lines[: reader.first])
    files = tuple(dict.fromkeys(reader.files))
    made = tuple(name for name in files if name in reader.made and name not in reader.changed)
    changed = tuple(name for name in files if name in reader.changed)
    return Diff(files, tuple(reader.hunks), start, changed, made, tuple(reader.names), tuple(reader.blobs))


def hunk_number(text: str, file: str, line: int) -> int:
    """Return the number of the hunk that begins at `line` of the old `file`.

    The first hunk is 1.  Returns 0 if no hunk begins there.
    """
    try:
        starts = [start for name, start in read_diff(text).hunks if name == file]
    except NotAPatch:
        return 0
    return starts.index(line) + 1 if line in starts else 0


def printable(text: str) -> str:
    """Return `text` for a message, with control characters and invalid UTF-8 escaped."""
    plain = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


class _Reader:
    """A reader that goes through the lines once, like git's reader (git apply.c)."""

    def __init__(self, text: str, strip: int) -> None:
        self.lines = text.split("\n")
        self.files: list[str] = []
        self.hunks: list[tuple[str, int]] = []
        self.changed: set[str] = set()
        self.made: set[str] = set()
        self.names: list[int] = []
        self.blobs: list[Blob] = []
        self.first = 0
        self._strip = strip

    def read(self) -> None:
        """Read all lines.  Raises NotAPatch."""
        at = 0
        while at < len(self.lines):
            line = self.lines[at]
            if line.startswith("diff --git "):
                at = self._git_file(at)
            elif line.startswith("--- ") and self._at(at + 1, "+++ ") and self._at(at + 2, "@@ -"):
                at = self._plain_file(at)
            elif _HUNK.match(line):
                raise NotAPatch(f"line {at + 1} begins a hunk, and no file is named before it")
            elif self.files and _BINARY.match(line):
                raise _no_text(line)
            elif self.files and _ONLY_IN.match(line):
                raise NotAPatch(f"lacks a file: '{printable(line[:120])}'; make it with 'diff -ruN', or by git")
            elif line.startswith(("diff --cc ", "diff --combined ")):
                raise NotAPatch("holds the combined diff of a merge, which cannot be applied")
            else:
                at += 1

    def _at(self, index: int, prefix: str) -> bool:
        return index < len(self.lines) and self.lines[index].startswith(prefix)

    def _git_file(self, at: int) -> int:
        named: list[str] = []
        end = at + 1
        while end < len(self.lines) and self._header(end, named):
            end += 1
        if self._at(end, "") and _BINARY.match(self.lines[end]):
            raise _no_text(self.lines[end])
        if end == at + 1:
            return end  # git also treats it as a part of the message
        head = self.lines[at + 1 : end]
        moves = sum(line.startswith(_MOVES) for line in head), sum(line.startswith(_MOVED_TO) for line in head)
        if moves not in ((0, 0), (2, 1)):  # git takes the name that is missing from the line above
            raise NotAPatch(f"line {at + 1} begins half a rename or copy, or more than one")
        self.names.append(at)
        new = any(line.startswith(("new file mode ", "--- /dev/null")) for line in head)
        gone = any(line.startswith(("deleted file mode ", "+++ /dev/null")) for line in head)
        named = named or [_same_name(self.lines[at].removeprefix("diff --git "), self._strip)]
        self.blobs += _blobs(head, "" if new else named[0], "" if gone else named[-1])
        # The target of a rename is new.
        moved = [line.split(" ", 2)[2] for line in head if line.startswith(_MOVED_TO)]
        self._touch(at, named, [] if new else [name for name in named if name not in {_plain(to) for to in moved}])
        return self._hunks(end)

    def _header(self, at: int, named: list[str]) -> bool:
        """Return whether a line belongs to a file's header, and add its names to `named`."""
        line = self.lines[at]
        key = next((p for p in (*_MODES, *_MOVES, *_OTHERS, "index ", "--- ", "+++ ") if line.startswith(p)), None)
        if key is None:
            return False
        rest = line.removeprefix(key)
        if key in _MODES:
            _check_mode(rest, line)
        elif key == "index " and " " in rest:
            _check_mode(rest.partition(" ")[2], line)
        elif key in ("--- ", "+++ "):
            self.names.append(at)
            named.extend(_prefixed(rest, self._strip))
        elif key in _MOVES:
            named.append(_safe(_plain(rest)))
        return True

    def _plain_file(self, at: int) -> int:
        names = [_prefixed(self.lines[index][4:], self._strip, dated=True) for index in (at, at + 1)]
        self.names += [at, at + 1]
        # The first hunk of a new file has no old lines.  With diff -N it has the name of an old file nevertheless.
        hunk = _HUNK.match(self.lines[at + 2])
        new = not names[0] or (hunk is not None and int(hunk[1]) == 0 and hunk[2] == "0")
        self._touch(at, names[0] + names[1], [] if new else names[0])
        return self._hunks(at + 2)

    def _touch(self, at: int, named: list[str], changed: list[str]) -> None:
        if not named:
            raise NotAPatch(f"line {at + 1} begins a change, and no file is named there")
        if not self.files:
            self.first = at
        self.files.extend(named)
        # A file that an earlier part of the same patch makes need not exist before.
        self.changed.update(name for name in changed if name not in self.made)
        self.made.update(name for name in named if name not in self.changed)
        self._old = named[0]

    def _hunks(self, at: int) -> int:
        while match := _HUNK.match(self.lines[at]) if at < len(self.lines) else None:
            self.hunks.append((self._old, int(match[1])))
            at = self._body(at, int(match[2] or 1), int(match[4] or 1))
        if self._at(at, "@@ -"):
            raise NotAPatch(f"line {at + 1} is no beginning of a hunk: {printable(self.lines[at][:60])}")
        return at

    def _body(self, begin: int, old: int, new: int) -> int:
        at = begin + 1
        while old > 0 or new > 0:
            # After the last newline there is another line only if it has text.
            is_line = at < len(self.lines) - 1 or (at < len(self.lines) and self.lines[at])
            sign = self.lines[at][:1] if is_line else "end"
            if sign not in ("", " ", "-", "+", "\\"):
                raise NotAPatch(f"the hunk at line {begin + 1} is broken off or damaged at line {at + 1}")
            old -= sign in ("", " ", "-")
            new -= sign in ("", " ", "+")
            at += 1
        if old < 0 or new < 0:
            raise NotAPatch(f"the hunk at line {begin + 1} is not as long as its header says")
        return at + 1 if self._at(at, "\\ ") else at


def _blobs(head: list[str], before: str, after: str) -> list[Blob]:
    """Return the blob ids in the header of one file, as a list of at most one."""
    found = next((match for line in head if (match := _INDEX.match(line))), None)
    return [Blob(before, found[1], after, found[2])] if found else []


def _no_text(line: str) -> NotAPatch:
    shown = printable(line.strip())
    return NotAPatch(f"'{shown}': only plain text files can be patched, no links and no binaries")


def _check_mode(text: str, line: str) -> None:
    try:
        mode = int(text.split(maxsplit=1)[0], 8)
    except (ValueError, IndexError):
        raise NotAPatch(f"'{printable(line)}': that is no file mode") from None
    if mode & 0o170000 != _REGULAR:
        raise _no_text(line)


def _plain(text: str) -> str:
    """Return a name that git wrote, without the quotes and escapes for special bytes."""
    quoted = _QUOTED.match(text)
    if not quoted:
        return text.partition("\t")[0]
    raw = b""
    place = 0
    inner = quoted[0][1:-1]
    for escape in _ESCAPE.finditer(inner):
        raw += inner[place : escape.start()].encode(errors="surrogateescape")
        code = escape[1]
        raw += bytes([int(code, 8) & 255]) if code[0].isdigit() else _LETTERS.get(code, code).encode()
        place = escape.end()
    return (raw + inner[place:].encode(errors="surrogateescape")).decode(errors="surrogateescape")


def _prefixed(text: str, strip: int, *, dated: bool = False) -> list[str]:
    """Return the name after --- or +++ without a/ or b/; none for /dev/null.

    `dated` is whether the line is from diff(1), with a date after the name.
    """
    name = _plain(text)
    if dated and not text.startswith('"') and "\t" not in text:
        name = name.split(" ")[0]
    if name == "/dev/null":
        return []
    return [_stripped(name, strip)]


def _stripped(name: str, strip: int) -> str:
    # The removed part is checked too, because the patch could be applied with -p0.
    _safe(name)
    parts = name.split("/", strip)
    if len(parts) <= strip:
        raise NotAPatch(f"'{printable(name)}' has no a/ or b/ before it; a patch is made by 'git format-patch'")
    return _safe(parts[strip])


def _same_name(text: str, strip: int) -> str:
    """Return the name in "a/NAME b/NAME".

    It is needed if no other line has the name: for a new empty file, or a new mode.
    """
    first = _QUOTED.match(text)
    half = len(text) // 2
    left, right = (first[0], text[first.end() + 1 :]) if first else (text[:half], text[half + 1 :])
    names = [_stripped(_plain(part), strip) for part in (left, right.rstrip("\r") if first else right)]
    if names[0] != names[1]:
        raise NotAPatch(f"'diff --git {printable(text)}' does not name the file that it changes")
    return names[0]


def _safe(name: str) -> str:
    """Return `name` if it is a path in the tree.  Raises NotAPatch."""
    shown = printable(name)
    if name.endswith("\r"):
        raise NotAPatch("has lines that end in CR LF, file names included; convert it with dos2unix")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        raise NotAPatch(f"touches '{shown}', which is outside of the source tree")
    if any(part.lower() == ".git" for part in parts):
        raise NotAPatch(f"touches '{shown}', which is git's own")
    if shown != name or "" in parts or "." in parts:
        raise NotAPatch(f"touches '{shown}', which is no name of a file in a kernel source")
    return name

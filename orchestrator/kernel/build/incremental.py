# SPDX-License-Identifier: GPL-2.0-only
"""Find the objects that an option really changes, to avoid recompiling the whole kernel.

Kbuild recompiles every object that includes a header which mentions a changed option (scripts/basic/fixdep.c).  For an
option tested in <asm/pgtable.h>, such as ARCH_SUPPORTS_PMD_PFNMAP, these are all objects.  But the header only chooses
between two versions of a few inline functions that three files call.

An object is not recompiled only if the text proves all of this: its source does not mention the option; every header
that mentions it does so in #if lines only; these lines guard static inline functions and macros only; no other line of
any file that the object includes has one of their names, or the beginning or end of one beside a ##.  Any other object
is recompiled.  (A name that ## builds from a macro's arguments alone is not detected; a VM test compares the image with
that of a full build, bit by bit.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LITERAL = r""" "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' """
_COMMENT_OR_LITERAL = re.compile(rf"/\*.*?\*/ | //(?:\\\n|[^\n])* | {_LITERAL}", re.DOTALL | re.VERBOSE)
_CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")
_DEFINE = re.compile(r"^\s*#\s*(?:define|undef)\s+(\w+)")
_INLINE = re.compile(r"^static\s+(?:__always_)?inline\s[^;{}=#]*?\b\w+\s*\([^;{}#]*\)\s*\{", re.MULTILINE)
_CALLED = re.compile(r"(\w+)\s*\(")
_BINDING = re.compile(r"\b(?:__used|used|__used__|constructor|__constructor__|_Pragma)\b")
"""The attributes that keep a function that is never called."""
_GLUED_HEAD = re.compile(r"(\w\w+)(?=\s*##)")
_GLUED_TAIL = re.compile(r"##\s*(\w\w+)")
_WORD = re.compile(r"\w+")


@contextmanager
def spare_untouched(tree: Path) -> Iterator[None]:
    """Run ``make syncconfig`` in the context, so that Kbuild then rebuilds only affected objects.

    The marker of a changed option (``include/config/NAME`` in ``tree/build``) gets its old time stamp back.  The
    affected objects are removed, so that make builds them again.
    """
    markers = tree / "build/include/config"
    before = _stamps(markers)
    yield
    after = _stamps(markers)
    flipped = [path for path, stamp in after.items() if before.get(path) != stamp]
    options = frozenset(path.name for path in flipped)
    users = list(objects_using(tree / "build", options))
    affected = affected_objects(tree / "build", users, options)
    if len(affected) == len(users):
        return
    for path in flipped:
        os.utime(path, ns=(before.get(path, 0), before.get(path, 0)))
    for target in affected:
        target.unlink(missing_ok=True)


def _stamps(markers: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in markers.iterdir() if "." not in path.name}


@dataclass(frozen=True)
class BuiltObject:
    """Kbuild's record of one target: its source, and all files that it read.

    The names are those that make used.
    """

    target: Path
    source: str
    files: tuple[str, ...]


def objects_using(build: Path, options: frozenset[str]) -> Iterator[BuiltObject]:
    """Yield the targets in `build` whose record names one of `options`."""
    for directory, _, names in os.walk(build):
        for name in names:
            if name.startswith(".") and name.endswith(".cmd"):
                record = read_record(Path(directory, name), options)
                if record:
                    yield record


def read_record(path: Path, options: frozenset[str]) -> BuiltObject | None:
    """Return the record in a Kbuild ``.cmd`` file; None if it names none of `options`."""
    text = path.read_text(errors="replace")
    if not any(f"$(wildcard include/config/{option})" in text for option in options):
        return None
    source = re.search(r"^source_\S+ := (\S+)", text, re.MULTILINE)
    listed = re.search(r"^deps_\S+ := \\\n((?:.*\\\n)*.*)", text, re.MULTILINE)
    entries = listed[1].split() if listed else []
    names = [entry for entry in entries if not entry.startswith(("\\", "$", "include/config/"))]
    target = path.with_name(path.name[1 : -len(".cmd")])
    return BuiltObject(target, source[1] if source else "", tuple(names))


def affected_objects(build: Path, users: Iterable[BuiltObject], options: frozenset[str]) -> list[Path]:
    """Return the targets among `users` that may change when `options` flip.

    These are all for which the opposite cannot be proven.
    """
    texts = _Texts(build, options)
    return [user.target for user in users if _affected(user, texts)]


def _affected(user: BuiltObject, texts: _Texts) -> bool:
    if not user.source or not user.files or texts.guarded(user.source) != frozenset():
        return True
    names: frozenset[str] = frozenset()
    for file in user.files:
        guarded = texts.guarded(file)
        if guarded is None:
            return True
        names |= guarded
    return any(texts.uses(file, names) for file in (user.source, *user.files))


class _Texts:
    """The uses of some options in the files of a build.

    Every file is read and analysed once for all objects.
    """

    def __init__(self, build: Path, options: frozenset[str]) -> None:
        self._build = build
        self._options = options
        self._texts: dict[str, str | None] = {}
        self._guarded: dict[str, frozenset[str] | None] = {}
        self._uses: dict[tuple[str, frozenset[str]], bool] = {}

    def _text(self, file: str) -> str | None:
        if file not in self._texts:
            try:
                self._texts[file] = (self._build / file).read_text(errors="replace")
            except OSError:
                self._texts[file] = None
        return self._texts[file]

    def guarded(self, file: str) -> frozenset[str] | None:
        """Return `guarded_names` of `file`, or None if it cannot be read."""
        if file not in self._guarded:
            text = self._text(file)
            self._guarded[file] = None if text is None else guarded_names(text, self._options)
        return self._guarded[file]

    def uses(self, file: str, names: frozenset[str]) -> bool:
        """Return whether the file has one of `names` outside the guarded regions."""
        key = (file, names)
        if key not in self._uses:
            text = self._text(file)
            self._uses[key] = text is None or uses(text, names, self._options)
        return self._uses[key]


def uses(text: str, names: frozenset[str], options: frozenset[str]) -> bool:
    """Return whether `text` has one of `names` as a word, or might paste it together.

    Comments, and regions under `options`, do not count.
    """
    if "##" in text and _pastes(text, names):
        return True
    if not any(name in text for name in names):
        return False
    outside = split_guarded(strip_comments(text), options)[1]
    return not names.isdisjoint(_WORD.findall(outside))


def _pastes(text: str, names: frozenset[str]) -> bool:
    heads, tails = tuple(_GLUED_HEAD.findall(text)), tuple(_GLUED_TAIL.findall(text))
    return any(name.startswith(heads) or name.endswith(tails) for name in names)


def strip_comments(text: str) -> str:
    """Return C source with each comment replaced by a blank.

    String literals stay: ``"//"`` must not hide the code after it.
    """
    return _COMMENT_OR_LITERAL.sub(lambda match: " " if match[0].startswith("/") else match[0], text)


def guarded_names(text: str, options: frozenset[str]) -> frozenset[str] | None:
    """Return the names that the regions under the options define; empty if there are none.

    Returns None if the regions hold more than inline functions and macros, or if the text mentions an option elsewhere.
    """
    if not any(f"CONFIG_{option}" in text for option in options):
        return frozenset()
    text = strip_comments(text)
    inside, outside = split_guarded(text, options)
    if _BINDING.search(inside) or any(f"CONFIG_{option}" in outside for option in options):
        return None
    names: set[str] = set()
    rest = []
    for line in inside.split("\n"):
        if match := _DEFINE.match(line):
            if line.rstrip().endswith("\\"):
                return None
            names.add(match[1])
        rest.append("#" if match or _CONDITIONAL.match(line) else line)
    return _inline_names(re.sub(_LITERAL, "0", "\n".join(rest), flags=re.VERBOSE), names)


def _inline_names(code: str, names: set[str]) -> frozenset[str] | None:
    """Return `names` and the names of the functions in `code`.

    "#" marks a line of the preprocessor.  Returns None if `code` has anything but inline functions.
    """
    while match := _INLINE.search(code):
        end = _closing_brace(code, match.end())
        if end is None or code[: match.start()].strip("# \t\n") or "#" in code[match.start() : end]:
            return None
        names.update(_CALLED.findall(match[0]))  # the function, and attributes with arguments: __printf(1, 2)
        code = code[end:]
    return None if code.strip("# \t\n") else frozenset(names)


def _closing_brace(code: str, position: int) -> int | None:
    depth = 1
    for index in range(position, len(code)):
        depth += {"{": 1, "}": -1}.get(code[index], 0)
        if depth == 0:
            return index + 1
    return None


def split_guarded(text: str, options: frozenset[str]) -> tuple[str, str]:
    """Return the text inside the regions that depend on the options, and the text outside.

    These are the #if…#endif regions whose conditions name one of the options.
    """
    inside: list[str] = []
    outside: list[str] = []
    depth = 0
    lines = text.split("\n")
    opened = _regions(lines, options)
    for number, line in enumerate(lines):
        keyword = _CONDITIONAL.match(line)
        if depth or number in opened:
            depth += {"if": 1, "ifdef": 1, "ifndef": 1, "endif": -1}.get(keyword[1], 0) if keyword else 0
            inside.append(line)
        else:
            outside.append(line)
    return "\n".join(inside), "\n".join(outside)


def _regions(lines: list[str], options: frozenset[str]) -> set[int]:
    """Return the numbers of the #if lines whose region, #elif included, names an option."""
    found: set[int] = set()
    stack: list[int] = []
    for number, line in enumerate(lines):
        match = _CONDITIONAL.match(line)
        if not match:
            continue
        if match[1] in ("if", "ifdef", "ifndef"):
            stack.append(number)
        if stack and any(re.search(rf"\bCONFIG_{option}(?:_MODULE)?\b", line) for option in options):
            found.add(stack[-1])
        if match[1] == "endif" and stack:
            stack.pop()
    return found

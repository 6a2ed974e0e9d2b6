# SPDX-License-Identifier: GPL-2.0-only
"""A parser for the part of the Kconfig language with the dependencies of options.

The language is defined in Documentation/kbuild/kconfig-language.rst.  Only error messages use this parser: the kernel's
own Kconfig decides which options are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.arch import ARCHES
from orchestrator.fileio import read_regular

# Members of a choice are indented (kernel/Kconfig.hz).
_ENTRY = re.compile(r"^\s*(?:menu)?config\s+(\w+)\s*(?:#.*)?$")
# `if-success = ...` is no block but a macro (scripts/Kconfig.include).
_BLOCK = re.compile(r"^\s*(if|menu|choice|endif|endmenu|endchoice|source|comment|mainmenu)(?=[\s\"(!$]|$)\s*(.*)")
_QUOTED = re.compile(r'^"([^"]*)"')
_SELECT = re.compile(r"^\s+(?:select|imply)\s+(\w+)")
_DEPENDS = re.compile(r"^\s+depends on\s+(.*)")
_HELP = re.compile(r"^\s+(?:---)?help(?:---)?\s*$")
_MOST_BYTES = 4 << 20
"""The largest Kconfig file that is read; the longest of Linux 7.3 has 90 KB."""

_PROMPT = re.compile(r"^\s+(?:(?:bool|tristate|string|int|hex|prompt)\s+\"([^\"]*)\")")


@dataclass(frozen=True)
class Symbol:
    """The definition of one option in the Kconfig files.

    `prompt` is whether it can be set by hand; `depends` are conditions that must all be true, those of the enclosing
    `if` and `menu` blocks first; `selected_by` are options that force it on.  `choice` is the prompt of the choice that
    it is a member of ("" if none), and `members` are all options of that choice, of which one is set.
    """

    name: str
    prompt: bool
    depends: tuple[str, ...]
    selected_by: tuple[str, ...]
    choice: str = ""
    members: tuple[str, ...] = ()


def find_symbol(tree: Path, name: str, arch: str = "x86_64") -> Symbol | None:
    """Return the definition of option `name` on `arch`; None if the tree has none."""
    prompt, defined = False, False
    depends: list[str] = []
    selectors: list[str] = []
    choice: _Around | None = None
    for entry in _tree_entries(tree, arch):
        if entry.name == name:
            defined, prompt = True, prompt or entry.prompt
            depends += entry.depends
            choice = choice or entry.choice
        elif name in entry.selects:
            selectors.append(entry.name)
    unique = tuple(dict.fromkeys(depends))
    of_choice = (choice.prompt, tuple(choice.members)) if choice else ("", ())
    return Symbol(name, prompt, unique, tuple(dict.fromkeys(selectors)), *of_choice) if defined else None


def symbol_names(tree: Path, arch: str = "x86_64") -> tuple[str, ...]:
    """Return every option that the tree defines for `arch`, for a "did you mean"."""
    return tuple(dict.fromkeys(entry.name for entry in _tree_entries(tree, arch)))


def _tree_entries(tree: Path, arch: str) -> Iterator[_Entry]:
    """Yield the entries that Kconfig reads for `arch`.

    They are those of the top Kconfig file and of all files that it sources.  The path of a file does not show whether
    it is read: arch/x86 sources some files of arch/arm, and no file sources tools/ or a stray copy.
    """
    return _entries(tree, "Kconfig", ARCHES[arch].directory, [], ())


@dataclass
class _Around:
    """A block around entries: its `conditions`; for a choice also its prompt and members."""

    keyword: str
    conditions: list[str]
    prompt: str = ""
    members: list[str] = field(default_factory=list)


@dataclass
class _Entry:
    name: str
    prompt: bool
    depends: list[str]
    selects: list[str]
    choice: _Around | None


def _entries(tree: Path, file: str, own: str, around: list[_Around], open_files: tuple[str, ...]) -> Iterator[_Entry]:
    """Yield the config entries of `file` and its sourced files, with the conditions around them.

    `own` is the architecture's directory in arch/.  `open_files` are the files through which `file` is sourced: a file
    that sources itself, which Kconfig refuses, is read once.  A file that is missing or not regular is skipped.
    """
    if file in open_files:
        return
    try:
        text = read_regular(tree / file, _MOST_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return
    entry: _Entry | None = None
    for line in _without_help(text):
        config, block = _ENTRY.match(line), _BLOCK.match(line)
        if not (config or block):
            _attribute(line, entry, around)
            continue
        if entry:
            yield entry
        entry = _new_entry(config[1], around) if config else None
        if block and block[1] == "source":
            yield from _entries(tree, _sourced(block[2], own), own, around, (*open_files, file))
        elif block:
            _nest(around, block[1], block[2])
    if entry:
        yield entry


def _sourced(rest: str, own: str) -> str:
    """Return the file name after `source`, with quotes or, as before Linux 4.20, without."""
    quoted = _QUOTED.match(rest)
    return (quoted[1] if quoted else rest.strip()).replace("$(SRCARCH)", own).replace("$SRCARCH", own)


def _without_help(text: str) -> Iterator[str]:
    """Yield the lines of a Kconfig file without help texts.

    A help text ends before a line that is indented less than its first line.
    """
    indent: int | None = None
    helping = False
    for line in text.replace("\\\n", " ").splitlines():
        if helping:
            if not line.strip():
                continue
            width = len(line.expandtabs()) - len(line.expandtabs().lstrip())
            indent = width if indent is None else indent
            if width and width >= indent:
                continue
        helping, indent = bool(_HELP.match(line)), None
        yield line


def _new_entry(name: str, around: list[_Around]) -> _Entry:
    choice = next((block for block in reversed(around) if block.keyword == "choice"), None)
    if choice:
        choice.members.append(name)
    return _Entry(name, False, [condition for block in around for condition in block.conditions], [], choice)


def _nest(around: list[_Around], keyword: str, rest: str) -> None:
    if keyword in ("if", "menu", "choice"):
        around.append(_Around(keyword, [rest.split("#", maxsplit=1)[0].strip()] if keyword == "if" else []))
    elif keyword.startswith("end") and around:
        around.pop()


def _attribute(line: str, entry: _Entry | None, around: list[_Around]) -> None:
    if match := _DEPENDS.match(line):
        condition = match[1].split("#")[0].strip()
        if entry:
            entry.depends.append(condition)
        elif around:
            around[-1].conditions.append(condition)
    elif entry and (match := _SELECT.match(line)):
        entry.selects.append(match[1])
    elif match := _PROMPT.match(line):
        if entry:
            entry.prompt = True
        elif around and around[-1].keyword == "choice":
            around[-1].prompt = around[-1].prompt or match[1]

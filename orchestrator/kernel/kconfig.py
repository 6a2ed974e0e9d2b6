# SPDX-License-Identifier: GPL-2.0-only
"""Just enough of the Kconfig language to say what an option depends on (Documentation/kbuild/kconfig-language.rst).

Only error messages use it: what holds and what does not is decided by the kernel's own Kconfig.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ENTRY = re.compile(r"^(?:menu)?config\s+(\w+)")
_BLOCK = re.compile(r"^(if|menu|choice|endif|endmenu|endchoice|source|comment|mainmenu)\b\s*(.*)")
_SELECT = re.compile(r"^\s+(?:select|imply)\s+(\w+)")
_DEPENDS = re.compile(r"^\s+depends on\s+(.*)")
_HELP = re.compile(r"^\s+(?:---)?help(?:---)?\s*$")
_PROMPT = re.compile(r"^\s+(?:(?:bool|tristate|string|int|hex|prompt)\s+\")")


@dataclass(frozen=True)
class Symbol:
    """What the Kconfig files say of one option.

    `prompt` is whether it can be set by hand at all; `depends` are conditions that must all hold, those of the
    enclosing `if` and `menu` blocks of the same file first; `selected_by` are options that force it on.
    """

    name: str
    prompt: bool
    depends: tuple[str, ...]
    selected_by: tuple[str, ...]


def find_symbol(tree: Path, name: str, arch: str = "x86_64") -> Symbol | None:
    """What the tree's Kconfig files say of option `name` on `arch`; None where none defines it."""
    prompt, defined = False, False
    depends: list[str] = []
    selectors: list[str] = []
    for path in kconfig_files(tree, arch):
        text = path.read_text(errors="replace")
        if name not in text:
            continue
        for entry in _entries(text):
            if entry.name == name:
                defined, prompt = True, prompt or entry.prompt
                depends += entry.depends
            elif name in entry.selects:
                selectors.append(entry.name)
    unique = tuple(dict.fromkeys(depends))
    return Symbol(name, prompt, unique, tuple(dict.fromkeys(selectors))) if defined else None


def symbol_names(tree: Path, arch: str = "x86_64") -> tuple[str, ...]:
    """Every option that the tree defines for `arch`, for a "did you mean"."""
    return tuple({match[1] for path in kconfig_files(tree, arch) for match in _names(path)})


def _names(path: Path) -> Iterator[re.Match[str]]:
    return re.finditer(r"^(?:menu)?config\s+(\w+)", path.read_text(errors="replace"), re.MULTILINE)


def kconfig_files(tree: Path, arch: str = "x86_64") -> Iterator[Path]:
    """The tree's Kconfig files, of the architecture `arch` or of none (another one's options only confuse)."""
    own = {"x86_64": "x86"}.get(arch, arch)
    for directory, subdirectories, files in os.walk(tree):
        if directory == str(tree / "arch"):
            subdirectories[:] = [d for d in subdirectories if d == own]
        subdirectories[:] = [d for d in subdirectories if d not in ("build", "Documentation")]
        yield from (Path(directory, file) for file in files if file.startswith("Kconfig"))


@dataclass
class _Entry:
    name: str
    prompt: bool
    depends: list[str]
    selects: list[str]


def _entries(text: str) -> Iterator[_Entry]:
    """The config entries of one Kconfig file, with the conditions around them."""
    around: list[list[str]] = []
    entry: _Entry | None = None
    helping = False
    for line in text.replace("\\\n", " ").splitlines():
        if match := _ENTRY.match(line):
            if entry:
                yield entry
            entry = _Entry(match[1], False, [c for block in around for c in block], [])
        elif match := _BLOCK.match(line):
            if entry:
                yield entry
            entry = None
            _nest(around, match[1], match[2])
        elif not helping:
            _attribute(line, entry, around)
        helping = bool(_HELP.match(line)) or (helping and not line[:1].strip())
    if entry:
        yield entry


def _nest(around: list[list[str]], keyword: str, rest: str) -> None:
    if keyword in ("if", "menu", "choice"):
        around.append([rest.split("#", maxsplit=1)[0].strip()] if keyword == "if" else [])
    elif keyword.startswith("end") and around:
        around.pop()


def _attribute(line: str, entry: _Entry | None, around: list[list[str]]) -> None:
    if match := _DEPENDS.match(line):
        condition = match[1].split("#")[0].strip()
        if entry:
            entry.depends.append(condition)
        elif around:
            around[-1].append(condition)
    elif entry and (match := _SELECT.match(line)):
        entry.selects.append(match[1])
    elif entry and _PROMPT.match(line):
        entry.prompt = True

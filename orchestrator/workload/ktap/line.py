# SPDX-License-Identifier: GPL-2.0-only
"""One line of a (K)TAP document: what a terminal would not show is taken out, and a description is split.

No expression here takes more than linear time, for a guest can write a line of any length.
"""

from __future__ import annotations

import re
from collections import deque

from orchestrator.workload.ktap.model import Directive

_UNSEEN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]?|\x00")
"""Control sequences such as colours (ECMA-48, 5.4), operating system commands, and NULs, which consoles insert."""

_DIRECTIVE = re.compile(
    r"(?:^|(?<=\s))#\s*(?P<word>skip(?:ped|ping)?|todo|xfail|xpass|timeout|error)(?![\w-]):?", re.ASCII | re.IGNORECASE
)
_DATA = re.compile(r"(?:^|(?<=\s))#(?=\s|$)")
_DASH = re.compile(r"^-(?:\s+|$)")
_ESCAPED = re.compile(r"\\([\\#])")


def clean_lines(line: str) -> list[str]:
    """What a terminal shows of `line`: more than one line where a carriage return stands inside, at least one."""
    return [_UNSEEN.sub("", part) for part in line.split("\r") if part] or [""]


def split_description(rest: str) -> tuple[str, Directive | None, str]:
    """Split what follows a result's number into name, directive and comment.

    A directive is the last hash sign with one of the known words; the name is all before it, hash signs included.
    Where there is none, the first hash sign between spaces begins diagnostic data, which is no part of the name
    (ktap.rst: ``ok 5 check return code # rcode=0``).  ``#17`` belongs to the name, as does an escaped hash sign.
    """
    last = next(iter(deque(_DIRECTIVE.finditer(rest), maxlen=1)), None)
    split = last or _DATA.search(rest)
    name, comment = (rest[: split.start()], rest[split.end() :].strip()) if split else (rest, "")
    name = _DASH.sub("", name.strip())
    return _ESCAPED.sub(r"\1", name), _directive(last["word"]) if last else None, comment


def split_skip(comment: str) -> str:
    """The reason in what follows the hash sign of a plan of no tests: ``SKIP no device``."""
    _, directive, reason = split_description(f"# {comment}")
    return reason if directive else comment.strip()


def _directive(word: str) -> Directive:
    return Directive.SKIP if word.upper().startswith("SKIP") else Directive(word.upper())

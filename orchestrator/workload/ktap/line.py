# SPDX-License-Identifier: GPL-2.0-only
"""Clean one line of a (K)TAP document of invisible characters, and split a description.

All regular expressions here take at most linear time, because a guest can write a line of any length.  Most begin with
a character, for which Python searches much faster than for a choice.
"""

from __future__ import annotations

import re
from collections import deque
from operator import itemgetter

from orchestrator.workload.ktap.model import Directive

_UNSEEN = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]?|\x00")
"""Control sequences such as colours (ECMA-48, 5.4), operating system commands, and NULs inserted by consoles."""

_DIRECTIVE = re.compile(
    r"#(?<!\S#)\s*(?P<name>skip(?:ped|ping)?|todo|xfail|xpass|timeout|error)(?![\w-]):?", re.ASCII | re.IGNORECASE
)
_DATA = re.compile(r"#(?<!\S#)(?!\S)")
_DASH = re.compile(r"^-(?:\s+|$)")
_ESCAPED = re.compile(r"\\([\\#])")


def clean_lines(line: str) -> list[str]:
    """Return the visible text of `line`.

    There are several lines if there is a carriage return inside, and at least one.
    """
    return [_visible(part) for part in line.split("\r") if part] or [""]


def _visible(text: str) -> str:
    return _UNSEEN.sub("", text) if "\x1b" in text or "\x00" in text else text


def split_description(rest: str) -> tuple[str, Directive | None, str]:
    """Split what follows a result's number into name, directive and comment.

    A directive is the last hash sign with one of the known words; the name is the whole text before it, including hash
    signs.  If there is none, the first hash sign between spaces starts diagnostic data, which is not a part of the name
    (ktap.rst: ``ok 5 check return code # rcode=0``).  ``#17`` is a part of the name, as is an escaped hash sign.
    """
    last = next(iter(deque(_DIRECTIVE.finditer(rest), maxlen=1)), None)
    split = last or _DATA.search(rest)
    name, comment = (rest[: split.start()], rest[split.end() :].strip()) if split else (rest, "")
    name = _DASH.sub("", name.strip())
    return _ESCAPED.sub(itemgetter(1), name), _directive(last["name"]) if last else None, comment


def split_skip(comment: str) -> str:
    """Return the reason in the comment of a plan without tests, such as ``SKIP no device``."""
    _, directive, reason = split_description(f"# {comment}")
    return reason if directive else comment.strip()


def _directive(keyword: str) -> Directive:
    return Directive.SKIP if keyword.upper().startswith("SKIP") else Directive(keyword.upper())

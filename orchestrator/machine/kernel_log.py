# SPDX-License-Identifier: GPL-2.0-only
"""Find the splats in the log of a whole boot.  Pure functions of text.

The log is written by a guest and can therefore have any size and content: it is read in linear time, and the amount of
data kept is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from orchestrator.machine.model import Splat
from orchestrator.machine.printk import TIMESTAMP
from orchestrator.machine.splat_kinds import kind_of, requests_trace

MOST_SPLATS = 200
"""Maximum number of splats with different titles that are kept for one log."""
OTHERS = "more kinds of splats"
"""The title of the entry for splats that were not kept."""

_TEXT = 400
"""Maximum number of characters of a message that are examined."""
_TITLE = 160
_REPORT = 400
"""Maximum number of kernel lines between a header and its call trace.  Lockdep writes many."""
_REQUESTED = 80
_WARN_MESSAGE = 4
"""Maximum number of kernel lines between "cut here" and the header that follows it (kernel/panic.c)."""
_TEXTS = ("refcount", "list corruption", "vmalloc", "usercopy", "stack")
"""The kinds that usually are the text of a WARN or a BUG.  Next to such a header, they are not separate splats."""
_SAME_OOPS = 12
"""Kernel lines between the headers of one oops, such as "BUG: unable to handle page fault" and "Oops: "."""

_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b.|[\x00-\x08\x0b-\x1f\x7f]")
_LEVEL = re.compile(r"<\d{1,3}>")
_TRACE = re.compile(r"Call [Tt]race:|stack backtrace:|---\[ end trace ")
_CUT = re.compile(r"-{4,16}\[ cut here \]-")
_FRAME = re.compile(r"\s*(?:\? )?([A-Za-z_][\w.]{0,80})\+0x")
_DUMPERS = re.compile(r"_{0,2}dump_stack|show_stack|dump_backtrace|_{0,2}show_regs")
_FRAMES = 8

_WARN = re.compile(r"WARNING: (?:CPU: \d+ PID: \d+ at )?(\S{1,120}?):\d+ (?:at )?([\w.]{1,120})\+0x")
_VARIES = (
    (re.compile(r", CPU#\d+: .*"), ""),
    (re.compile(r"\[#\d+\].*"), ""),
    (re.compile(r"\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)?"), ""),
    (re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?"), ""),
    (re.compile(r"\b(?:0x)?[0-9a-f]*[0-9][0-9a-f]{5,}\b|\b0x[0-9a-f]+|\(_{2,8}ptrval_{2,8}\)|\bpfn:\w+"), "X"),
    (re.compile(r"(?<![A-Za-z_])\d+"), "N"),
    (re.compile(r"\s+"), " "),
)


def find_splats(log: str, place: str) -> tuple[Splat, ...]:
    """Return the splats in `log`, each title once, in the order of their first appearance.

    `place` is the name of the log's file, for the evidence.
    """
    search = _Search(place)
    for number, message in messages(log):
        search.read(number, message)
    return search.found()


def merged(logs: Iterable[tuple[Splat, ...]]) -> tuple[Splat, ...]:
    """Merge the splats of several logs of one boot.

    If several splats have the same title, the first is kept.
    """
    kept: dict[str, Splat] = {}
    for splats in logs:
        for splat in splats:
            kept.setdefault(splat.title, splat)
    return tuple(kept.values())


def messages(log: str) -> Iterator[tuple[int, str]]:
    """Yield the kernel's messages, shortened and without timestamps, with their line numbers, from 1.

    With printk.time=1, every line has a timestamp except the earliest of a boot.  A line of the console can contain
    several messages, with output of a program before or between them.
    """
    early = True
    for number, line in enumerate(log.split("\n"), 1):
        stamps = [found.span() for found in TIMESTAMP.finditer(line)] if "[" in line else []
        early = early and not stamps
        if early:
            yield number, _plain(line[:_TEXT])
        for at, (_, begin) in enumerate(stamps):
            end = stamps[at + 1][0] if at + 1 < len(stamps) else len(line)
            yield number, _plain(line[begin : min(end, begin + _TEXT)])


def _plain(text: str) -> str:
    if not text.isprintable():
        text = _ESCAPE.sub("", text)
    level = _LEVEL.match(text)
    return text[level.end() if level else 0 :].rstrip()


@lru_cache(maxsize=1024)
def title_of(message: str) -> str:
    """Return the part of `message` that does not differ between boots.

    Addresses, line numbers, tasks, CPUs and times are left out.
    """
    found = _WARN.match(message)
    text = f"WARNING: {found[1]} at {found[2]}" if found else message
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return text.strip()[:_TITLE]


@dataclass
class _Search:
    """The splats found so far, and the position in the current report.

    All counts are kernel lines.
    """

    place: str
    splats: dict[str, Splat] = field(default_factory=dict)
    others: int = 0
    first_other: int = 0
    explained: int = 0
    warned: bool = False
    cut: tuple[int, int, str] = (0, 0, "")
    since_oops: int = _SAME_OOPS
    frames: int = 0
    trace: tuple[int, str] = (0, "")

    def read(self, number: int, message: str) -> None:
        """Process the next message."""
        self.explained -= self.explained > 0
        self.since_oops += 1
        if self.frames:
            self._read_frame(message)
        kind, warned, self.warned = kind_of(message), self.warned, False
        if _CUT.match(message):
            self._end_cut()
            self.cut = (_WARN_MESSAGE, number, message)
        elif self.cut[0]:
            self._read_after_cut(number, kind, message)
        elif kind and not (warned and kind in _TEXTS):
            self._header(number, kind, message)
        elif requests_trace(message):
            self.explained = max(self.explained, _REQUESTED)
        elif not self.explained and _TRACE.match(message):
            self.trace, self.frames, self.explained = (number, message), _FRAMES, _REPORT

    def found(self) -> tuple[Splat, ...]:
        """Return all splats, after the last message."""
        self._end_cut()
        self._end_trace("")
        more = Splat("more", OTHERS, OTHERS, f"{self.place}:{self.first_other}", self.others)
        return (*self.splats.values(), *((more,) if self.others else ()))

    def _read_after_cut(self, number: int, kind: str, message: str) -> None:
        """Process a message after "cut here".

        The text of a WARN comes first, which can look like a header, then the header.
        """
        left, cut_number, text = self.cut
        if kind and kind not in _TEXTS:
            self.cut = (0, 0, "")
            self._header(number, kind, message)
        elif left > 1:
            self.cut = (left - 1, cut_number, text if left < _WARN_MESSAGE else message)
        else:
            self._end_cut()

    def _end_cut(self) -> None:
        """Keep a report of which only the first line, and possibly the text, was written."""
        _, number, text = self.cut
        self.cut = (0, 0, "")
        if number:
            self._header(number, kind_of(text) or "WARNING", text)

    def _header(self, number: int, kind: str, message: str) -> None:
        self.explained, self.warned = _REPORT, kind == "WARNING"
        continued = kind == "Oops" and self.since_oops < _SAME_OOPS
        if kind in ("Oops", "BUG"):
            self.since_oops = 0
        if not continued:
            self._keep(number, kind, title_of(message), message)

    def _read_frame(self, message: str) -> None:
        """Find the function that printed a call trace without a header."""
        frame = _FRAME.match(message)
        self.frames -= 1
        if frame and not _DUMPERS.match(frame[1]):
            self._end_trace(f" at {frame[1]}")
        elif not self.frames:
            self._end_trace("")

    def _end_trace(self, where: str) -> None:
        number, message = self.trace
        self.trace, self.frames = (0, ""), 0
        if number:
            self._keep(number, "call trace", title_of(f"{message}{where}"), f"{message}{where}")

    def _keep(self, number: int, kind: str, title: str, text: str) -> None:
        known = self.splats.get(title)
        if known:
            self.splats[title] = replace(known, count=known.count + 1)
        elif len(self.splats) < MOST_SPLATS:
            self.splats[title] = Splat(kind, title, text.strip(), f"{self.place}:{number}")
        else:
            self.others += 1
            self.first_other = self.first_other or number

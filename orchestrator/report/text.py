# SPDX-License-Identifier: GPL-2.0-only
"""Text and numbers for reports: without control characters of a console, and short."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from orchestrator.result.store.bounds import cut

LONGEST_TEXT = 4000
"""Characters of a text that a report shows at most: the message of a case has at most half of it."""
LONGEST_VALUE = 20_000
"""Characters of a text in JSON at most, which a program reads."""
LONGEST_PATH = 4096
"""PATH_MAX of Linux (include/uapi/linux/limits.h): no path is cut."""

# Characters that a terminal or an XML parser acts on, or that hide or reorder the text around them: control characters,
# bidirectional controls (Unicode, UAX 9), characters without width, separators of lines, tags, bytes that were not
# UTF-8 (lone surrogates, PEP 383), and what is not a character (https://www.w3.org/TR/xml/#charsets).
_ACTING = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f"
) + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
_IN_LINES = re.compile(f"[{_ACTING}]")
_IN_A_LINE = re.compile(f"[\t\n{_ACTING}]")
_OWN_COLOUR = re.compile("(\x1b\\[(?:0|1|31|32)m)")
_COLOURS = {"red": "31", "green": "32", "bold": "1"}
_DURATIONS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def clean(text: str) -> str:
    """Return `text` with every unsafe character shown by its number, such as \\x1b.

    Unsafe are characters that could act, or that hide or reorder the text around them.  Tabs, newlines and all other
    printable characters are kept.
    """
    return _IN_LINES.sub(_number, text.replace("\r\n", "\n"))


def in_a_line(text: str) -> str:
    """Return the start of `text` as `clean` does, on one line.

    Tabs and newlines are shown by their numbers, too.  It is for names, which must not look like several lines.
    """
    return _IN_A_LINE.sub(_number, cut(text, LONGEST_TEXT))


def _number(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """Return the start of `text`, cleaned, with one space for each run of white space."""
    return " ".join(clean(cut(text, LONGEST_TEXT)).split())


def fit(text: str, width: int) -> str:
    """Return `text` as one line of at most `width` characters.

    "..." replaces what does not fit.
    """
    shown = in_a_line(text[: max(0, width) + 1])
    return shown if len(shown) <= width else shown[: max(0, width - 3)] + "..."[: max(0, width)]


def path_text(path: str | Path) -> str:
    """Return a path as text, without cutting it."""
    return fit(str(path), LONGEST_PATH)


def say(*lines: str, file: TextIO | None = None, end: str = "\n", color: bool = False) -> None:
    """Print `lines`, to stdout unless `file` is given.

    Nothing in them acts on a terminal, except orch's own colours if `color` is set.
    """
    for line in lines:
        parts = _OWN_COLOUR.split(line) if color else [line]
        shown = (part if at % 2 else clean(part) for at, part in enumerate(parts))
        print("".join(shown), file=file, end=end, flush=True)


def bounded(value: object) -> object:
    """Return a value of JSON with its texts and keys cut.

    Each has at most `LONGEST_VALUE` characters.
    """
    if isinstance(value, str):
        return cut(value, LONGEST_VALUE)
    if isinstance(value, Mapping):
        return {cut(str(key), LONGEST_VALUE): bounded(item) for key, item in value.items()}
    return [bounded(item) for item in value] if isinstance(value, list | tuple) else value


def say_json(value: object) -> None:
    """Print `value` as JSON, in ASCII, and without DEL, which `json` does not escape."""
    print(json.dumps(bounded(value), indent=2).replace("\x7f", "\\u007f"))


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return `text` as lines of at most `width` characters.

    The first line begins with `first`, the others begin with `rest`.
    """
    lines = textwrap.wrap(one_line(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return lines or [first]


def paint(text: str, colour: str, on: bool) -> str:
    """Return `text` in a terminal's `colour` ("red", "green", "bold", or "" for none), if `on`."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on and colour else text


def format_ns(nanoseconds: int) -> str:
    """Return a duration with three significant digits, such as "3.35 s" or "7.52 ms"."""
    size, unit = next(((size, unit) for size, unit in _DURATIONS if nanoseconds >= size), _DURATIONS[-1])
    value = nanoseconds / size
    digits = 0 if value >= 100 or unit == "ns" else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def format_ratio(value: int, base: int) -> str:
    """Return `value` as a multiple of `base`, such as "0.98" or "12".

    Less than a tenth is "1/446"; "-" is used if one of them is not positive.
    """
    if value <= 0 or base <= 0:
        return "-"
    ratio = value / base
    if ratio < 0.1:
        return f"1/{base / value:.0f}"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"

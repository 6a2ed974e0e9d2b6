# SPDX-License-Identifier: GPL-2.0-only
"""Words and numbers as reports show them: clean of what a console left in them, and as short as they can be."""

from __future__ import annotations

import re
import textwrap

_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/]*[0-~])")
_NO_XML_CHARACTER = re.compile("[^\t\n\r -\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
# What changes how the text around it is shown: bidirectional controls (Unicode, UAX 9), characters without width, line
# and paragraph separators, and a byte that was no UTF-8 (a lone surrogate, PEP 383).
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_COLOURS = {"red": "31", "green": "32", "bold": "1"}
_DURATIONS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def clean(text: str) -> str:
    """`text` without terminal escape sequences and without the characters that XML and terminals choke on.

    Tabs, newlines and all that is printable stay.  What could hide or reorder text is shown by its number.
    """
    seen = _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", _ESCAPE_SEQUENCE.sub("", text))
    return _NO_XML_CHARACTER.sub("", seen)


def one_line(text: str) -> str:
    """`text`, cleaned, with every run of white space as one space."""
    return " ".join(clean(text).split())


def fit(text: str, width: int) -> str:
    """`text` in at most `width` characters, with "..." for what does not fit."""
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."[:width]


def wrap(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """`text` as lines of at most `width` characters, the first behind `first`, the others behind `rest`."""
    lines = textwrap.wrap(one_line(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return lines or [first]


def paint(text: str, colour: str, on: bool) -> str:
    """`text` in a terminal's `colour` ("red", "green", "bold", or "" for none), if `on`."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on and colour else text


def format_ns(nanoseconds: int) -> str:
    """A duration with three significant digits, such as "3.35 s" or "7.52 ms"."""
    size, unit = next((one for one in _DURATIONS if nanoseconds >= one[0]), _DURATIONS[-1])
    value = nanoseconds / size
    digits = 0 if value >= 100 or unit == "ns" else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def format_ratio(value: int, base: int) -> str:
    """`value` as a multiple of `base`: "0.98", "12", or "1/446" for less than a tenth; "-" where there is none."""
    if value <= 0 or base <= 0:
        return "-"
    ratio = value / base
    if ratio < 0.1:
        return f"1/{base / value:.0f}"
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"

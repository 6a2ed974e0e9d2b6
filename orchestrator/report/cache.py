# SPDX-License-Identifier: GPL-2.0-only
"""The cache, as a list for users and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from orchestrator.kernel.cache.entries import Entry, EntryKind
from orchestrator.kernel.cache.verify import Findings
from orchestrator.report.table import Cell, Column, lay_out
from orchestrator.report.text import fit, one_line, paint

_TITLES = {
    EntryKind.SOURCE: "sources",
    EntryKind.TREE: "built trees, from which the next builds start",
    EntryKind.BUILD: "builds",
    EntryKind.RECIPES: "recipes",
    EntryKind.SELFTESTS: "selftests",
    EntryKind.WORKLOAD: "workloads",
    EntryKind.ROOT: "guest roots",
    EntryKind.PROGRAMS: "programs for guests of other architectures",
    EntryKind.PACKAGES: "packages of VMMs, unpacked",
    EntryKind.IMAGE: "kernels that others built, as they were fetched",
    EntryKind.PATCHES: "patches",
    EntryKind.GIT: "git stores",
    EntryKind.APT: "Debian package lists and archives",
    EntryKind.CCACHE: "ccache",
    EntryKind.LOG: "logs of builds that failed",
    EntryKind.LEFT: "under way, or left behind: gc removes the latter first",
    EntryKind.OTHER: "other: gc does not touch it",
}
_KEYED = (EntryKind.SOURCE, EntryKind.TREE, EntryKind.BUILD, EntryKind.SELFTESTS, EntryKind.WORKLOAD, EntryKind.ROOT)
_OTHER_COLUMNS = 38
"""Characters of all columns of the list but the first."""
_AGES = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"))


def size_text(size: int) -> str:
    """Return `size`, in bytes, in a suitable unit: "1.8 GiB", "12.4 MiB", "3 KiB"."""
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.1f} {unit}"
    return f"{-(-size // 1024)} KiB"


def age_text(seconds: float) -> str:
    """Return an age in its largest unit: "3 d", "5 h", "12 min", "now"."""
    length, unit = next(((length, unit) for length, unit in _AGES if seconds >= length), (0, "now"))
    return f"{int(seconds // length)} {unit}" if length else unit


def list_lines(entries: tuple[Entry, ...], root: Path, now: float, width: int, color: bool) -> Iterator[str]:
    """Yield the lines of `orch cache ls`: a block per kind, the last used first.

    `now` is in seconds since 1970.
    """
    body = [_row(entry, now) for entry in entries]
    columns = (
        Column("", tuple(Cell(f"  {fit(row[0], width - _OTHER_COLUMNS)}") for row in body), left=True),
        Column("key", tuple(Cell(row[1]) for row in body), left=True),
        Column("size", tuple(Cell(row[2]) for row in body)),
        Column("last used", tuple(Cell(row[3]) for row in body), short="used"),
    )
    table = lay_out(columns, width, color)
    rows = zip(entries, table.rows, strict=True)
    yield from table.header if entries else ()
    for kind, group in groupby(rows, key=lambda pair: pair[0].kind):
        members = list(group)
        total = sum(entry.size for entry, _ in members)
        count = f"{len(members)}, " if len(members) > 1 else ""
        yield paint(f"{_TITLES[kind]}: {count}{size_text(total)}", "bold", color)
        yield from (row for _, row in members)
    yield f"{size_text(sum(entry.size for entry in entries))} in {root}"


def _row(entry: Entry, now: float) -> tuple[str, str, str, str]:
    key = entry.place.name[:12] if entry.kind in _KEYED else ""
    return one_line(entry.what), key, size_text(entry.size), age_text(now - entry.used)


def to_json(entries: Iterable[Entry], root: Path) -> dict[str, object]:
    """Return the same for programs: sizes in bytes, times in UTC."""
    listed = [
        {
            "kind": entry.kind.value,
            "path": str(entry.place),
            "what": entry.what,
            "bytes": entry.size,
            "used": datetime.fromtimestamp(entry.used, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for entry in entries
    ]
    return {"cache": str(root), "bytes": sum(entry.size for entry in entries), "entries": listed}


def removal_lines(entries: Iterable[Entry], now: float, width: int) -> Iterator[str]:
    """Yield a line for each of `entries`, which are to be removed or were removed."""
    rows = [(f"{entry.kind.value}: {one_line(entry.what)}", *_row(entry, now)[2:]) for entry in entries]
    columns = (
        Column("", tuple(Cell(f"  {row[0]}") for row in rows), left=True),
        Column("", tuple(Cell(row[1]) for row in rows)),
        Column("", tuple(Cell(row[2]) for row in rows)),
    )
    yield from lay_out(columns, width, color=False).rows if rows else ()


def findings_lines(found: Findings, root: Path) -> Iterator[str]:
    """Yield the lines of `orch cache verify`: one for each broken entry, and the counts."""
    for broken in found.broken:
        yield f"{_short(broken.place.relative_to(root))}: {broken.what}"
    counts = f"{found.whole} entries are whole, {len(found.broken)} broken"
    yield counts + (f", {found.unrecorded} not recorded (made by an earlier orch)" if found.unrecorded else "")


def _short(place: Path) -> str:
    """Return a path with a short last part, if that is a key.

    A key has 32 or 64 digits and is cut to 12.
    """
    return str(place.with_name(place.name[:12])) if len(place.name) >= 32 else str(place)

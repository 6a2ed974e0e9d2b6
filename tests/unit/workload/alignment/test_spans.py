# SPDX-License-Identifier: GPL-2.0-only
"""Where the entries of a mapping are, from their number and the address."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scenario.model import Capability, Level
from orchestrator.workload.alignment.entries import Entries
from orchestrator.workload.alignment.infer import WAYS
from orchestrator.workload.alignment.prediction import Extent, predict
from orchestrator.workload.alignment.spans import Span, counted, spans, stage2_spans
from orchestrator.workload.alignment.stage2 import predict_stage2

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
HIGH = 127 << 40
BAR = 4 * GIB

PTE, PMD, PUD = Level.PTE, Level.PMD, Level.PUD


@pytest.mark.parametrize(
    ("extent", "entries", "expected"),
    [
        (Extent(HIGH, BAR, 0, 2 * GIB), Entries(0, 0, 2), [(0, 2 * GIB, PUD)]),
        (Extent(HIGH, BAR, 0, 2 * GIB), Entries(0, 1024, 0), [(0, 2 * GIB, PMD)]),
        (Extent(HIGH, BAR, 0, 2 * GIB), Entries(524288, 0, 0), [(0, 2 * GIB, PTE)]),
        (Extent(HIGH + 2 * MIB, BAR, 0, 2 * GIB), Entries(0, 1024, 0), [(0, 2 * GIB, PMD)]),
        (Extent(HIGH + 4 * KIB, BAR, 0, 2 * GIB), Entries(524288, 0, 0), [(0, 2 * GIB, PTE)]),
        # From 512 MiB on: PMD entries up to the first multiple of 1 GiB, and behind the last one.
        (
            Extent(HIGH + 512 * MIB, BAR, 512 * MIB, 2 * GIB),
            Entries(0, 512, 1),
            [(0, 512 * MIB, PMD), (512 * MIB, GIB, PUD), (1536 * MIB, 512 * MIB, PMD)],
        ),
        # From the second page on, as behind an MSI-X table in the first.
        (
            Extent(HIGH + 4 * KIB, BAR, 4 * KIB, GIB + 2 * MIB - 4 * KIB),
            Entries(511, 512, 0),
            [(0, 2 * MIB - 4 * KIB, PTE), (2 * MIB - 4 * KIB, GIB, PMD)],
        ),
        # A part of a page has a whole entry.
        (Extent(HIGH, BAR, 0, 100), Entries(1, 0, 0), [(0, 4 * KIB, PTE)]),
        # No kernel maps 2 GiB so.
        (Extent(HIGH, BAR, 0, 2 * GIB), Entries(512, 511, 1), []),
        (Extent(HIGH, BAR, 0, 2 * GIB), Entries(0, 0, 0), []),
    ],
)
def test_where_the_entries_are(extent: Extent, entries: Entries, expected: list[tuple[int, int, Level]]) -> None:
    assert list(spans(extent, entries)) == [Span(*one) for one in expected]


PAGES = st.integers(0, 1 << 20).map(lambda page: page * 4 * KIB)
ADDRESSES = st.sampled_from([HIGH, HIGH + 4 * KIB, HIGH + 2 * MIB, HIGH + 512 * MIB]) | PAGES.map(lambda at: HIGH + at)
GUESTS = st.sampled_from([0, 4 * KIB, 2 * MIB, GIB]) | PAGES


@given(ADDRESSES, st.sampled_from([BAR, 10 * MIB]), PAGES, st.integers(1, 3 * GIB), st.sampled_from(WAYS), GUESTS)
def test_they_are_as_many_as_the_oracle_predicts_and_cover_the_range(
    address: int, bar: int, offset: int, length: int, can: Capability, distance: int
) -> None:
    extent = Extent(address + offset, bar, offset, length)
    entries = predict(extent, can).entries
    found = spans(extent, entries)
    assert counted(found) == entries
    assert found[0].start == 0
    assert all(one.start + one.length == other.start for one, other in pairwise(found))
    assert length <= found[-1].start + found[-1].length < length + 4 * KIB
    guest = predict_stage2(extent, extent.address + distance, can)
    assert counted(stage2_spans(found, distance, guest)) == guest


@pytest.mark.parametrize(
    ("distance", "entries", "levels"),
    [
        (GIB, Entries(0, 0, 2), [PUD]),
        (2 * MIB, Entries(0, 1024, 0), [PMD]),
        (4 * KIB, Entries(524288, 0, 0), [PTE]),
        (2 * MIB, Entries(0, 0, 2), []),
        (GIB, Entries(0, 1024, 0), []),
    ],
)
def test_stage_2_follows_from_the_process_and_the_distance(
    distance: int, entries: Entries, levels: list[Level]
) -> None:
    process = (Span(0, 2 * GIB, PUD),)
    assert [span.level for span in stage2_spans(process, distance, entries)] == levels


def test_parts_that_get_one_level_become_one() -> None:
    process = (Span(0, 2 * MIB, PMD), Span(2 * MIB, GIB, PUD))
    assert stage2_spans(process, 2 * MIB, Entries(0, 513, 0)) == (Span(0, GIB + 2 * MIB, PMD),)

# SPDX-License-Identifier: GPL-2.0-only
"""Sizes and durations."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.yamlfile.units import DURATION_PATTERN, SIZE_PATTERN, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("4K", 4096),
        ("4k", 4096),
        ("4KiB", 4096),
        ("256M", 256 << 20),
        ("2G", 2 << 30),
        ("2GiB", 2 << 30),
        ("2 GiB", 2 << 30),
        ("1T", 1 << 40),
        ("1.5G", 3 << 29),
        ("0.5K", 512),
        ("0x1000", 4096),
        ("0XfF", 255),
        ("007", 7),
    ],
)
def test_a_size_is_binary(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", "big", "G", "-1", "+1", "1KB", "1GB", "1e3", "1.5", "1.0001K", "4 096", "4K ", " 4K", "4\n"),
        *("0x", "0x1K", "٤K", "1,5G", "1..5G", "1.G", "1P", "999999999999999999999"),
    ],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (4097, "4097 B"),
        (4096, "4 KiB"),
        (2 << 20, "2 MiB"),
        (1 << 30, "1 GiB"),
        (3 << 29, "1536 MiB"),
        (1 << 41, "2 TiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_unit_that_needs_no_fraction(size: int, text: str) -> None:
    assert format_size(size) == text


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_size(-1)


@given(st.integers(0, 1 << 64) | st.builds(lambda n, shift: n << shift, st.integers(0, 5000), st.integers(0, 45)))
def test_what_format_size_writes_parse_size_reads(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text(alphabet="0123456789.xXabKMGTkmgtiB -", max_size=12))
def test_parse_size_takes_nothing_that_its_pattern_does_not(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except ValueError:
        return
    assert re.fullmatch(SIZE_PATTERN, text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("90 s", 90.0), ("5m", 300.0), ("1h", 3600.0), ("0.5h", 1800.0), ("1.5", 1.5)],
)
def test_a_duration_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1d", "1H", "1 min", "1:30", "inf", "nan", "1e3", "5m ", "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.text(alphabet="0123456789.smh ", max_size=8))
def test_parse_duration_takes_nothing_that_its_pattern_does_not(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except ValueError:
        return
    assert re.fullmatch(DURATION_PATTERN, text)

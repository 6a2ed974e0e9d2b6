# SPDX-License-Identifier: GPL-2.0-only
"""The parts of messages."""

from __future__ import annotations

import pytest

from orchestrator.yamlfile.messages import listed


@pytest.mark.parametrize(
    ("names", "text"), [((), ""), (("a",), "a"), (("a", "b"), "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: tuple[str, ...], text: str) -> None:
    assert listed(names) == text
    assert listed(iter(names)) == text

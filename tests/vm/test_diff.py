# SPDX-License-Identifier: GPL-2.0-only
"""Real runs of three kernels and two ranges, compared with each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vm.conftest import Finished, orch, scenario_text

BASE = scenario_text("").replace("qemu: {level: PMD}", "qemu: {level: PMD}\n      kernel: {level: PTE}")
PATCHED = scenario_text("").replace("config: [guest, vfio]", "config: [guest, vfio]\n    patches: vfio-size")
SHORT = scenario_text("", length="32M")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """One boot of the base, one of a patched kernel with its name, and one of the base with a shorter range."""
    place = tmp_path_factory.mktemp("diff")
    found = {}
    for name, text in {"base": BASE, "again": BASE, "patched": PATCHED, "short": SHORT}.items():
        (place / f"{name}.yaml").write_text(text)
        found[name] = orch(place / name, "run", str(place / f"{name}.yaml"))
        assert found[name].status == 0, found[name].err
    return found


def diff(first: Finished, second: Finished, *more: str) -> Finished:
    """Run ``orch diff``."""
    return orch(Path("results"), "diff", str(first.run), str(second.run), *more)


def test_the_same_kernel_twice_does_not_differ(runs: dict[str, Finished]) -> None:
    done = diff(runs["base"], runs["again"])
    assert done.status == 0, done.err
    assert "base: the same build\n  no difference in " in done.out
    assert "Not the same" not in done.out
    assert "Not compared" not in done.out


def test_a_patch_is_a_fix_in_one_direction_and_a_regression_in_the_other(runs: dict[str, Finished]) -> None:
    better, worse = diff(runs["base"], runs["patched"], "--json"), diff(runs["patched"], runs["base"])
    assert (better.status, worse.status) == (0, 1), better.err + worse.err
    found: dict[str, Any] = json.loads(better.out)
    differences = found["pairs"][0]["differences"]
    assert {each["check"]: (each["base"], each["variant"]) for each in differences}["faults"] == ("16384", "32")
    assert {(each["test"], each["change"]) for each in differences} == {("kernel", "fix")}
    assert found["pairs"][0]["same_build"] is False
    assert "regression" in worse.out
    here = str(runs["base"].results.parent)  # a path is never cut
    assert max(map(len, (line for line in worse.out.splitlines() if here not in line))) <= 80


def test_another_length_is_not_compared(runs: dict[str, Finished]) -> None:
    done = diff(runs["base"], runs["short"])
    assert done.status == 2
    assert "workload alignment: length 67108864 in the first, 33554432 in the second" in done.err

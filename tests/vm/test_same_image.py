# SPDX-License-Identifier: GPL-2.0-only
"""A variant made in a clone of the base's tree is, bit by bit, the kernel that a full build makes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.cli import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build import Builder
from orchestrator.kernel.cache import KernelCache
from orchestrator.kernel.recipe import recipes
from orchestrator.scenario.load import load
from tests.vm.conftest import SCENARIO, Finished


@pytest.mark.parametrize("kernel", ["no-huge"])
def test_a_clone_and_a_full_build_give_the_same_image(pud: Finished, host: LocalHost, kernel: str) -> None:
    assert pud.status == 0, pud.err
    recipe = next(r for r in recipes(host, cache_directory(), load(SCENARIO).kernels, ignore) if r.name == kernel)
    # A cache of its own has no tree to start from, so this is a full build; it is kept, for the next test run.
    apart = KernelCache(cache_directory() / "full-builds")
    full = Builder(host, apart, os.cpu_count() or 1, ignore).build(recipe)
    made = pud.build(kernel)
    assert full.key == made.key
    assert full.objects > 500 > made.objects
    assert Path(full.image).read_bytes() == Path(made.image).read_bytes()

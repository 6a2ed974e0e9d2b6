# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel whose Makefile writes to the sources, as root.

The next kernel is built from its own sources.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import verify
from tests.vm.conftest import PATCHES, Finished, orch, scenario_text

MARK = b"a stranger was here"
KERNELS = f"""\
  stranger: {{extends: base, patches: {PATCHES}/stranger.patch}}
  innocent: {{extends: base, patches: {PATCHES}/innocent.patch}}
"""


@pytest.fixture(scope="module")
def finished(pud: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    assert pud.status == 0, pud.err
    place = tmp_path_factory.mktemp("shared")
    (place / "shared.yaml").write_text(scenario_text(KERNELS))
    # One core: the innocent kernel is built after the stranger's.
    return orch(place / "results", "run", str(place / "shared.yaml"), "--jobs", "1")


def test_the_strangers_code_is_in_its_own_kernel(finished: Finished) -> None:
    assert finished.status == 0, finished.out + finished.err
    assert MARK in finished.build("stranger").image.read_bytes(), "the test plants what it looks for"


@pytest.mark.parametrize("kernel", ["innocent", "base"])
def test_it_is_in_no_other(finished: Finished, kernel: str) -> None:
    assert MARK not in finished.build(kernel).image.read_bytes()


def test_no_source_has_it(finished: Finished) -> None:
    assert finished.status == 0
    trees = [*cache_directory().glob("sources/*"), *cache_directory().glob("trees/*/tree")]
    files = [tree / "drivers/vfio/vfio_main.c" for tree in trees]
    assert files
    assert not [file for file in files if file.exists() and MARK in file.read_bytes()]


def test_the_cache_is_whole_and_the_run_says_what_the_build_did(finished: Finished) -> None:
    broken = [str(one.place) for one in verify(KernelCache(cache_directory())).broken]
    key = finished.build("stranger").key
    assert not [place for place in broken if Path(place).name == key or "sources" in place]
    if not finished.record["kernels"]["stranger"]["cached"]:
        assert "its build wrote to its own sources (drivers/vfio/vfio_main.c)" in finished.err

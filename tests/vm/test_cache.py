# SPDX-License-Identifier: GPL-2.0-only
"""The cache with a real kernel: killed during make, used by two, damaged, emptied.

The tests follow one another in one cache, which begins with links to the base of the user's own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.lock import holders
from orchestrator.kernel.cache.store import KernelCache
from tests.vm.conftest import ORCH, REPOSITORY, Finished, orch, scenario_text

VARIANT = "  variant: {extends: base, patches: vfio-thp, expect: {}}\n"
STARTED: list[subprocess.Popen[str]] = []
COPIED = ("apt", "guest-root", "workloads", "accelerators")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Linux 7.3 as it is, and with a patch of one file."""
    path = tmp_path_factory.mktemp("cache") / "cache.yaml"
    path.write_text(scenario_text(VARIANT))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelCache]:
    """A cache with the base of the user's own, and nothing of the variant.

    Both are on the same disk.
    """
    home = tmp_path_factory.mktemp("base")
    (home / "base.yaml").write_text(scenario_text(""))
    done = orch(home / "results", "run", str(home / "base.yaml"))
    assert done.status == 0, done.err
    facts = json.loads((done.run / "kernels/base/provenance.json").read_text())
    users, own = cache_directory(), cache_directory().with_name(f"orch-test-{os.getpid()}")
    for name in COPIED:
        copy("-a", users / name, own)
    copy("-al", users / "sources" / facts["source"]["sha256"][:32], own / "sources")
    copy("-al", tree_of(users, facts), own / "trees")
    copy("-a", users / "builds" / facts["key"], own / "builds")
    for pointer in (users / "recipes").iterdir():
        if pointer.read_text().strip() == facts["key"]:
            copy("-a", pointer, own / "recipes")
    yield KernelCache(own)
    for process in STARTED:
        process.kill()
        process.wait()
    shutil.rmtree(own)


def copy(how: str, origin: Path, directory: Path) -> None:
    """Copy `origin` into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(("cp", how, str(origin), str(directory)), check=True)


def tree_of(users: Path, facts: dict[str, Any]) -> Path:
    """The built tree of the base, or another one of the same source."""
    own = users / "trees" / str(facts["key"])
    others = (
        place for place in (users / "trees").iterdir() if facts["source"]["sha256"] in (place / "tree.json").read_text()
    )
    return own if own.exists() else next(others)


def start(cache: KernelCache, scenario: Path, results: Path) -> subprocess.Popen[str]:
    """A run of the scenario in that cache."""
    argv = [ORCH, "run", str(scenario), "--cache", str(cache.root), "--results", str(results)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    STARTED.append(process)
    return process


def finish(process: subprocess.Popen[str], results: Path) -> Finished:
    """Wait for its end."""
    out, err = process.communicate(timeout=600)
    return Finished(process.returncode, out, err, results)


def on_cache(cache: KernelCache, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``orch cache``."""
    argv = [ORCH, "cache", *arguments, "--cache", str(cache.root)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def builds(cache: KernelCache) -> set[str]:
    """The keys of all builds."""
    return {place.name for place in cache.builds.iterdir()}


def test_a_run_killed_in_the_middle_of_make_leaves_no_build(cache: KernelCache, scenario: Path, tmp_path: Path) -> None:
    before = builds(cache)
    process = start(cache, scenario, tmp_path)
    deadline = monotonic() + 600
    while not [*cache.root.glob("work/*/build.log")]:
        assert process.poll() is None, process.communicate()
        assert monotonic() < deadline
        sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert finish(process, tmp_path).status == -signal.SIGKILL
    assert builds(cache) == before
    assert [*cache.root.glob("work/*/tree/Makefile")]
    verified = on_cache(cache, "verify")
    assert verified.returncode == 0, verified.stdout
    assert "left behind" in on_cache(cache, "gc", "--dry-run").stdout


def test_two_that_start_at_once_build_it_once_and_both_succeed(
    cache: KernelCache, scenario: Path, tmp_path: Path
) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    processes = [start(cache, scenario, place) for place in places]
    deadline = monotonic() + 120
    while set(holders(cache.users)) != {process.pid for process in processes}:
        assert [process.poll() for process in processes] == [None, None]
        assert monotonic() < deadline
        sleep(0.02)
    refused = on_cache(cache, "gc", "--keep", "0")
    assert refused.returncode == 3
    assert "in use by another orch" in refused.stderr
    both = [finish(process, place) for process, place in zip(processes, places, strict=True)]
    assert [one.status for one in both] == [0, 0], both
    assert sorted(one.record["kernels"]["variant"]["cached"] for one in both) == [False, True]
    assert all(one.record["kernels"]["base"]["cached"] for one in both)
    assert len({one.record["kernels"]["variant"]["build"] for one in both}) == 1
    assert not [*(cache.root / "work").iterdir()]
    assert on_cache(cache, "verify").returncode == 0


@pytest.mark.parametrize("damage", ["cut", "one byte"])
def test_a_damaged_image_is_built_again_and_never_booted(
    cache: KernelCache, scenario: Path, tmp_path: Path, damage: str
) -> None:
    (key,) = (place.name for place in cache.builds.iterdir() if "vfio" in (place / "provenance.json").read_text())
    image = cache.builds / key / "vmlinux"
    whole = image.read_bytes()
    image.write_bytes(whole[:-4096] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    verified = on_cache(cache, "verify")
    assert verified.returncode == 3
    assert f"builds/{key[:12]}: " in verified.stdout
    done = finish(start(cache, scenario, tmp_path), tmp_path)
    assert done.status == 0, done.err
    assert done.record["kernels"]["variant"]["cached"] is False
    assert done.record["kernels"]["variant"]["build"] == key
    assert image.read_bytes() == whole
    assert on_cache(cache, "verify").returncode == 0


BROKEN_BASE = """\
name: broken-base
description: The base does not compile, and each variant mends it.
workloads:
  nothing: {command: "true", timeout: 60s}
kernels:
  base: {source: {tree: linux}, options: {MMU: y}}
  one: {extends: base, patches: one.patch}
  two: {extends: base, patches: two.patch}
  three: {extends: base, patches: three.patch}
"""
FIX = """\
diff --git a/mm/mmap.c b/mm/mmap.c
--- a/mm/mmap.c
+++ b/mm/mmap.c
@@ -4,3 +4,3 @@
 {
-BROKEN
+\treturn %s(entry);
 }
"""


def test_variants_of_a_base_that_does_not_build_start_from_nothing(cache: KernelCache, tmp_path: Path) -> None:
    """None has objects of another's patch."""
    shutil.copytree(REPOSITORY / "tests/unit/data/toy-kernel", tmp_path / "linux")
    file = tmp_path / "linux/mm/mmap.c"
    file.write_text(file.read_text().replace("\treturn special(entry);", "BROKEN"))
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.patch").write_text(FIX % name)
    (tmp_path / "broken-base.yaml").write_text(BROKEN_BASE)
    own = KernelCache(tmp_path / "cache")  # where no tree of a real kernel is
    for name in COPIED:
        copy("-a", cache.root / name, own.root)
    done = finish(start(own, tmp_path / "broken-base.yaml", tmp_path / "results"), tmp_path / "results")
    assert done.status == 1, done.err
    cloned = [
        line.partition(": ")[2] for line in done.err.splitlines() if "clone done" in line and " base: " not in line
    ]
    assert ["pristine" in line for line in cloned] == [True, True, True], done.err
    assert sorted(done.record["kernels"][name]["objects"] for name in ("one", "two", "three")) == [2, 2, 2]
    statuses = {job["kernel"]: job["status"] for job in done.record["jobs"] if job["kind"] == "boot"}
    assert statuses == {"base": "skipped"} | dict.fromkeys(("one", "two", "three"), "failed"), "no machine boots a toy"


def test_emptying_one_cache_leaves_what_it_shares_with_another(cache: KernelCache) -> None:
    source = next((cache.root / "sources").glob("*/Makefile"))
    other = cache_directory() / source.relative_to(cache.root)
    assert source.samefile(other)
    done = on_cache(cache, "gc", "--keep", "0")
    assert done.returncode == 0, done.stderr
    assert not builds(cache)
    assert not source.exists()
    assert other.read_text().startswith("# SPDX")
    assert max(map(len, done.stdout.splitlines())) <= 80

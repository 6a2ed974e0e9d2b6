# SPDX-License-Identifier: GPL-2.0-only
"""Measure what the README claims of time, in one run on this machine, and print it: ``make bench``.

Builds: from an empty cache (the package is downloaded, too), the base alone and then the four variants of
scenarios/pud.yaml.  Boots: a warm ``orch run``, and then the very same virtme-ng commands one after another.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from orchestrator.cli import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build import Builder
from orchestrator.kernel.cache import KernelCache
from orchestrator.kernel.recipe import recipes
from orchestrator.scenario.load import load

SCENARIO = Path("scenarios/pud.yaml")
BUILD_LIMIT, BOOT_LIMIT = 1.25, 0.7
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def report(what: str, seconds: float) -> None:
    """One measured duration."""
    print(f"{what:<58} {seconds:8.1f} s", flush=True)


def verdict(what: str, ratio: float, limit: float) -> None:
    """One measured ratio, and whether it keeps to its limit."""
    print(f"{what:<58} {ratio:8.2f}    at most {limit}: {'met' if ratio <= limit else 'MISSED'}", flush=True)


def bench_builds(cache: Path) -> None:
    """Build all kernels of the scenario in an empty cache, the base first and alone."""
    host, cpus = LocalHost(), os.cpu_count() or 1
    begun = monotonic()
    base, *variants = recipes(host, cache, load(SCENARIO).kernels, ignore)
    report("source: download, verify, unpack", monotonic() - begun)
    fetched = monotonic()
    builder = Builder(host, KernelCache(cache), cpus, ignore)
    built = builder.build(base)
    alone = monotonic()
    report(f"base build ({built.objects} objects)", alone - fetched)
    with ThreadPoolExecutor(cpus) as pool:
        for one in pool.map(builder.build, variants):
            report(f"  {one.name} ({one.objects} objects)", one.seconds)
    done = monotonic()
    report("all five builds", done - fetched)
    verdict("five builds / base build", (done - fetched) / (alone - fetched), BUILD_LIMIT)
    verdict("the same with the source fetched", (done - begun) / (alone - begun), BUILD_LIMIT)


def bench_workload(measurements: Path) -> None:
    """What part of the workload's own time on the base went into the touches and DMA maps that it counts."""
    times = dict.fromkeys(("touch_time", "dma_time", "test_time"), 0)
    for line in measurements.read_text().splitlines():
        one = json.loads(line)
        if one["name"] in times:
            times[one["name"]] += one["value"]
    report("the workload on base", times["test_time"] / 1e9)
    counted = times["touch_time"] + times["dma_time"]
    share = 100 * counted / times["test_time"]
    print(f"{'  of it counted: first touches and DMA maps':<58} {share:8.0f} %", flush=True)


def bench_boots(results: Path) -> None:
    """A warm run against its own virtme-ng commands, one after another."""
    argv = [str(Path(sys.executable).parent / "orch"), "run", str(SCENARIO), "--results", str(results)]
    for _ in ("fill the cache", "measure"):
        begun = monotonic()
        subprocess.run(argv, check=True, **QUIET)
        warm = monotonic() - begun
    report("warm orch run", warm)
    bench_workload(results / "latest/boots/base/alignment/guest/measurements.jsonl")
    scripts = sorted((results / "latest").resolve().glob("boots/*/*/command.sh"))
    statuses = [script.parent / "guest/status" for script in scripts]
    for status in statuses:
        status.unlink()
    begun = monotonic()
    for script in scripts:
        # virtme-ng's exit status says nothing; what the guest left does.
        subprocess.run(["sh", str(script)], check=False, stdin=subprocess.DEVNULL, **QUIET)
    alone = monotonic() - begun
    assert [status.read_text() for status in statuses] == ["0\n"] * len(scripts)
    report("the same boots with vng, one after another", alone)
    verdict("orch run / vng", warm / alone, BOOT_LIMIT)


def main() -> None:
    """Both measurements; ``builds`` or ``boots`` as argument for one of them."""
    wanted = sys.argv[1:] or ["builds", "boots"]
    cache_directory().mkdir(parents=True, exist_ok=True)
    if "builds" in wanted:
        # On the cache's own disk, for that is where builds happen.
        with TemporaryDirectory(prefix="bench-", dir=cache_directory()) as name:
            bench_builds(Path(name))
            shutil.rmtree(name, ignore_errors=True)
            Path(name).mkdir()
    if "boots" in wanted:
        with TemporaryDirectory(prefix="orch-bench-") as name:
            bench_boots(Path(name))


if __name__ == "__main__":
    main()

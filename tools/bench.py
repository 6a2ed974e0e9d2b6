# SPDX-License-Identifier: GPL-2.0-only
"""Measure what the README claims of time, in one run on this machine, and print it: ``make bench``.

Builds: from an empty cache (the package is downloaded, too), the base alone and then eight variants of it.  Edit: from
a change of one line in a source tree to the comparison of that tree with the base.  Review: from a patch of one file
to the text for the list, and the same again.  Distro: stock kernels, with
nothing there but their packages.  Boots: a warm ``orch run``, and
then the very same virtme-ng commands one after another.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from orchestrator.cli.arguments import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.build.recipe import recipes
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.image.prebuilt import ImageRequest, fetch_image
from orchestrator.kernel.source.fetch import fetch
from orchestrator.scenario.load import load
from orchestrator.scenario.model import Kernel
from orchestrator.scenario.resolve.data import kernels_dir
from orchestrator.scenario.sources import DebianImageSource, DebianSource

SCENARIO, DISTRO = Path("scenarios/pud.yaml"), Path("scenarios/distro.yaml")
BUILD_LIMIT, BOOT_LIMIT, EDIT_LIMIT_SECONDS, DISTRO_LIMIT_SECONDS = 1.5, 0.7, 45.0, 120.0
HELP_LIMIT_SECONDS, REVIEW_LIMIT_SECONDS, AGAIN_LIMIT_SECONDS = 0.1, 20.0, 1.0
VARIANTS = (
    ("no-huge",),
    ("vfio-thp",),
    ("vfio-size",),
    ("mm-align",),
    ("mremap-pud",),
    ("pud-split",),
    ("vfio-size", "mremap-pud"),
    ("mm-align", "pud-split"),
)
"""The series of kernels/patches that each variant has; none of them touches a header that all files include."""
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def report(what: str, seconds: float) -> None:
    """One measured duration."""
    print(f"{what:<58} {seconds:8.1f} s", flush=True)


def verdict(what: str, ratio: float, limit: float) -> None:
    """One measured ratio, and whether it keeps to its limit."""
    print(f"{what:<58} {ratio:8.2f}    at most {limit}: {'met' if ratio <= limit else 'MISSED'}", flush=True)


def bench_builds(cache: Path) -> None:
    """Build the base of the scenario in an empty cache, alone, and then all variants."""
    host, cpus = LocalHost(), os.cpu_count() or 1
    started = monotonic()
    base, *variants = recipes(host, cache, kernels(), ignore)
    report("source: download, verify, unpack", monotonic() - started)
    fetched = monotonic()
    builder = Builder(host, KernelCache(cache), cpus, ignore)
    built = builder.build(base)
    alone = monotonic()
    report(f"base build ({built.objects} objects)", alone - fetched)
    with ThreadPoolExecutor(cpus) as pool:
        for one in pool.map(builder.build, variants):
            report(f"  {one.name} ({one.objects} objects)", one.seconds)
    done = monotonic()
    report("all nine builds", done - fetched)
    verdict("nine builds / base build", (done - fetched) / (alone - fetched), BUILD_LIMIT)
    verdict("the same with the source fetched", (done - started) / (alone - started), BUILD_LIMIT)


def kernels() -> tuple[Kernel, ...]:
    """The base of the scenario, and the variants of it."""
    base = load(SCENARIO).kernels[0]
    series = kernels_dir() / "patches"
    return base, *(replace(base, name="+".join(one), patches=tuple(series / name for name in one)) for one in VARIANTS)


def bench_edit(place: Path) -> None:
    """Run the scenario on a source tree of our own, change a line of it, and run it again."""
    source = load(SCENARIO).kernels[0].source
    assert isinstance(source, DebianSource)
    pristine = fetch(LocalHost(), cache_directory(), source, where="bench", emit=ignore)
    tree = place / "linux"
    subprocess.run(["cp", "-a", str(pristine.path), str(tree)], check=True)
    argv = [str(Path(sys.executable).parent / "orch"), "run", str(SCENARIO), "--tree", str(tree)]
    file = tree / "drivers/vfio/pci/vfio_pci_core.c"
    for what in ("tree: the first run", "tree: from a change of one line to the comparison"):
        file.write_text(file.read_text().replace("based PCI devices", f"based PCI devices, {secrets.token_hex(4)}"))
        started = monotonic()
        subprocess.run([*argv, "--results", str(place / "results")], check=True, **QUIET)
        seconds = monotonic() - started
        report(what, seconds)
    verdict("one line, in seconds", seconds, EDIT_LIMIT_SECONDS)


def bench_review(place: Path) -> None:
    """Review a patch of one file that was never built, then the same patch again."""
    file = "drivers/vfio/pci/vfio_pci_core.c"
    source = load(SCENARIO).kernels[0].source
    assert isinstance(source, DebianSource)
    pristine = fetch(LocalHost(), cache_directory(), source, where="bench", emit=ignore)
    text = (pristine.path / file).read_text()
    for name, edited in (("a", text), ("b", text.replace("based PCI devices", f"based PCI, {secrets.token_hex(4)}"))):
        (place / name / file).parent.mkdir(parents=True)
        (place / name / file).write_text(edited)
    made = subprocess.run(
        ["git", "diff", "--no-index", "a", "b"], cwd=place, capture_output=True, text=True, check=False
    )
    # git names the directories a and b, as in a repository.
    patch = made.stdout.replace("a/a/", "a/").replace("b/b/", "b/")
    (place / "series.mbox").write_text(f"From: A <a@b.org>\nSubject: [PATCH] vfio/pci: bench\n\nA word.\n---\n{patch}")
    argv = [str(Path(sys.executable).parent / "orch"), "review", "series.mbox", "--results", str(place / "results")]
    for what, limit in (("a patch of one file", REVIEW_LIMIT_SECONDS), ("the same again", AGAIN_LIMIT_SECONDS)):
        started = monotonic()
        subprocess.run(argv, check=True, cwd=place, **QUIET)
        verdict(f"orch review, {what}, in seconds", monotonic() - started, limit)


def bench_distro(place: Path) -> None:
    """Run the scenario of stock kernels in a cache that has nothing but their packages."""
    started = monotonic()
    for kernel in load(DISTRO).kernels:
        assert isinstance(kernel.source, DebianImageSource)
        fetch_image(LocalHost(), place / "cache", ImageRequest(kernel.name, kernel.source, kernel.where), ignore)
    report("stock kernels: download", monotonic() - started)
    argv = [str(Path(sys.executable).parent / "orch"), "run", str(DISTRO), "--cache", str(place / "cache")]
    started = monotonic()
    subprocess.run([*argv, "--results", str(place / "results")], check=True, **QUIET)
    seconds = monotonic() - started
    report("stock kernels: unpack, boot, compare", seconds)
    verdict("stock kernels after the downloads, in seconds", seconds, DISTRO_LIMIT_SECONDS)


def bench_help() -> None:
    """The time of ``orch --help``, the median of 20: what every command line costs before it does anything."""
    times = []
    for _ in range(20):
        started = monotonic()
        subprocess.run([str(Path(sys.executable).parent / "orch"), "--help"], check=True, **QUIET)
        times.append(monotonic() - started)
    verdict("orch --help, in seconds", median(times), HELP_LIMIT_SECONDS)


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
        started = monotonic()
        subprocess.run(argv, check=True, **QUIET)
        warm = monotonic() - started
    report("warm orch run", warm)
    bench_workload(results / "latest/boots/base/alignment/guest/measurements.jsonl")
    scripts = sorted((results / "latest").resolve().glob("boots/*/*/command.sh"))
    statuses = [script.parent / "guest/status" for script in scripts]
    for status in statuses:
        status.unlink()
    started = monotonic()
    for script in scripts:
        # virtme-ng's exit status says nothing; what the guest left does.
        subprocess.run(["sh", str(script)], check=False, stdin=subprocess.DEVNULL, **QUIET)
    alone = monotonic() - started
    assert [status.read_text() for status in statuses] == ["0\n"] * len(scripts)
    report("the same boots with vng, one after another", alone)
    verdict("orch run / vng", warm / alone, BOOT_LIMIT)


def main() -> None:
    """All measurements; ``builds``, ``edit``, ``review``, ``distro``, ``boots`` or ``help`` for some of them."""
    wanted = sys.argv[1:] or ["builds", "edit", "review", "distro", "boots", "help"]
    cache_directory().mkdir(parents=True, exist_ok=True)
    if "builds" in wanted:
        # On the cache's own disk, for that is where builds happen.
        with TemporaryDirectory(prefix="bench-", dir=cache_directory()) as name:
            bench_builds(Path(name))
            shutil.rmtree(name, ignore_errors=True)
            Path(name).mkdir()
    if "edit" in wanted:
        with TemporaryDirectory(prefix="orch-bench-", dir=cache_directory()) as name:
            bench_edit(Path(name))
    if "review" in wanted:
        with TemporaryDirectory(prefix="orch-bench-") as name:
            bench_review(Path(name))
    if "distro" in wanted:
        with TemporaryDirectory(prefix="orch-bench-", dir=cache_directory()) as name:
            bench_distro(Path(name))
    if "boots" in wanted:
        with TemporaryDirectory(prefix="orch-bench-") as name:
            bench_boots(Path(name))
    if "help" in wanted:
        bench_help()


if __name__ == "__main__":
    main()

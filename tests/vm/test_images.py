# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are not built here.

They are Debian's own, from nothing but their packages, and images that exist already.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.image import debian
from orchestrator.kernel.image.prebuilt import ImageRequest, fetch_image
from orchestrator.kernel.model import KernelBuild
from orchestrator.scenario.load import load
from tests.vm.conftest import REPOSITORY, Finished, orch
from tests.vm.test_scenarios import cases, table

DISTRO = REPOSITORY / "scenarios/distro.yaml"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache as it is on a new machine, after the downloads.

    Its 2 GiB are removed after the tests.
    """
    cache = tmp_path_factory.mktemp("fresh")
    for kernel in load(DISTRO).kernels:
        fetch_image(LocalHost(), cache, ImageRequest(kernel.name, kernel.source, kernel.where), ignore)  # type: ignore[arg-type]
    yield cache
    shutil.rmtree(cache)


@pytest.fixture(scope="module")
def distro(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The scenario of stock kernels; how long it takes is measured by `make bench`."""
    done = orch(tmp_path_factory.mktemp("distro"), "run", str(DISTRO), "--cache", str(fresh))
    assert done.status == 0, done.out + done.err
    assert "unpack" in done.err
    return done


def test_the_level_is_reported_for_every_placement_with_how_it_is_known(distro: Finished) -> None:
    done = distro
    levels = {
        placement: {name: row[2] for name, row in table(done, f"placement {placement}").items() if "*" in row[2]}
        for placement in ("kernel", "qemu", "offset", "misaligned")
    }
    assert levels["kernel"] == {"bookworm": "PTE*", "trixie": "PMD*", "trixie-backports": "PTE*"}
    assert levels["qemu"] == levels["offset"] == {"bookworm": "PTE*", "trixie": "PUD*", "trixie-backports": "PUD*"}
    assert levels["misaligned"] == dict.fromkeys(levels["kernel"], "PTE*")
    assert done.out.count("* level and entries are deduced, from the growth of the page tables") == 4
    statuses = {(name.endswith("/attributes"), status) for (_, name), status in cases(done).items()}
    assert statuses == {(False, "PASS"), (True, "SKIP")}, "entries that are not read have no attributes"


def test_the_results_say_which_package_it_was_and_the_guest_that_it_ran(distro: Finished) -> None:
    done = distro
    for kernel in ("bookworm", "trixie", "trixie-backports"):
        provenance = json.loads((done.run / f"kernels/{kernel}/provenance.json").read_text())
        image = next(one for one in provenance["packages"] if one["name"].startswith("linux-image-"))
        assert re.fullmatch(rf"linux-image-amd64 of \S+: {re.escape(image['name'])} \S+", provenance["source"]["name"])
        assert done.record["kernels"][kernel]["source"] == provenance["source"]["name"]
        banner = (done.run / f"boots/{kernel}/alignment/guest/version").read_text()
        assert banner.startswith(f"Linux version {provenance['version']} (debian-kernel@lists.debian.org)")
        assert f"Debian {image['version']} " in banner


def scenario(tmp_path: Path, kernels: str, tests: str = "map") -> str:
    text = f"""\
name: image
description: Kernels that somebody else built.
devices:
  testdev: {{emulated: pci-testdev, bar: 4G}}
  ram: {{emulated: ivshmem-plain, bar: 64M}}
workloads:
  alignment:
    {{run: alignment, device: testdev, bars: 2, length: 64M, placements: [kernel, qemu], tests: {tests}, timeout: 3m}}
  content: {{run: alignment, device: ram, bars: 2, tests: [content, life, sub-page], timeout: 3m}}
kernels:
{kernels}"""
    (tmp_path / "image.yaml").write_text(text)
    return str(tmp_path / "image.yaml")


def test_nothing_fails_on_a_stock_kernel_for_want_of_a_debugging_aid(
    distro: Finished, fresh: Path, tmp_path: Path
) -> None:
    """Every group but `split`; what needs the page tables themselves is skipped and says so."""
    kernels = "  stock:\n    source: {debian-image: linux-image-amd64, suite: trixie-security}\n"
    path = scenario(tmp_path, kernels, "[map, repeat, random, ranges, dma]")
    done = orch(tmp_path / "results", "run", path, "--cache", str(fresh))
    assert done.status == 0, done.out + done.err
    assert set(cases(done).values()) == {"PASS", "SKIP"}
    results = json.loads((done.run / "boots/stock/content/result.json").read_text())["cases"]
    skipped = {case["id"]["test"]: case["message"] for case in results if case["status"] == "SKIP"}
    assert "PTDUMP_DEBUGFS" in skipped["life.munmap"]
    content = [case for case in results if case["id"]["test"].startswith("content.")]
    assert {case["status"] for case in content if case["id"]["check"] == "attributes"} == {"SKIP"}
    assert {case["status"] for case in content if case["id"]["check"] != "attributes"} == {"PASS"}


def test_an_image_of_our_own_answers_as_the_build_does(base: KernelBuild, tmp_path: Path) -> None:
    """Without modules, and with a page-table dump: nothing is deduced."""
    path = scenario(tmp_path, f"  ours:\n    source: {{image: {base.image}}}\n    expect: {{qemu: {{level: PMD}}}}\n")
    done = orch(tmp_path / "results", "run", path)
    assert done.status == 0, done.out + done.err
    assert table(done, "placement qemu")["ours"][2] == "PMD"
    assert "deduced" not in done.out
    banner = (done.run / "boots/ours/alignment/guest/version").read_text()
    assert base.key[:12] in banner


def test_a_bzimage_in_boot_finds_its_configuration_and_its_modules(fresh: Path, tmp_path: Path) -> None:
    """Debian's package of 6.1, unpacked by hand: /boot/vmlinuz-*, /boot/config-*, /lib/modules."""
    host = LocalHost()
    kernel = load(DISTRO).kernels[0]
    order = ImageRequest(kernel.name, kernel.source, kernel.where)  # type: ignore[arg-type]
    place = fetch_image(host, tmp_path / "packages", order, ignore).place
    image = debian.unpack(host, tuple(place.glob("*.deb")), tmp_path / "root").path
    assert image.parent.name == "boot"
    path = scenario(tmp_path, f"  stock:\n    source: {{image: {image}}}\n    expect: {{qemu: {{level: PTE}}}}\n")
    done = orch(tmp_path / "results", "run", path, "--cache", str(fresh))
    assert done.status == 0, done.out + done.err
    assert table(done, "placement qemu")["stock"][2] == "PTE*"


def test_what_is_wrong_with_an_image_is_one_sentence(base: KernelBuild, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no kernel")
    (tmp_path / "modules/lib/modules/9.9.9/kernel").mkdir(parents=True)
    wrong = {
        "{debian-image: linux-image-i286, suite: trixie-security}": "has no package 'linux-image-i286'",
        "{debian-image: linux-image-amd64, suite: trixie-security, version: 1.0-1}": "has no version 1.0-1",
        "{debian-image: linux-image-amd64, suite: no-such-suite}": "there is no Debian suite 'no-such-suite'",
        f"{{image: {tmp_path / 'notes.txt'}}}": "is no kernel image that orch can boot",
        f"{{image: {base.image}, modules: {tmp_path / 'modules'}}}": "only of 9.9.9",
        f"{{image: {base.image}, config: {tmp_path / 'notes.txt'}}}": "is no kernel configuration",
    }
    before = sorted(KernelCache(cache_directory()).builds.iterdir())
    for source, sentence in wrong.items():
        done = orch(tmp_path / "results", "run", scenario(tmp_path, f"  wrong:\n    source: {source}\n"))
        assert done.status == 2, done.err
        assert sentence in done.err
        assert "Traceback" not in done.err
    assert sorted(KernelCache(cache_directory()).builds.iterdir()) == before

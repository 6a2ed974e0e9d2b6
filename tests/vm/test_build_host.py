# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel built on a host behind SSH that has nothing of orch.

The host is a network namespace with a real sshd and this machine's compiler.  So its image must be, byte for byte, the
one that this machine builds.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.kernel.model import KernelBuild
from tests.unit.host.test_contract import wait_until
from tests.vm.conftest import ORCH, PATCHES, REPOSITORY, Finished, orch, scenario_text
from tests.vm.lab import SILENCE, LabHost, inventory_of, ip, laboratory

TEXT = scenario_text(
    f"""\
  broken:
    extends: base
    patches: {PATCHES}/syntax-error.patch
""",
).replace("devices:", "build-host: farm\ndevices:", 1)
VARIANT = TEXT.replace(f"{PATCHES}/syntax-error.patch", "vfio-size").replace("  broken:", "  variant:")


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    with laboratory({"farm": tmp_path_factory.mktemp("farm")}, first=3) as hosts:
        yield hosts["farm"]


@pytest.fixture(scope="module")
def inventory(farm: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inventory_of([farm], tmp_path_factory.mktemp("inventory"))


@pytest.fixture(scope="module")
def cache(farm: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has the pristine source, and no build.

    The host's cache has only ccache's, to save the tests' time.
    """
    own, there = tmp_path_factory.mktemp("cache"), farm.kept / "cache"
    there.mkdir(parents=True, mode=0o700)
    farm.kept.chmod(0o700)
    for name, place in (("sources", own), ("apt", own), ("ccache", there)):
        (cache_directory() / name).mkdir(exist_ok=True)
        (place / name).symlink_to(cache_directory() / name)
    return own


@pytest.fixture(scope="module")
def built(base: KernelBuild, cache: Path, inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A kernel, and one that does not compile.

    The second starts from the tree of the first on the host.
    """
    assert base.image.exists()
    place = tmp_path_factory.mktemp("built")
    return orch(place / "results", *words(place, TEXT, cache, inventory))


def words(place: Path, text: str, cache: Path, inventory: Path) -> tuple[str, ...]:
    (place / "farm.yaml").write_text(text)
    return "run", str(place / "farm.yaml"), "--cache", str(cache), "--hosts", str(inventory), "-v"


def compilers(host: LabHost) -> list[str]:
    """The commands of all processes that work on the host's kernels."""
    running = (" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
    return [argv for argv in running if f"{host.kept}/cache" in argv or "orchestrator.kernel.remote" in argv]


def test_what_the_host_builds_is_byte_for_byte_what_this_machine_builds(
    built: Finished, base: KernelBuild, cache: Path
) -> None:
    facts = json.loads((built.run / "kernels/base/provenance.json").read_text())
    assert facts["built_on"] == "farm"
    assert facts["key"] == base.key
    there = cache / "builds" / facts["key"] / "vmlinux"
    assert hashlib.sha256(there.read_bytes()).digest() == hashlib.sha256(base.image.read_bytes()).digest()
    assert "farm" in built.err


def test_the_kernel_boots_and_measures_here(built: Finished) -> None:
    record = json.loads((built.run / "boots/base/alignment/result.json").read_text())
    assert {case["status"] for case in record["cases"]} == {"PASS"}
    assert built.record["counts"]["FAIL"] == 1, "the build of the other kernel"


def test_a_kernel_that_does_not_compile_there_is_its_own_fault_and_its_log_is_here(
    built: Finished, cache: Path
) -> None:
    assert built.status == 1
    (log,) = (cache / "failed").glob("broken-*.log")
    assert "does not build: " in built.err
    assert str(log) in built.err
    assert "error: " in log.read_text()


def test_a_lost_host_is_an_error_and_both_sides_are_clean_and_the_next_run_builds(
    built: Finished, farm: LabHost, cache: Path, inventory: Path, tmp_path: Path
) -> None:
    assert built.status == 1
    before = sorted((cache / "builds").iterdir())
    argv = [ORCH, *words(tmp_path, VARIANT, cache, inventory), "--results", str(tmp_path / "results")]
    running = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_until(lambda: any(" make " in one or one.startswith("make ") for one in compilers(farm)), 120)
        ip("link", "set", farm.link, "down")
        _, err = running.communicate(timeout=3 * SILENCE)
        assert running.returncode == 3, err
        assert "farm: lost" in err
        assert sorted((cache / "builds").iterdir()) == before
        assert list((cache / "work").iterdir()) == []
        assert wait_until(lambda: not compilers(farm), 2 * SILENCE), compilers(farm)
    finally:
        running.kill()
        ip("link", "set", farm.link, "up")
    again = orch(tmp_path / "again", *words(tmp_path, VARIANT, cache, inventory))
    assert again.status == 0, again.err
    assert len(list((cache / "builds").iterdir())) == len(before) + 1
    assert list((farm.kept / "cache/work").iterdir()) == []
    facts = json.loads((again.run / "kernels/variant/provenance.json").read_text())
    assert facts["objects"] < 400, "built from the base's tree, which the host has"

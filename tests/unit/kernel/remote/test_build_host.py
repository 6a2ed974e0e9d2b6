# SPDX-License-Identifier: GPL-2.0-only
"""Kernels built by another host.

The host is this machine with a directory of its own.  The kernel is the toy kernel.  The worker is the real one, and
has only the files that it was sent.  It is sent once, for the tests below each start with a copy of a host's directory.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, InfrastructureError, Interrupted, KernelBuildError
from orchestrator.events import Event, Kind
from orchestrator.host.address import Address
from orchestrator.host.local import LocalHost
from orchestrator.inventory.model import Entry
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import verify
from orchestrator.kernel.model import Patch, Recipe
from orchestrator.kernel.remote.build_host import BuildHost
from orchestrator.kernel.remote.builder import RemoteBuilder
from orchestrator.kernel.remote.recipe_json import from_json, to_json
from tests.fakes import Answer, FakeHost
from tests.toy_build import toy_recipe
from tests.unit.host.test_contract import wait_until

TOY = Path(__file__).parents[2] / "data/toy-kernel"


class Place:
    """This machine's cache, and a host with another cache."""

    def __init__(self, place: Path) -> None:
        self.events: list[Event] = []
        self.cache = KernelCache(place / "cache")
        self.recipe = toy_recipe(place / "source")
        self.kept = place / "kept"
        self.host = LocalHost("lab")
        shutil.copytree(TOY, self.recipe.source.path)
        self.there = BuildHost(self.host, Entry("lab", Address("192.0.2.1"), self.kept))
        self.builder = RemoteBuilder(LocalHost(), self.cache, 2, self.events.append, self.there)

    def phases(self) -> list[str]:
        return [event.phase for event in self.events if event.kind is Kind.END]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a host that has built the toy kernel.

    Python has compiled the worker there.
    """
    place = Place(tmp_path_factory.mktemp("used"))
    place.builder.build(place.recipe)
    return place.kept


def copy_of(used: Path, kept: Path) -> None:
    """Copy a host's directory, with the cache of Python.

    The cache names its files by their whole paths.
    """
    subprocess.run(("cp", "-a", used, kept), check=True)
    compiled = kept / "pycache"
    apart = (compiled / used.relative_to("/")).rename(kept / "compiled")
    shutil.rmtree(compiled)
    (compiled / kept.relative_to("/")).parent.mkdir(parents=True)
    apart.rename(compiled / kept.relative_to("/"))


@pytest.fixture
def busy_lab(tmp_path: Path, used: Path) -> Place:
    """A host that has built the toy kernel for another user."""
    place = Place(tmp_path)
    copy_of(used, place.kept)
    return place


@pytest.fixture
def lab(busy_lab: Place) -> Place:
    """A host that has orch alone, no kernel and no source."""
    shutil.rmtree(busy_lab.kept / "cache")
    (source,) = {*(busy_lab.kept / "objects").glob("*/source")}
    shutil.rmtree(source.parent)
    return busy_lab


def appended(recipe: Recipe, file: str, line: str) -> Recipe:
    """Return `recipe` with a patch that appends a line to a file of its source."""
    last = (recipe.source.path / file).read_text().splitlines()
    head = f"--- a/{file}\n+++ b/{file}\n@@ -{len(last)} +{len(last)},2 @@\n {last[-1]}\n+{line}\n"
    return replace(recipe, name="variant", patches=(Patch(Path("change.patch"), head, (file,)),))


def test_a_recipe_survives_the_way_there(tmp_path: Path) -> None:
    odd = Patch(Path("latin1.patch"), b"+ caf\xe9\n".decode(errors="surrogateescape"), ("mm/mmap.c",))
    recipe = replace(toy_recipe(tmp_path), patches=(odd,), required=(("MMU", "y"),), modules=True)
    there = from_json(json.loads(json.dumps(to_json(recipe, Path("/elsewhere/source")))), tmp_path)
    assert there.key == recipe.key
    assert there.build_key("CONFIG_MMU=y\n") == recipe.build_key("CONFIG_MMU=y\n")
    assert there.patches == (replace(odd, path=there.patches[0].path),)
    assert there.patches[0].path.read_bytes() == odd.data
    assert there.source.path == Path("/elsewhere/source")


def test_what_a_host_builds_is_what_this_machine_builds(lab: Place, tmp_path: Path) -> None:
    build = lab.builder.build(lab.recipe)
    here = Builder(LocalHost(), KernelCache(tmp_path / "other"), 2, lambda _: None).build(lab.recipe)
    assert build.key == here.key
    assert build.image.read_bytes() == here.image.read_bytes()
    assert build.directory.is_relative_to(lab.cache.root)
    assert not build.cached
    assert build.objects == here.objects > 0
    facts = json.loads((build.directory / "provenance.json").read_text())
    assert facts["built_on"] == "lab"
    assert facts["source"]["name"] == "toy 7.3"
    assert not verify(lab.cache).broken
    assert lab.phases()[0] == "send"
    assert lab.phases()[-1] == "bring back"
    assert "build" in lab.phases()


def test_what_is_here_is_not_asked_for_and_what_is_there_is_not_built_again(busy_lab: Place, tmp_path: Path) -> None:
    first = busy_lab.builder.build(busy_lab.recipe)
    busy_lab.events.clear()
    assert busy_lab.builder.build(busy_lab.recipe).cached
    assert busy_lab.events == []
    other = KernelCache(tmp_path / "colleague")
    again = RemoteBuilder(LocalHost(), other, 2, busy_lab.events.append, busy_lab.there).build(busy_lab.recipe)
    assert again.key == first.key
    assert again.objects == 0
    assert "build" not in busy_lab.phases()


def test_a_variant_starts_from_the_tree_of_the_host(lab: Place) -> None:
    base = lab.builder.build(lab.recipe)
    variant = lab.builder.build(appended(lab.recipe, "mm/mmap.c", "/* changed */"))
    assert variant.key != base.key
    assert 0 < variant.objects < base.objects
    assert len(list((lab.kept / "objects").iterdir())) == 2, "orch, and one source"


def test_what_was_not_used_for_a_month_is_removed(busy_lab: Place) -> None:
    build = busy_lab.builder.build(busy_lab.recipe)
    there = busy_lab.kept / "cache/builds" / build.key
    for place in (there, *(busy_lab.kept / "objects").iterdir()):
        os.utime(place, (0, 0))
    other = replace(busy_lab.recipe, request="CONFIG_MMU=y\nCONFIG_SPECIAL=y\n")
    newer = busy_lab.builder.build(other)
    assert not there.exists()
    assert (busy_lab.kept / "cache/builds" / newer.key).exists()
    assert (busy_lab.kept / "objects").exists()


def test_modules_come_back_with_the_image(lab: Place) -> None:
    build = lab.builder.build(replace(lab.recipe, modules=True))
    assert build.modules is not None
    assert [path.name for path in build.modules.rglob("*.ko*")] == ["toy.ko"]


def test_a_kernel_that_does_not_compile_is_its_own_fault_and_its_log_comes_here(lab: Place) -> None:
    with pytest.raises(KernelBuildError, match="kernel 'variant' does not build: ") as caught:
        lab.builder.build(appended(lab.recipe, "mm/mmap.c", "BROKEN"))
    found = re.search(r"\(log: (.*)\)", str(caught.value))
    assert found
    assert Path(found[1]).is_relative_to(lab.cache.root)
    assert "error" in Path(found[1]).read_text()
    assert not list(lab.cache.builds.glob("*"))


def test_a_configuration_that_does_not_hold_is_the_users_fault_there_as_here(lab: Place) -> None:
    with pytest.raises(ConfigError, match="CONFIG_NOWHERE=y did not survive"):
        lab.builder.build(replace(lab.recipe, required=(("NOWHERE", "y"),)))


def _cut(artifact: Path) -> None:
    image = artifact / "vmlinux"
    image.write_bytes(image.read_bytes()[:-9])


def _another_config(artifact: Path) -> None:
    path = artifact / "config"
    path.write_text(path.read_text() + "CONFIG_EXTRA=y\n")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_cut, "vmlinux has "),
        (_another_config, "config has "),
        (lambda artifact: (artifact / "provenance.json").unlink(), "provenance.json"),
        (lambda artifact: (artifact / "build.log").unlink(), "build.log is missing"),
    ],
)
def test_what_is_not_as_it_was_built_is_refused_and_not_kept(
    busy_lab: Place, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], why: str
) -> None:
    get = LocalHost.get

    def spoiled(host: LocalHost, remote: Path, local: Path) -> None:
        get(host, remote, local)
        spoil(local)

    monkeypatch.setattr(LocalHost, "get", spoiled)
    with pytest.raises(InfrastructureError, match="lab: what it built of kernel 'toy' cannot be taken: ") as caught:
        busy_lab.builder.build(busy_lab.recipe)
    assert why in str(caught.value)
    assert not list(busy_lab.cache.builds.glob("*"))
    assert busy_lab.cache.lookup(busy_lab.recipe) is None


def test_another_kernel_than_was_asked_for_is_refused(busy_lab: Place) -> None:
    """The host's artifact is complete, but its record is for another kernel."""
    build = busy_lab.builder.build(busy_lab.recipe)
    there = busy_lab.kept / "cache/builds" / build.key
    facts = json.loads((there / "provenance.json").read_text())
    text = (there / "config").read_text() + "CONFIG_EXTRA=y\n"
    (there / "config").write_text(text)
    del facts["files"], facts["own_sha256"]
    (there / "provenance.json").write_text(json.dumps(facts))
    other = KernelCache(busy_lab.cache.root.with_name("colleague"))
    with pytest.raises(InfrastructureError, match="do not give its build key"):
        RemoteBuilder(LocalHost(), other, 2, busy_lab.events.append, busy_lab.there).build(busy_lab.recipe)


def test_a_build_that_is_stopped_leaves_nothing_of_itself_on_the_host(lab: Place) -> None:
    script = lab.recipe.source.path / "scripts/cc.sh"
    script.write_text(script.read_text().replace("mkdir -p", "sleep 60\nmkdir -p", 1))
    work, trash = lab.kept / "cache/work", lab.kept / "cache/trash"
    with ThreadPoolExecutor(1) as executor:
        building = executor.submit(lab.builder.build, lab.recipe)
        assert wait_until(
            lambda: any(event.text.startswith("0 objects") or "objects, CC" in event.text for event in lab.events), 30
        )
        assert any(work.iterdir())
        lab.host.stop_all()
        with pytest.raises(Interrupted):
            building.result(60)
    assert wait_until(lambda: not any(work.iterdir()) and not any(trash.iterdir()), 30)
    assert not list(lab.cache.builds.glob("*"))


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    host = FakeHost([(("/usr/bin/python3",), Answer("3 9\n"))], name="lab")
    entry = Entry("lab", Address("192.0.2.1", python="/usr/bin/python3"), tmp_path)
    with pytest.raises(InfrastructureError, match=r"lab: its /usr/bin/python3 is 3\.9, and building needs 3\.11"):
        BuildHost(host, entry)

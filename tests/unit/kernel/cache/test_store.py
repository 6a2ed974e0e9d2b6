# SPDX-License-Identifier: GPL-2.0-only
"""The store of builds: it has only complete builds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.arch import ARCHES
from orchestrator.errors import InfrastructureError
from orchestrator.kernel.cache.store import KernelCache, write_whole
from orchestrator.kernel.cache.verify import verify
from orchestrator.kernel.model import KernelBuild, Patch, Recipe, SourceTree, Toolchain
from orchestrator.scenario.sources import BuiltSource, DebianSource

ONE, TWO, THREE = (Patch(Path(f"/p/{name}.patch"), f"diff {name}", ("mm/mmap.c",)) for name in ("one", "two", "three"))
BASE = Recipe(
    "base", "s.yaml:4", SourceTree("sha", "linux", Path("/src")), (), "CONFIG_A=y\n", (), Toolchain("gcc 12", "ld 2.40")
)


@pytest.fixture
def cache(tmp_path: Path) -> KernelCache:
    return KernelCache(tmp_path / "cache")


def built(work: Path, image: str = "image") -> Path:
    """Make a tree as after make, in the workspace `work`."""
    build = work / "tree/build"
    build.mkdir(parents=True)
    for path in (arch.image for arch in ARCHES.values()):
        (build / path).parent.mkdir(parents=True, exist_ok=True)
        (build / path).write_text(image)
    (build / ".config").write_text("CONFIG_A=y\n")
    (work / "build.log").write_text("log\n")
    return work / "tree"


def publish(cache: KernelCache, recipe: Recipe, *, key: str = "", tree: bool = False) -> KernelBuild:
    """Publish as a build does after make."""
    build = KernelBuild(recipe.name, key or recipe.build_key("final"), cache.builds, "7.3.4", 12, 3.5, False)
    with cache.workspace(recipe.key) as work:
        made = built(work)
        cache.publish(build, recipe, made, {"build.log": work / "build.log", "commands.sh": "make\n"})
        if tree:
            cache.keep_tree(build, recipe, made)
        cache.remember(recipe, build.key)
    return build


def test_nothing_is_found_in_an_empty_cache(cache: KernelCache) -> None:
    assert cache.lookup(BASE) is None
    assert cache.seed(BASE) is None
    assert cache.artifact("base", "nokey") is None


def test_a_published_build_is_found_under_the_name_that_asks(cache: KernelCache) -> None:
    key = publish(cache, BASE).key
    found = cache.lookup(replace(BASE, name="again"))
    assert found == KernelBuild("again", key, cache.builds / key, "7.3.4", 12, 3.5, cached=True)
    assert found.image.read_text() == "image"
    assert found.config.read_text() == "CONFIG_A=y\n"
    assert (found.directory / "build.log").read_text() == "log\n"
    assert (found.directory / "commands.sh").read_text() == "make\n"


def test_an_arm64_build_has_its_own_image_and_says_what_it_is_for(cache: KernelCache) -> None:
    arm64 = replace(BASE, toolchain=Toolchain("aarch64-linux-gnu-gcc 12", "ld 2.40", "arm64"))
    key = publish(cache, arm64).key
    found = cache.lookup(arm64)
    assert found is not None
    assert found.arch == "arm64"
    assert found.image == cache.builds / key / "Image"
    assert found.image.read_text() == "image"


def test_provenance_says_what_went_in(cache: KernelCache) -> None:
    recipe = replace(BASE, patches=(ONE,))
    key = publish(cache, recipe).key
    facts = json.loads((cache.builds / key / "provenance.json").read_text())
    assert facts["patches"] == [{"name": "one.patch", "sha256": ONE.digest}]
    assert facts["source"] == {"name": "linux", "sha256": "sha"}
    assert facts["toolchain"] == {"compiler": "gcc 12", "linker": "ld 2.40", "arch": "x86_64"}
    assert len(facts["config_sha256"]) == 64


def test_another_recipe_is_not_found(cache: KernelCache) -> None:
    publish(cache, BASE)
    assert cache.lookup(replace(BASE, patches=(ONE,))) is None


def test_a_recipe_whose_build_is_missing_is_not_found(cache: KernelCache) -> None:
    cache.remember(BASE, "key-of-nothing")
    assert cache.lookup(BASE) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"version": "7.3"}'])
def test_a_damaged_build_counts_as_absent_and_can_be_made_again(cache: KernelCache, content: str) -> None:
    key = publish(cache, BASE).key
    (cache.builds / key / "provenance.json").write_text(content)
    assert cache.lookup(BASE) is None
    publish(cache, BASE)
    assert cache.lookup(BASE) is not None


@pytest.mark.parametrize(
    "damage",
    [
        lambda directory: (directory / "vmlinux").unlink(),
        lambda directory: (directory / "vmlinux").write_text("imag"),
        lambda directory: (directory / "vmlinux").write_text("imaGe"),
        lambda directory: (directory / "config").unlink(),
        lambda directory: (directory / "build.log").write_text("longer than it was\n"),
        lambda directory: ((directory / "commands.sh").unlink(), (directory / "commands.sh").mkdir()),
    ],
    ids=["no image", "a cut image", "another image", "no config", "another size", "a directory"],
)
def test_a_build_that_is_not_as_it_was_recorded_counts_as_absent(
    cache: KernelCache, damage: Callable[[Path], object]
) -> None:
    key = publish(cache, BASE).key
    damage(cache.builds / key)
    assert cache.lookup(BASE) is None
    publish(cache, BASE)
    found = cache.lookup(BASE)
    assert found is not None
    assert found.image.read_text() == "image"


def test_a_build_of_an_earlier_orch_is_found_as_long_as_its_image_is_there(cache: KernelCache) -> None:
    key = publish(cache, BASE).key
    provenance = cache.builds / key / "provenance.json"
    facts = json.loads(provenance.read_text())
    provenance.write_text(
        json.dumps({name: value for name, value in facts.items() if name not in ("files", "own_sha256")})
    )
    assert cache.lookup(BASE) is not None
    (cache.builds / key / "vmlinux").write_text("")
    assert cache.lookup(BASE) is None


def _flip(path: Path) -> None:
    """Change one bit of a file, at equal size and with its time kept."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["vmlinux", "config", "build.log", "commands.sh"])
def test_a_file_that_was_changed_at_equal_size_is_never_used(cache: KernelCache, name: str) -> None:
    key = publish(cache, BASE).key
    assert cache.lookup(BASE) is not None
    _flip(cache.builds / key / name)
    assert cache.lookup(BASE) is None
    assert [entry.what for entry in verify(cache).broken] == [f"the content of {name} has changed"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": "7.3.5"},
        {"seconds": 0.5},
        {"source": {"name": "linux 9", "sha256": "0"}},
        {"patches": []},
        {"built_on": "elsewhere"},
    ],
    ids=str,
)
def test_a_provenance_that_was_changed_is_never_used(cache: KernelCache, change: dict[str, object]) -> None:
    key = publish(cache, replace(BASE, patches=(ONE,))).key
    provenance = cache.builds / key / "provenance.json"
    provenance.write_text(json.dumps(json.loads(provenance.read_text()) | change))
    assert cache.artifact("base", key) is None
    assert [entry.what for entry in verify(cache).broken] == ["the content of provenance.json has changed"]


def test_modules_that_were_changed_are_never_used(cache: KernelCache, tmp_path: Path) -> None:
    whole = tmp_path / "cache/work/whole"
    (whole / "lib/modules/7.3.4").mkdir(parents=True)
    (whole / "lib/modules/7.3.4/a.ko").write_text("module")
    (whole / "vmlinuz").write_text("image")
    cache.install(whole, "key", {"version": "7.3.4", "objects": 0, "seconds": 1.0, "toolchain": {"arch": "x86_64"}})
    assert cache.artifact("debian", "key") is not None
    module = cache.builds / "key/lib/modules/7.3.4/a.ko"
    module.write_text("nodule")
    assert cache.artifact("debian", "key") is None
    assert [entry.what for entry in verify(cache).broken] == ["the content of lib has changed"]


def test_the_modules_of_a_build_are_recorded_as_one(cache: KernelCache, tmp_path: Path) -> None:
    whole = tmp_path / "cache/work/whole"
    (whole / "lib/modules/7.3.4").mkdir(parents=True)
    (whole / "lib/modules/7.3.4/a.ko").write_text("module")
    (whole / "lib/modules/7.3.4/link").symlink_to("a.ko")
    (whole / "vmlinuz").write_text("image")
    facts = {"version": "7.3.4", "objects": 0, "seconds": 1.0, "toolchain": {"arch": "x86_64"}}
    cache.install(whole, "key", facts)
    files = json.loads((cache.builds / "key/provenance.json").read_text())["files"]
    assert files["lib"]["files"] == 2
    assert files["lib"]["size"] == len("module") + len("a.ko")
    assert cache.artifact("debian", "key") is not None


def test_who_replaces_a_damaged_build_never_takes_away_what_another_has_just_installed(cache: KernelCache) -> None:
    recipes = [replace(BASE, request=f"CONFIG_{number}=y\n") for number in range(8)]
    for _ in range(5):
        key = publish(cache, BASE, key="same").key
        (cache.builds / key / "vmlinux").unlink()
        seen = []

        def publish_and_look(recipe: Recipe) -> None:
            publish(cache, recipe, key="same")
            seen.append(cache.artifact("base", "same"))  # noqa: B023 -- within one iteration

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(publish_and_look, recipes))
        assert len(seen) == 8
        assert all(seen)


def test_a_sweep_does_not_disturb_those_who_discard_meanwhile(cache: KernelCache) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            with cache.workspace(f"{number}-{turn}") as own:
                (own / "file").touch()
            cache.sweep()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not list((cache.root / "work").iterdir())
    assert not list((cache.root / "trash").iterdir())


def test_no_two_workspaces_have_the_same_place(cache: KernelCache) -> None:
    with cache.workspace("key") as first:
        pass
    with cache.workspace("key") as second:
        assert first != second
        assert first.parent == second.parent


def test_use_is_noted_for_a_build_and_its_tree(cache: KernelCache) -> None:
    build = publish(cache, BASE, tree=True)
    places = (cache.builds / build.key, cache.root / "trees" / build.key)
    for place in places:
        os.utime(place, (1, 1))
    found = cache.lookup(BASE)
    assert found is not None
    assert {place.stat().st_mtime for place in places} == {1.0}
    cache.mark_used(found, cache.root / "no-such-place")
    assert all(place.stat().st_mtime > 1 for place in places)


def test_a_tree_that_lost_its_build_directory_never_seeds(cache: KernelCache) -> None:
    build = publish(cache, BASE, tree=True)
    (cache.root / "trees" / build.key / "tree/build/.config").unlink()
    assert cache.seed(BASE) is None


def test_a_build_that_fails_half_way_through_publishing_is_not_visible(cache: KernelCache) -> None:
    build = KernelBuild("base", "key", cache.builds, "7.3.4", 1, 1.0, False)
    with cache.workspace(BASE.key) as work, pytest.raises(FileNotFoundError):
        cache.publish(build, BASE, built(work), {"build.log": work / "no-such.log"})
    assert cache.artifact("base", "key") is None
    assert not (cache.builds / "key").exists()


def test_publishing_what_is_there_already_leaves_it_as_it_is(cache: KernelCache) -> None:
    key = publish(cache, BASE).key
    before = (cache.builds / key / "vmlinux").stat().st_ino
    publish(cache, replace(BASE, request="CONFIG_B=y\n"), key=key)
    assert (cache.builds / key / "vmlinux").stat().st_ino == before


def test_builds_that_come_to_the_same_at_the_same_time_do_not_disturb_each_other(cache: KernelCache) -> None:
    recipes = [replace(BASE, request=f"CONFIG_{number}=y\n") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda recipe: publish(cache, recipe, key="same", tree=True), recipes))
    assert all(cache.lookup(recipe) for recipe in recipes)
    assert {path.name for path in (cache.builds / "same").iterdir()} == {
        "vmlinux",
        "config",
        "build.log",
        "commands.sh",
        "provenance.json",
    }
    seed = cache.seed(BASE)
    assert seed is not None
    assert (seed.path / "build/vmlinux").read_text() == "image"
    assert {path.name for path in (cache.root / "trees").iterdir()} == {"same"}


def test_a_workspace_is_removed_afterwards_also_after_an_error(cache: KernelCache) -> None:
    with pytest.raises(ZeroDivisionError), cache.workspace("key") as work:
        (work / "file").touch()
        raise ZeroDivisionError
    assert not work.exists()
    with cache.workspace("key") as again:
        assert list(again.iterdir()) == []


def test_what_a_killed_process_left_in_a_workspace_is_not_seen(cache: KernelCache) -> None:
    (cache.root / "work/key/tree").mkdir(parents=True)
    with cache.workspace("key") as work:
        assert list(work.iterdir()) == []


def test_a_sweep_removes_what_builds_left_and_nothing_else(cache: KernelCache) -> None:
    publish(cache, BASE, tree=True)
    with cache.workspace("key") as work:
        (work / "file").touch()
    assert list((cache.root / "trash").iterdir())
    cache.sweep()
    assert not list((cache.root / "trash").iterdir())
    assert cache.lookup(BASE) is not None
    assert cache.seed(BASE) is not None
    cache.sweep()


def test_the_log_of_a_failed_build_is_kept_outside_of_the_workspace(cache: KernelCache) -> None:
    with cache.workspace(BASE.key) as work:
        (work / "build.log").write_text("error: no\n")
        kept = cache.keep_failed_log(BASE, work / "build.log")
    assert kept.read_text() == "error: no\n"
    assert "base" in kept.name


def test_a_kept_tree_remembers_where_it_was_built(cache: KernelCache) -> None:
    build = publish(cache, replace(BASE, patches=(ONE,)), tree=True)
    seed = cache.seed(replace(BASE, patches=(ONE, TWO)))
    assert seed is not None
    assert seed.path == cache.root / "trees" / build.key / "tree"
    assert Path(seed.built_at).parents[1] == cache.root / "work"
    assert Path(seed.built_at).parent.name.startswith(f"{replace(BASE, patches=(ONE,)).key}.")
    assert seed.patches == (ONE.digest,)
    assert seed.request == BASE.request


def seed_name(cache: KernelCache, recipe: Recipe) -> str | None:
    seed = cache.seed(recipe)
    return seed.name if seed else None


def test_the_longest_prefix_of_the_patches_seeds(cache: KernelCache) -> None:
    for name, patches in (("none", ()), ("one", (ONE,)), ("one-two", (ONE, TWO)), ("two", (TWO,))):
        publish(cache, replace(BASE, name=name, patches=patches), tree=True)
    assert seed_name(cache, replace(BASE, patches=(ONE, TWO, THREE))) == "one-two"
    assert seed_name(cache, replace(BASE, patches=(ONE, THREE))) == "one"
    assert seed_name(cache, replace(BASE, patches=(TWO, ONE))) == "two"
    assert seed_name(cache, BASE) == "none"


@pytest.mark.parametrize(
    ("patches", "asked", "serves"),
    [
        ((), (), True),
        ((), (ONE,), True),
        ((ONE,), (ONE,), True),
        ((ONE,), (ONE, TWO), True),
        ((ONE,), (), False),
        ((ONE,), (TWO,), False),
        ((ONE,), (TWO, ONE), False),
        ((ONE, TWO), (ONE,), False),
    ],
    ids=str,
)
def test_objects_of_a_patch_are_in_no_kernel_without_it(
    cache: KernelCache, patches: tuple[Patch, ...], asked: tuple[Patch, ...], serves: bool
) -> None:
    """The code of a patch can write any object of its tree."""
    publish(cache, replace(BASE, name="seed", patches=patches), tree=True)
    assert bool(cache.seed(replace(BASE, patches=asked))) is serves
    assert replace(BASE, patches=asked).can_start_from(replace(BASE, patches=patches)) is serves


def a_source(
    directory: Path, id: str, version: tuple[int, int], origin: str = "", named: BuiltSource | None = None
) -> SourceTree:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Makefile").write_text(f"VERSION = {version[0]}\nPATCHLEVEL = {version[1]}\nSUBLEVEL = 4\n")
    return SourceTree(id, id, directory, origin=origin, named=named)


def test_another_source_seeds_by_origin_and_then_by_version(cache: KernelCache, tmp_path: Path) -> None:
    own = replace(BASE, source=a_source(tmp_path / "mine", "mine", (7, 3), "git"))
    debian = DebianSource("linux-source-7.3", "trixie")
    sources = (
        ("far", (6, 12), "", debian, ""),
        ("unpublished", (7, 3), "", None, ""),
        ("version", (7, 3), "", debian, "version"),
        ("origin", (7, 2), "git", None, "origin"),
    )
    for name, version, origin, named, expected in sources:
        other = replace(BASE, name=name, source=a_source(tmp_path / name, name, version, origin, named))
        build = publish(cache, other, tree=True)
        a_source(cache.root / "trees" / build.key / "tree", name, version)
        seed = cache.seed(own)
        assert (seed.name if seed else "") == expected


@pytest.mark.parametrize("names", [("same", "other"), ("other", "same")])
def test_an_equal_request_is_preferred_among_equal_prefixes(cache: KernelCache, names: tuple[str, str]) -> None:
    for name in names:
        request = BASE.request if name == "same" else "CONFIG_B=y\n"
        publish(cache, replace(BASE, name=name, request=request), key=f"key-{names.index(name)}", tree=True)
    assert seed_name(cache, BASE) == "same"


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, source=replace(BASE.source, id="other"), toolchain=Toolchain("gcc 12", "ld 2.41")),
        replace(BASE, toolchain=Toolchain("gcc 13", "ld 2.40")),
        replace(BASE, toolchain=Toolchain("gcc 12", "ld 2.41")),
        replace(BASE, toolchain=Toolchain("gcc 12", "ld 2.40", "arm64")),
    ],
)
def test_another_toolchain_never_seeds(cache: KernelCache, other: Recipe) -> None:
    publish(cache, other, tree=True)
    assert cache.seed(BASE) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}', '{"patches": 3}'])
def test_a_tree_with_a_damaged_record_never_seeds(cache: KernelCache, content: str) -> None:
    build = publish(cache, BASE, tree=True)
    (cache.root / "trees" / build.key / "tree.json").write_text(content)
    assert cache.seed(BASE) is None


def test_a_tree_without_a_record_never_seeds(cache: KernelCache) -> None:
    (cache.root / "trees/killed/tree").mkdir(parents=True)
    assert cache.seed(BASE) is None


def test_a_small_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "sub/file", "one\n")
    write_whole(tmp_path / "sub/file", "two\n")
    assert (tmp_path / "sub/file").read_text() == "two\n"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["file"]


def test_a_disk_that_refuses_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(InfrastructureError, match=r"file: cannot be written: Is a directory"):
        write_whole(tmp_path / "file", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_lock_of_a_recipe_is_the_same_file_for_everybody(cache: KernelCache) -> None:
    assert cache.lock("key") == KernelCache(cache.root).lock("key")
    assert cache.lock("key") != cache.lock("other")
    assert cache.lock("key").parent.is_dir()

# SPDX-License-Identifier: GPL-2.0-only
"""Listing, removal and verification of cache entries, with builds of the toy kernel."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.entries import Entry, EntryKind, entries
from orchestrator.kernel.cache.files import git_tree_id, manifest_of, record_source, source_problems
from orchestrator.kernel.cache.gc import choose, collect
from orchestrator.kernel.cache.sealed import seal
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import Broken, verify
from orchestrator.kernel.model import Recipe, SourceTree
from tests.toy_build import toy_recipe

TOY = Path(__file__).parents[2] / "data/toy-kernel"
ID = "0123456789abcdef0123456789abcdef"


def base(cache: KernelCache) -> Recipe:
    """Return a recipe of the toy kernel, from a source in `cache`."""
    recipe = toy_recipe(cache.root / "sources" / ID)
    return replace(recipe, name="base", source=SourceTree(ID * 2, "linux-source-7.3 7.3.4-1", recipe.source.path))


def special(cache: KernelCache) -> Recipe:
    """Return the recipe with another configuration, whose tree is therefore kept too."""
    return replace(base(cache), name="special", request="CONFIG_MMU=y\nCONFIG_SPECIAL=y\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> KernelCache:
    """A cache with two builds of one source and an entry of every other kind."""
    cache = KernelCache(tmp_path_factory.mktemp("made") / "cache")
    shutil.copytree(TOY, cache.root / "sources" / ID)
    builder = Builder(LocalHost(), cache, 2, ignore)
    builder.build(base(cache))
    builder.build(special(cache))
    cache.sweep()
    for name, text in {
        "selftests/0a/install/kselftest-list.txt": "vfio:one\nvfio:two\nsize:get_size\n",
        "workloads/0b/alignment": "program",
        "guest-root/0c/bin/busybox": "busybox",
        "git/0d/orch.origin": "/home/me/linux\n",
        "git/0d/HEAD": "ref: refs/heads/main\n",
        "apt/trixie/lists/Packages": "Package: linux\n",
        "apt/trixie/archives/0e/linux.deb": "package",
        "apt/trixie/archives/0f.partial/linux.deb": "pack",
        "ccache/0/1/object": "object",
        "failed/base-0123.log": "error\n",
        "mine/notes": "not orch's\n",
        "work/00.1a2b3c4d/tree/half": "half an object\n",
        "trash/1234/file": "rubbish",
        "bisect/5678/HEAD": "ref: refs/heads/main\n",
        "git/0e/branches": "all that a full disk took of git init",
        "sources/ff.partial/Makefile": "VERSION",
        "recipes/.00.17.ab": "half a key",
    }.items():
        (cache.root / name).parent.mkdir(parents=True, exist_ok=True)
        (cache.root / name).write_text(text)
    for place in ("selftests/0a", "workloads/0b", "guest-root/0c"):
        seal(cache.root / place)
    return cache


@pytest.fixture
def cache(made: KernelCache, tmp_path: Path) -> KernelCache:
    """A copy of the cache, with hard links and times kept."""
    subprocess.run(("cp", "-a", made.root, tmp_path / "cache"), check=True)
    return KernelCache(tmp_path / "cache")


def found(cache: KernelCache, kind: EntryKind) -> list[Entry]:
    return [entry for entry in entries(cache) if entry.kind is kind]


def last_used(cache: KernelCache, *places: str) -> None:
    """Set the times of last use: old for `places` (patterns), in order; now for others."""
    for entry in entries(cache):
        os.utime(entry.place, (2e9, 2e9))
    for time, pattern in enumerate(places, 1):
        matched = [*cache.root.glob(pattern)]
        assert matched, pattern
        for place in matched:
            os.utime(place, (time, time))


def test_every_entry_has_its_words(cache: KernelCache) -> None:
    descriptions = {(entry.kind, entry.what) for entry in entries(cache)}
    assert descriptions == {
        (EntryKind.SOURCE, "linux-source-7.3 7.3.4-1"),
        (EntryKind.TREE, "base: Linux 7.3.4"),
        (EntryKind.TREE, "special: Linux 7.3.4"),
        (EntryKind.BUILD, "base: Linux 7.3.4"),
        (EntryKind.BUILD, "special: Linux 7.3.4"),
        (EntryKind.RECIPES, "3 recipes, and the build that each resolves to"),
        (EntryKind.SELFTESTS, "selftests vfio, size: 3 programs"),
        (EntryKind.WORKLOAD, "the alignment program"),
        (EntryKind.ROOT, "guest root"),
        (EntryKind.GIT, "/home/me/linux"),
        (EntryKind.APT, "package lists of trixie"),
        (EntryKind.APT, "linux.deb of trixie"),
        (EntryKind.LEFT, "an unfinished download for trixie"),
        (EntryKind.CCACHE, "the compiler's cache"),
        (EntryKind.LOG, "base-0123.log"),
        (EntryKind.LEFT, "work: 00.1a2b3c4d"),
        (EntryKind.LEFT, "trash: 1234"),
        (EntryKind.LEFT, "bisect: 5678"),
        (EntryKind.LEFT, "unfinished in git: 0e"),
        (EntryKind.LEFT, "unfinished in sources: ff.partial"),
        (EntryKind.OTHER, "mine"),
        (EntryKind.OTHER, "locks"),
    }


def test_the_sizes_add_up_to_what_the_disk_has_though_files_are_shared(cache: KernelCache) -> None:
    total = sum(entry.size for entry in entries(cache))
    du = subprocess.run(("du", "-s", "-B1", cache.root), capture_output=True, text=True, check=True)
    # The directories of the kinds, at most a block each, belong to no entry.
    assert 0 <= int(du.stdout.split()[0]) - total <= 20 * 4096
    (source,) = found(cache, EntryKind.SOURCE)
    tree = found(cache, EntryKind.TREE)[0]
    alone = subprocess.run(("du", "-s", "-B1", tree.place), capture_output=True, text=True, check=True)
    assert tree.size < int(alone.stdout.split()[0])
    assert source.size > 0


def test_listing_reads_only(cache: KernelCache) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        every = (cache.root, *cache.root.rglob("*"))
        return {path: (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in every}

    before = state()
    entries(cache)
    verify(cache)
    assert state() == before
    assert entries(KernelCache(cache.root / "no-such-cache")) == ()


def test_a_source_counts_as_used_when_one_of_its_trees_is(cache: KernelCache) -> None:
    (tree, *_) = found(cache, EntryKind.TREE)
    os.utime(cache.root / "sources" / ID, (1, 1))
    os.utime(tree.place, (2e9, 2e9))
    assert found(cache, EntryKind.SOURCE)[0].used == 2e9


def test_what_is_of_no_use_goes_and_nothing_else(cache: KernelCache) -> None:
    removal = choose(entries(cache), (), None)
    assert {entry.kind for entry in removal.entries} == {EntryKind.LEFT}
    assert removal.freed > 0
    collect(cache, removal, ())
    assert not found(cache, EntryKind.LEFT)
    assert not (cache.root / "recipes/.00.17.ab").exists()
    assert cache.lookup(base(cache))
    assert cache.lookup(special(cache))
    assert (cache.root / "mine/notes").exists()
    assert removal.left - 4096 <= sum(entry.size for entry in entries(cache)) <= removal.left


def test_what_was_not_used_for_longest_goes_first_until_it_is_enough(cache: KernelCache) -> None:
    last_used(cache, "failed/*", "builds/*", "selftests/*")
    every = entries(cache)
    useless = choose(every, (), None)
    # The entries are too large by exactly the size of the log and the two builds.
    keep = useless.left - sum(entry.size for entry in every if entry.kind in (EntryKind.LOG, EntryKind.BUILD))
    removal = choose(every, (), keep)
    assert [entry.kind for entry in removal.old] == [EntryKind.LOG, EntryKind.BUILD, EntryKind.BUILD]
    assert removal.left == keep
    collect(cache, removal, ())
    assert cache.lookup(base(cache)) is None
    assert not [*(cache.root / "recipes").iterdir()], "recipes whose build was removed are removed"
    assert found(cache, EntryKind.SELFTESTS)
    assert verify(cache).broken == []


def test_trees_go_before_the_source_whose_files_they_share(cache: KernelCache) -> None:
    last_used(cache, "sources/*", "trees/*")
    removal = choose(entries(cache), (), 0)
    kinds = [entry.kind for entry in removal.old][:3]
    assert kinds == [EntryKind.TREE, EntryKind.TREE, EntryKind.SOURCE]


def test_even_of_nothing_to_keep_others_files_are_left_alone(cache: KernelCache) -> None:
    removal = choose(entries(cache), (), 0)
    collect(cache, removal, ())
    assert {entry.kind for entry in entries(cache)} <= {EntryKind.OTHER, EntryKind.RECIPES}
    assert (cache.root / "mine/notes").read_text() == "not orch's\n"
    assert removal.left > 0


def test_what_was_collected_can_be_made_again(cache: KernelCache) -> None:
    collect(cache, choose(entries(cache), (), 0), ())
    shutil.copytree(TOY, cache.root / "sources" / ID)
    assert Builder(LocalHost(), cache, 2, ignore).build(base(cache)).cached is False
    assert verify(cache).broken == []


def test_a_broken_entry_is_of_no_use(cache: KernelCache) -> None:
    bad = next(cache.builds.iterdir())
    removal = choose(entries(cache), [Broken(bad, "cut")], None)
    assert bad in {entry.place for entry in removal.useless}


def damage_provenance(cache: KernelCache) -> Path:
    (cache.builds / built(cache) / "provenance.json").write_text("{")
    return cache.builds / built(cache)


def built(cache: KernelCache) -> str:
    return (cache.root / "recipes" / base(cache).key).read_text().strip()


def flip(path: Path) -> Path:
    """Change one byte of an entry's file, but not its size or its hard links."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-1])
    return path


@pytest.mark.parametrize(
    ("damage", "place", "expected"),
    [
        (lambda c: flip(c.builds / built(c) / "vmlinux"), "builds", "the content of vmlinux has changed"),
        (lambda c: cut(c.builds / built(c) / "vmlinux"), "builds", r"vmlinux has \d+ bytes, and had \d+"),
        (lambda c: flip(c.builds / built(c) / "config"), "builds", "the content of config has changed"),
        (lambda c: (c.builds / built(c) / "build.log").unlink(), "builds", "build.log is missing"),
        (damage_provenance, "builds", "provenance.json cannot be read"),
        (lambda c: (c.root / "trees" / built(c) / "tree.json").unlink(), "trees", "tree.json cannot be read"),
        (lambda c: (c.root / "trees" / built(c) / "tree.json").write_text("{}"), "trees", "tree.json lacks 'built_at'"),
        (lambda c: shutil.rmtree(c.root / "trees" / built(c) / "tree/build"), "trees", "build/.config is missing"),
        (lambda c: flip(c.root / "trees" / built(c) / "tree/build/mm/mmap.o"), "trees", "directory build/mm is not as"),
        (lambda c: cut(c.root / "trees" / built(c) / "tree/build/.config"), "trees", "directory build is not as built"),
        (lambda c: shutil.rmtree(c.builds / built(c)), "recipes", "its build is missing"),
        (lambda c: (c.root / "recipes" / base(c).key).write_text(""), "recipes", "its build is missing"),
        (lambda c: (c.root / "selftests/0a/install/kselftest-list.txt").unlink(), "selftests", "kselftest-list.txt is"),
        (lambda c: (c.root / "workloads/0b/alignment").unlink(), "workloads", "alignment is missing"),
        (lambda c: cut(c.root / "workloads/0b/alignment"), "workloads", "alignment has 6 bytes, and had 7"),
        (lambda c: (c.root / "guest-root/0c/bin/busybox").unlink(), "guest-root", "bin/busybox is missing"),
        (lambda c: flip(c.root / "guest-root/0c/bin/busybox"), "guest-root", "the content of bin/busybox has changed"),
        (lambda c: write(c.root / "accelerators/0d.json", "{"), "accelerators", "it cannot be read"),
        (lambda c: write(c.root / "durations/0e.json", "[]"), "durations", "it is not a JSON object"),
        (lambda c: (c.root / "sources" / ID / "Makefile").unlink(), "sources", "it holds no Linux source"),
        (lambda c: (c.root / "sources" / ID / "mm/extra.c").touch(), "sources", "directory mm is not as unpacked"),
        (lambda c: (c.root / "sources" / ID / "mm/mmap.c").unlink(), "sources", "directory mm is not as unpacked"),
    ],
)
def test_damage_is_found_named_and_repaired(
    cache: KernelCache, damage: Callable[[KernelCache], object], place: str, expected: str
) -> None:
    assert verify(cache).broken == []
    damage(cache)
    broken = verify(cache).broken
    assert broken
    assert broken[0].place.parent == cache.root / place
    assert re.search(expected, broken[0].what), broken
    collect(cache, choose(entries(cache), broken, None), broken)
    assert verify(cache).broken == []
    if not (cache.root / "sources" / ID).exists():
        shutil.copytree(TOY, cache.root / "sources" / ID)
    again = Builder(LocalHost(), cache, 2, ignore).build(base(cache))
    assert "return special(entry);" in again.image.read_text()
    assert verify(cache).broken == []


def test_a_source_that_somebody_wrote_to_takes_its_trees_along(cache: KernelCache) -> None:
    file = cache.root / "sources" / ID / "mm/mmap.c"
    assert file.stat().st_nlink > 1
    flip(file)
    broken = {entry.place.parent.name for entry in verify(cache).broken}
    assert broken == {"sources", "trees"}


def test_what_an_earlier_orch_made_is_not_recorded_and_not_broken(cache: KernelCache) -> None:
    manifest_of(cache.root / "sources" / ID).unlink()
    provenance = cache.builds / built(cache) / "provenance.json"
    facts = json.loads(provenance.read_text())
    provenance.write_text(
        json.dumps({name: value for name, value in facts.items() if name not in ("files", "own_sha256")})
    )
    manifest_of(cache.root / "trees" / built(cache) / "tree").unlink()
    found = verify(cache)
    assert (found.broken, found.unrecorded) == ([], 3)
    flip(cache.builds / built(cache) / "config")
    assert [entry.what for entry in verify(cache).broken] == ["the content of config has changed"]


def test_a_manifest_that_cannot_be_read_is_a_broken_source(cache: KernelCache) -> None:
    manifest = manifest_of(cache.root / "sources" / ID)
    manifest.write_bytes(gzip.compress(b"name\n0123 nowhere")[:-4])
    assert verify(cache).broken[0].place == cache.root / "sources" / ID


def test_a_source_is_recorded_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(TOY, tree)
    record_source(tree, "toy")
    (tree / "mm/mmap.c").write_text("other")
    record_source(tree, "toy")
    assert source_problems(tree) == ["mm"]
    record_source(tmp_path / "git-0123", "never")
    assert not manifest_of(tmp_path / "git-0123").exists()


def test_a_source_from_git_is_compared_with_the_tree_that_it_is_named_for(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(TOY, repository)
    (repository / "link").symlink_to("Makefile")
    (repository / "mm.c").touch()
    (repository / "scripts/run").touch(mode=0o755)
    git = ("git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b")
    for argv in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "x")):
        subprocess.run((*git, *argv), check=True)
    shown = subprocess.run((*git, "rev-parse", "HEAD^{tree}"), check=True, capture_output=True, text=True)
    tree = shown.stdout.strip()
    cache = KernelCache(tmp_path / "cache")
    source = cache.root / "sources" / f"git-{tree}"
    shutil.copytree(repository, source, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    assert git_tree_id(source) == tree
    assert (verify(cache).whole, verify(cache).broken) == (1, [])
    flip(source / "mm/mmap.c")
    assert [entry.what for entry in verify(cache).broken] == [f"its files are not those of the git tree {tree[:12]}"]
    (source / ".gitattributes").write_text("*.c text eol=crlf\n")
    assert verify(cache).broken, "an attribute is no excuse"

# SPDX-License-Identifier: GPL-2.0-only
"""The whole way from a recipe to a build.

It uses the real make on a kernel of three objects (data/toy-kernel).
"""

from __future__ import annotations

import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, InfrastructureError, KernelBuildError, PatchError
from orchestrator.events import Event, Kind
from orchestrator.host.local import LocalHost
from orchestrator.host.recorder import Recorder
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.clone import clone
from orchestrator.kernel.model import KernelBuild, Recipe, SourceTree, Toolchain
from orchestrator.kernel.patch.series import read_patch

TOY = Path(__file__).parents[2] / "data/toy-kernel"
TOOLS = Toolchain("toy cc 1", "toy ld 1")


class Bench:
    """A builder with a cache of its own, and a record of its work."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.source = place / "source"
        shutil.copytree(TOY, self.source)
        self.host = Recorder(LocalHost())
        self.events: list[Event] = []
        self.cache = KernelCache(place / "cache")
        self.builder = Builder(self.host, self.cache, 2, self.events.append)

    def recipe(self, name: str, *patches: str, request: str = "CONFIG_MMU=y\n", **required: str) -> Recipe:
        """Return a recipe of the toy kernel with patches of these texts."""
        files = []
        for number, text in enumerate(patches):
            path = self.place / f"{name}-{number}.patch"
            path.write_text(text)
            files.append(read_patch(path))
        source = SourceTree("toy", "toy 7.3", self.source)
        return Recipe(name, "s.yaml:5", source, tuple(files), request, tuple(required.items()), TOOLS)

    def build(self, name: str, *patches: str, request: str = "CONFIG_MMU=y\n", **required: str) -> KernelBuild:
        """Build such a recipe."""
        return self.builder.build(self.recipe(name, *patches, request=request, **required))

    def leftovers(self) -> list[str]:
        """Return the remaining files of unfinished builds."""
        work = self.cache.root / "work"
        return [path.name for path in work.iterdir()] if work.exists() else []

    def phases(self, kind: Kind = Kind.END) -> list[str]:
        """Return the phases with this end."""
        return [event.phase for event in self.events if event.kind is kind]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Make a bench with the base kernel built."""
    bench = Bench(tmp_path_factory.mktemp("base"))
    bench.build("base")
    return bench


@pytest.fixture
def based(base: Bench, tmp_path: Path) -> Bench:
    """Make a bench of its own with the base kernel built already.

    Its tree was built elsewhere, as a seed's always is.
    """
    bench = Bench(tmp_path)
    shutil.copytree(base.place, tmp_path, symlinks=True, dirs_exist_ok=True)
    return bench


def change(file: str, line: int, before: str, old: str, after: str, *new: str) -> str:
    """Return a patch that replaces line `line` by `new`.

    It has one line of context on each side.
    """
    added = "".join(f"+{row}\n" for row in new)
    return (
        f"diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n"
        f"@@ -{line - 1},3 +{line - 1},{len(new) + 2} @@\n {before}\n-{old}\n{added} {after}\n"
    )


def in_mmap(new: str) -> str:
    """Return a patch that replaces the body of mmap()."""
    return change("mm/mmap.c", 5, "{", "\treturn special(entry);", "}", new)


ALIGN = in_mmap("\treturn special(entry) | align;")
BREAK = in_mmap("BROKEN")
FILL = in_mmap("HUNGRY")
NEW_FILE = "new file mode 100644\n--- /dev/null\n+++ b/mm/extra.c\n@@ -0,0 +1 @@\n+extra\n"
ADD_OPTION = (
    change("Kconfig", 2, "config MMU", '\tbool "Memory management"', "", '\tbool "M"', "", "config EXTRA", '\tbool "X"')
    + "diff --git a/mm/extra.c b/mm/extra.c\n"
    + NEW_FILE
)


def test_modules_are_built_only_when_asked_for_and_are_ready_for_a_guest(bench: Bench) -> None:
    plain = bench.recipe("base")
    assert bench.builder.build(plain).modules is None
    build = bench.builder.build(replace(plain, modules=True))
    assert build.modules == build.directory
    installed = build.directory / "lib/modules/7.3.4"
    assert (installed / "modules.dep").read_text() == "kernel/toy.ko:\n"
    assert (installed / "kernel/toy.ko").exists()
    assert not (installed / "build").is_symlink()
    assert "modules_install" in (build.directory / "commands.sh").read_text()
    assert bench.builder.build(replace(plain, modules=True)).cached
    assert bench.builder.build(plain).modules is None


def test_a_configuration_without_modules_where_they_are_asked_for_is_refused(bench: Bench) -> None:
    recipe = replace(bench.recipe("base", request="CONFIG_SPECIAL=y\n"), modules=True)
    with pytest.raises(
        ConfigError, match=r"s\.yaml:5: kernel 'base' must have modules, and its configuration makes none"
    ):
        bench.builder.build(recipe)
    assert bench.leftovers() == []


def test_the_first_build_is_made_from_nothing(bench: Bench) -> None:
    build = bench.build("base")
    assert (build.objects, build.cached, build.version) == (2, False, "7.3.4")
    assert f"version {build.key[:12]}\n" in build.image.read_text()
    assert "CONFIG_MMU=y\n" in build.config.read_text()
    assert "  CC      mm/mmap.o\n" in (build.directory / "build.log").read_text()
    assert "vmlinux" in (build.directory / "commands.sh").read_text()
    assert bench.phases() == ["clone", "patch", "configure", "build"]
    assert bench.leftovers() == []


def test_the_source_is_never_written_to(bench: Bench) -> None:
    before = {path: path.read_bytes() for path in bench.source.rglob("*") if path.is_file()}
    bench.build("base")
    bench.build("align", ALIGN)
    assert {path: path.read_bytes() for path in bench.source.rglob("*") if path.is_file()} == before


def test_a_variant_compiles_what_its_patch_changes(based: Bench) -> None:
    base = based.build("base")
    align = based.build("align", ALIGN)
    assert align.objects == 1
    assert "| align" in align.image.read_text()
    assert "| align" not in base.image.read_text()
    assert align.key != base.key
    assert any("from base" in event.text for event in based.events if event.phase == "clone")


def test_a_variant_is_the_same_as_if_it_were_made_from_nothing(based: Bench, tmp_path: Path) -> None:
    cloned = based.build("align", ALIGN)
    (tmp_path / "other").mkdir()
    full = Bench(tmp_path / "other").build("align", ALIGN)
    assert full.objects == 2
    assert cloned.key == full.key
    assert cloned.image.read_bytes() == full.image.read_bytes()


@pytest.mark.parametrize("name", ["GNUMAKEFLAGS", "MAKEFLAGS", "MAKEFILES", "KCONFIG_CONFIG"])
def test_what_the_user_tells_make_does_not_reach_a_build(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = bench.place / "of-the-user"
    file.write_text("$(error this is the user's own)\n")
    monkeypatch.setenv(name, "-n" if name.endswith("FLAGS") else str(file))
    assert bench.build("base").objects == 2
    assert file.read_text().startswith("$(error")


def test_what_the_disk_does_not_take_is_never_published(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(place))

    monkeypatch.setattr("orchestrator.kernel.cache.store.sync_disk", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        bench.build("base")
    assert not list(bench.cache.builds.iterdir())
    assert bench.leftovers() == []


def test_what_is_built_is_not_built_again(bench: Bench) -> None:
    first = bench.build("base")
    ran, reported = len(bench.host.lines), len(bench.events)
    again = bench.build("again")
    assert (len(bench.host.lines), len(bench.events)) == (ran, reported)
    assert again == replace(first, name="again", cached=True, seconds=again.seconds)


def test_two_at_once_build_it_once(bench: Bench) -> None:
    recipe = bench.recipe("base")
    with ThreadPoolExecutor(2) as pool:
        builds = list(pool.map(bench.builder.build, [recipe, recipe]))
    assert sorted(build.cached for build in builds) == [False, True]


def test_two_requests_that_come_to_the_same_are_one_build(bench: Bench) -> None:
    first = bench.build("base")
    twin = bench.build("twin", request="CONFIG_MMU=y\nCONFIG_NOT_IN_THIS_KERNEL=y\n")
    assert (twin.key, twin.cached, twin.name) == (first.key, True, "twin")
    assert bench.phases().count("build") == 1
    ran = len(bench.host.lines)
    assert bench.build("twin", request="CONFIG_MMU=y\nCONFIG_NOT_IN_THIS_KERNEL=y\n").cached
    assert len(bench.host.lines) == ran


def test_a_kernel_that_does_not_compile_says_its_first_error_and_keeps_its_log(bench: Bench) -> None:
    with pytest.raises(KernelBuildError) as caught:
        bench.build("broken", BREAK)
    message = str(caught.value)
    assert message.startswith(
        "kernel 'broken' does not build: ../mm/mmap.c:5:1: error: unknown type name 'BROKEN' (log: "
    )
    log = Path(message.split("(log: ")[1].rstrip(")"))
    assert "unknown type name" in log.read_text()
    assert bench.leftovers() == []
    assert not bench.cache.builds.exists()
    assert bench.cache.seed(bench.recipe("broken", BREAK)) is None
    assert "build" in bench.phases(Kind.FAILED)


def test_a_broken_variant_does_not_harm_the_tree_that_it_starts_from(based: Bench) -> None:
    with pytest.raises(KernelBuildError):
        based.build("broken", BREAK)
    assert based.build("align", ALIGN).objects == 1


def test_a_full_disk_is_not_the_kernels_fault(bench: Bench) -> None:
    with pytest.raises(InfrastructureError, match=r"building kernel 'full': no space was left on the disk of /"):
        bench.build("full", FILL)
    assert bench.leftovers() == []


def test_a_required_option_that_does_not_hold_is_named_before_anything_is_compiled(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"s\.yaml:5: kernel 'huge': CONFIG_HUGE=y did not survive.*MMU \[n\]"):
        bench.build("huge", request="CONFIG_HUGE=y\n", HUGE="y")
    assert "build" not in bench.phases()
    assert bench.leftovers() == []


def test_what_is_required_is_verified_also_where_an_equal_build_is_at_hand(bench: Bench) -> None:
    request = "CONFIG_MMU=y\nCONFIG_EXTRA=y\n"
    bench.build("base", request=request)
    with pytest.raises(ConfigError, match="CONFIG_EXTRA=y did not survive"):
        bench.build("same", request=request, EXTRA="y")
    with pytest.raises(ConfigError, match="CONFIG_EXTRA=y did not survive"):
        bench.build("same", ALIGN, request=request, EXTRA="y")


def test_a_patch_that_touches_kconfig_has_the_configuration_made_again(bench: Bench) -> None:
    request = "CONFIG_MMU=y\nCONFIG_EXTRA=y\n"
    base = bench.build("base", request=request)
    extra = bench.build("extra", ADD_OPTION, request=request, EXTRA="y")
    assert "EXTRA" not in base.config.read_text()
    assert "CONFIG_EXTRA=y\n" in extra.config.read_text()
    assert extra.objects == 1
    assert "extra\n" in extra.image.read_text()


def test_a_patch_that_does_not_apply_leaves_nothing(based: Bench) -> None:
    with pytest.raises(PatchError, match=r"kernel 'twice': patch twice-1\.patch does not apply: mm/mmap\.c, hunk 1"):
        based.build("twice", ALIGN, ALIGN)
    assert based.leftovers() == []


def test_a_flipped_option_makes_only_the_objects_that_use_what_it_guards(based: Bench, tmp_path: Path) -> None:
    request = "CONFIG_MMU=y\nCONFIG_SPECIAL=y\n"
    flipped = based.build("special", request=request, SPECIAL="y")
    assert flipped.objects == 1
    (tmp_path / "other").mkdir()
    full = Bench(tmp_path / "other").build("special", request=request, SPECIAL="y")
    assert full.objects == 2
    assert flipped.image.read_bytes() == full.image.read_bytes()


def test_a_build_continues_from_a_flipped_tree_as_from_any_other(based: Bench, tmp_path: Path) -> None:
    request = "CONFIG_MMU=y\nCONFIG_SPECIAL=y\n"
    based.build("special", request=request)
    patched = based.build("align", ALIGN, request=request)
    assert patched.objects == 1
    (tmp_path / "other").mkdir()
    full = Bench(tmp_path / "other").build("align", ALIGN, request=request)
    assert patched.image.read_bytes() == full.image.read_bytes()


def test_a_workspace_of_a_killed_build_does_not_matter(bench: Bench) -> None:
    stale = bench.cache.root / "work" / bench.recipe("base").key / "tree"
    stale.mkdir(parents=True)
    (stale / "Makefile").write_text("broken")
    assert bench.build("base").objects == 2


def test_a_clone_keeps_times_links_sources_and_copies_the_build(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    shutil.copytree(TOY, origin)
    (origin / "build").mkdir()
    (origin / "build/vmlinux").write_text("image")
    (origin / "Kbuild.link").symlink_to("Kbuild")
    clone(LocalHost(), origin, tmp_path / "tree", built_at="/old/place")
    assert (tmp_path / "tree/Makefile").samefile(origin / "Makefile")
    assert not (tmp_path / "tree/build/vmlinux").samefile(origin / "build/vmlinux")
    assert (tmp_path / "tree/build/vmlinux").stat().st_mtime_ns == (origin / "build/vmlinux").stat().st_mtime_ns
    assert (tmp_path / "tree/Kbuild.link").is_symlink()


def test_a_clone_names_itself_where_the_records_named_the_place_of_the_build(tmp_path: Path) -> None:
    origin, tree = tmp_path / "origin", tmp_path / "tree"
    (origin / "build/tools").mkdir(parents=True)
    files = {"tools/.objtool.o.cmd": "cmd_/old/place/x := gcc /old/place/x.c\n", "tools/.x.d": "/old/place/x.o: \\\n"}
    for name, text in files.items():
        (origin / "build" / name).write_text(text)
    (origin / "build/unrelated.txt").write_text("/old/place\n")
    (origin / "file").touch()
    clone(LocalHost(), origin, tree, built_at="/old/place")
    for name, text in files.items():
        assert (tree / "build" / name).read_text() == text.replace("/old/place", str(tree))
        assert (origin / "build" / name).read_text() == text
    assert (tree / "build/unrelated.txt").read_text() == "/old/place\n"


def test_a_clone_of_pristine_source_has_no_build(tmp_path: Path) -> None:
    clone(LocalHost(), TOY, tmp_path / "tree")
    assert not (tmp_path / "tree/build").exists()
    assert (tmp_path / "tree/mm/mmap.c").exists()

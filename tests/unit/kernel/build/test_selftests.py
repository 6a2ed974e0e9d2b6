# SPDX-License-Identifier: GPL-2.0-only
"""Selftests from a kernel's source: built once per content, completely or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError, KernelBuildError
from orchestrator.events import Event
from orchestrator.host.local import LocalHost
from orchestrator.host.recorder import Recorder
from orchestrator.kernel.build.selftests import SelftestsBuilder, has_selftests, selftests_key
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.model import Recipe, SourceTree, Toolchain
from orchestrator.kernel.patch.series import read_patch

TOP = "headers:\n\tmkdir -p usr/include\n\ttouch usr/include/made.h\n"
SUITE = """\
install:
	test -e ../../../usr/include/made.h
	@for t in $(TARGETS); do $(MAKE) -C $$t || exit 1; done
	mkdir -p $(INSTALL_PATH)
	echo vfio:`cat vfio/name` > $(KSFT_INSTALL_PATH)/kselftest-list.txt
"""
PATCH = """\
--- a/tools/testing/selftests/vfio/name
+++ b/tools/testing/selftests/vfio/name
@@ -1 +1 @@
-old_test
+new_test
"""
BREAK = """\
--- a/tools/testing/selftests/vfio/Makefile
+++ b/tools/testing/selftests/vfio/Makefile
@@ -1,2 +1,2 @@
 all:
-	@echo built
+	@echo "x.c:7:1: error: unknown type"; exit 1
"""


class Bench:
    """A builder, a source with a suite of one program, and the commands."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.source = place / "source"
        suite = self.source / "tools/testing/selftests"
        (suite / "vfio").mkdir(parents=True)
        (self.source / "Makefile").write_text(TOP)
        (suite / "Makefile").write_text(SUITE)
        (suite / "vfio/Makefile").write_text("all:\n\t@echo built\n")
        (suite / "vfio/name").write_text("old_test\n")
        self.events: list[Event] = []
        self.host = Recorder(LocalHost())
        self.cache = KernelCache(place / "cache")
        self.builder = SelftestsBuilder(self.host, self.cache, 2, self.events.append)

    def recipe(self, *patches: str) -> Recipe:
        """Return a recipe of that source with patches of these texts."""
        files = []
        for number, text in enumerate(patches):
            path = self.place / f"{number}.patch"
            path.write_text(text)
            files.append(read_patch(path))
        source = SourceTree("toy", "toy 7.3", self.source)
        return Recipe("mine", "s.yaml:5", source, tuple(files), "", (), Toolchain("cc 1", "ld 1"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_they_are_built_once(bench: Bench) -> None:
    recipe = bench.recipe()
    assert not has_selftests(bench.cache, recipe, ("vfio",))
    built = bench.builder.build(recipe, ("vfio",))
    count = bench.host.script().count("\n")
    assert built == bench.builder.build(recipe, ("vfio",))
    assert bench.host.script().count("\n") == count
    assert has_selftests(bench.cache, recipe, ("vfio",))
    assert built.listed == "vfio:old_test\n"
    assert (built.directory.parent / "build.log").exists()
    assert "install" in (built.directory.parent / "commands.sh").read_text()
    assert bench.events[0].phase == "selftests vfio"


@pytest.mark.parametrize("damage", [lambda path: path.write_text(""), Path.unlink, lambda path: path.chmod(0)])
def test_those_that_are_broken_are_built_again(bench: Bench, damage: Callable[[Path], object]) -> None:
    recipe = bench.recipe()
    damage(bench.builder.build(recipe, ("vfio",)).directory / "kselftest-list.txt")
    assert bench.builder.build(recipe, ("vfio",)).listed == "vfio:old_test\n"


def test_patches_are_applied_and_the_source_stays_as_it_is(bench: Bench) -> None:
    assert bench.builder.build(bench.recipe(PATCH), ("vfio",)).listed == "vfio:new_test\n"
    assert (bench.source / "tools/testing/selftests/vfio/name").read_text() == "old_test\n"
    assert not (bench.source / "usr").exists()


def test_an_error_is_the_kernels_and_leaves_nothing_but_its_log(bench: Bench) -> None:
    with pytest.raises(KernelBuildError, match=r"selftests of kernel 'mine' do not build: x\.c:7:1: error: unknown"):
        bench.builder.build(bench.recipe(BREAK), ("vfio",))
    assert not has_selftests(bench.cache, bench.recipe(BREAK), ("vfio",))
    assert not list((bench.cache.root / "work").iterdir())
    assert len(list((bench.cache.root / "failed").iterdir())) == 1


MISSING = 'echo "x.c:7:10: fatal error: {}: No such file or directory"; echo " 7 | #include {}"; exit 1'


def missing(name: str, included: str) -> str:
    """A patch after which the compiler does not find a header."""
    echo = MISSING.format(name, included.replace('"', '\\"'))
    return BREAK.replace('echo "x.c:7:1: error: unknown type"; exit 1', echo)


def test_a_header_that_the_host_lacks_is_the_infrastructures(bench: Bench) -> None:
    with pytest.raises(InfrastructureError, match=r"'mine' need the header 'numa\.h', which this host does not have"):
        bench.builder.build(bench.recipe(missing("numa.h", "<numa.h>")), ("vfio",))
    assert len(list((bench.cache.root / "failed").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "included"),
    [
        ("linux/new.h", "<linux/new.h>"),
        ("mine.h", '"mine.h"'),
        ("kselftest.h", "<kselftest.h>"),
        ("x/own.h", "<x/own.h>"),
    ],
)
def test_a_header_of_the_kernel_is_the_kernels(bench: Bench, name: str, included: str) -> None:
    (bench.source / "tools/testing/selftests/kselftest.h").touch()
    (bench.source / "tools/include/x").mkdir(parents=True)
    (bench.source / "tools/include/x/own.h").touch()
    with pytest.raises(KernelBuildError, match="fatal error"):
        bench.builder.build(bench.recipe(missing(name, included)), ("vfio",))


def test_an_unexplained_failure_is_the_infrastructures(bench: Bench) -> None:
    text = BREAK.replace('echo "x.c:7:1: error: unknown type"; exit 1', 'echo "Cannot allocate memory"; exit 1')
    with pytest.raises(CommandError, match="building the selftests of kernel 'mine'"):
        bench.builder.build(bench.recipe(text), ("vfio",))


def test_a_target_that_the_source_does_not_have_is_named(bench: Bench) -> None:
    with pytest.raises(KernelBuildError, match=r"has no selftests 'vfoi'; did you mean 'vfio'\?$"):
        bench.builder.build(bench.recipe(), ("vfoi",))


def test_the_key_is_the_content_and_nothing_else(bench: Bench) -> None:
    recipe = bench.recipe()
    key = selftests_key(recipe, ("vfio", "mm"))
    same = replace(recipe, name="other", where="x", request="CONFIG_A=y\n", required=(("A", "y"),))
    assert selftests_key(same, ("mm", "vfio")) == key
    others = [
        selftests_key(bench.recipe(PATCH), ("vfio", "mm")),
        selftests_key(recipe, ("vfio",)),
        selftests_key(replace(recipe, toolchain=Toolchain("cc 2", "ld 1")), ("vfio", "mm")),
        selftests_key(replace(recipe, source=SourceTree("b", "b", bench.source)), ("vfio", "mm")),
    ]
    assert len({key, *others}) == 5

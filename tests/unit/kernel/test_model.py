# SPDX-License-Identifier: GPL-2.0-only
"""The inputs on which a key depends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.kernel import model
from orchestrator.kernel.model import KernelBuild, Patch, Recipe, SourceTree, Toolchain

ONE = Patch(Path("/a/0001.patch"), "diff one", ("mm/mmap.c",))
TWO = Patch(Path("/a/0002.patch"), "diff two", ("mm/vma.c",))
RECIPE = Recipe(
    name="huge",
    where="s.yaml:4",
    source=SourceTree("sha", "linux-source-7.3 7.3.4-1", Path("/cache/sources/sha")),
    patches=(ONE, TWO),
    request="CONFIG_A=y\n",
    required=(("A", "y"),),
    toolchain=Toolchain("gcc 12", "ld 2.40"),
)
OTHERS = {
    "source": replace(RECIPE, source=replace(RECIPE.source, id="other")),
    "patch text": replace(RECIPE, patches=(ONE, replace(TWO, text="diff three"))),
    "patch order": replace(RECIPE, patches=(TWO, ONE)),
    "one patch less": replace(RECIPE, patches=(ONE,)),
    "compiler": replace(RECIPE, toolchain=Toolchain("gcc 13", "ld 2.40")),
    "linker": replace(RECIPE, toolchain=Toolchain("gcc 12", "ld 2.41")),
    "architecture": replace(RECIPE, toolchain=Toolchain("gcc 12", "ld 2.40", "arm64")),
}
SAME = {
    "name": replace(RECIPE, name="other"),
    "place in the scenario": replace(RECIPE, where="other.yaml:9"),
    "path and title of the source": replace(RECIPE, source=SourceTree("sha", "another name", Path("/elsewhere"))),
    "path of a patch": replace(RECIPE, patches=(replace(ONE, path=Path("/b/renamed.patch")), TWO)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_every_ingredient_changes_both_keys(what: str) -> None:
    assert OTHERS[what].key != RECIPE.key
    assert OTHERS[what].build_key("final") != RECIPE.build_key("final")


@pytest.mark.parametrize("what", SAME)
def test_what_is_only_for_messages_changes_no_key(what: str) -> None:
    assert SAME[what].key == RECIPE.key
    assert SAME[what].build_key("final") == RECIPE.build_key("final")


def test_the_request_and_what_must_hold_belong_to_the_recipe_only() -> None:
    for other in (replace(RECIPE, request="CONFIG_B=y\n"), replace(RECIPE, required=())):
        assert other.key != RECIPE.key
        assert other.build_key("final") == RECIPE.build_key("final")


def test_the_final_configuration_belongs_to_the_build() -> None:
    assert RECIPE.build_key("CONFIG_A=y\n") != RECIPE.build_key("CONFIG_A=m\n")


def test_a_recipe_and_a_build_never_share_a_key() -> None:
    assert RECIPE.key != RECIPE.build_key(RECIPE.request)


def test_another_way_of_building_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RECIPE.key
    monkeypatch.setattr(model, "BUILD_FORMAT", model.BUILD_FORMAT + 1)
    assert RECIPE.key != before


def test_keys_are_good_file_names() -> None:
    assert len(RECIPE.key) == 64
    assert RECIPE.key.isalnum()


def test_a_build_knows_its_files() -> None:
    build = KernelBuild("huge", "k", Path("/b/k"), "7.3.4", 3, 1.0, False)
    assert build.image == Path("/b/k/vmlinux")
    assert build.config == Path("/b/k/config")

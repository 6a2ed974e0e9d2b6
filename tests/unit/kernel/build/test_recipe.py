# SPDX-License-Identifier: GPL-2.0-only
"""From a scenario's kernels to recipes: visible mistakes are found before any build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, PatchError
from orchestrator.events import ignore
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel.build import recipe
from orchestrator.kernel.build.recipe import compose, find_tools, recipes
from orchestrator.kernel.config.fragments import parse
from orchestrator.kernel.model import Recipe, SourceTree, Toolchain
from orchestrator.kernel.source import fetch as source
from orchestrator.kernel.toolchain import detect
from orchestrator.scenario.model import Kernel
from orchestrator.scenario.sources import DebianSource
from tests.fakes import Answer, Call, FakeHost, Match, Reply

TOY = Path(__file__).parents[2] / "data/toy-kernel"
SOURCE = DebianSource("linux-source-7.3", "trixie-backports")
GOOD = """\
--- a/mm/mmap.c
+++ b/mm/mmap.c
@@ -4,3 +4,3 @@
 {
-\treturn special(entry);
+\treturn align;
 }
"""
TOOLS: list[tuple[Match, Reply]] = [
    (("gcc", "--version"), Answer("gcc (Debian 12.2.0) 12.2.0\nCopyright\n")),
    (("ld", "--version"), Answer("GNU ld 2.40\nCopyright\n")),
]


def test_the_toolchain_is_the_first_line_of_each_program() -> None:
    assert detect(FakeHost(TOOLS)) == Toolchain("gcc (Debian 12.2.0) 12.2.0", "GNU ld 2.40", "x86_64")


def test_no_compiler_is_an_error() -> None:
    with pytest.raises(CommandError):
        detect(FakeHost([(("gcc",), CommandError("local: cannot start gcc"))]))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places that requested a source; each source is the toy kernel."""
    asked: list[str] = []

    def fetch(*_: object, where: str, **__: object) -> SourceTree:
        asked.append(where)
        return SourceTree("sha", "toy", TOY)

    monkeypatch.setattr(source, "fetch", fetch)
    monkeypatch.setattr(recipe, "virtme_configkernel", lambda: "virtme-configkernel")
    return asked


def a_host() -> FakeHost:
    def really(call: Call) -> Answer:
        done = LocalHost().run(Command(call.argv, cwd=call.cwd, env=call.env))
        return Answer(done.output, done.status)

    printed = Answer("CONFIG_VIRTIO=y\nCONFIG_SPECIAL=y\n")
    return FakeHost([*TOOLS, (("virtme-configkernel",), printed), (("sh",), really)])


def kernel(tmp_path: Path, name: str, *patches: str) -> Kernel:
    paths = []
    for number, text in enumerate(patches):
        path = tmp_path / f"{name}-{number}.patch"
        path.write_text(text)
        paths.append(path)
    return Kernel(name, SOURCE, tuple(paths), where=f"s.yaml:{name}")


def test_recipes_come_in_order_and_a_source_is_fetched_once(fetched: list[str], tmp_path: Path) -> None:
    kernels = [kernel(tmp_path, "base"), kernel(tmp_path, "align", GOOD)]
    made = recipes(a_host(), tmp_path, kernels, ignore)
    assert [(one.name, one.where, len(one.patches)) for one in made if isinstance(one, Recipe)] == [
        ("base", "s.yaml:base", 0),
        ("align", "s.yaml:align", 1),
    ]
    assert fetched == ["s.yaml:base"]


def test_a_patch_that_does_not_apply_is_found_before_anything_is_built(fetched: list[str], tmp_path: Path) -> None:
    kernels = [kernel(tmp_path, "base"), kernel(tmp_path, "twice", GOOD, GOOD)]
    with pytest.raises(PatchError, match=r"kernel 'twice': patch twice-1\.patch does not apply: mm/mmap\.c, hunk 1"):
        recipes(a_host(), tmp_path, kernels, ignore)


def test_the_scenarios_options_come_after_virtmes_and_are_required(tmp_path: Path) -> None:
    fragment = tmp_path / "a.config"
    fragment.write_text("CONFIG_HUGE=y\nCONFIG_SPECIAL=y\n")
    wanted = Kernel("huge", SOURCE, config=(fragment,), options=(("SPECIAL", "n"),))
    virtme = "CONFIG_VIRTIO=y\nCONFIG_SPECIAL=y\n"
    made = compose(wanted, SourceTree("sha", "toy", TOY), (), virtme, Toolchain("gcc", "ld"))
    assert made.request == "CONFIG_VIRTIO=y\n# CONFIG_SPECIAL is not set\nCONFIG_HUGE=y\n"
    assert dict(made.required) == {"HUGE": "y", "SPECIAL": "n"}


def test_virtmes_own_options_are_not_required(tmp_path: Path) -> None:
    made = compose(
        Kernel("base", SOURCE), SourceTree("sha", "toy", TOY), (), "CONFIG_VIRTIO=y\n", Toolchain("gcc", "ld")
    )
    assert (made.request, made.required) == ("CONFIG_VIRTIO=y\n", ())


@pytest.mark.parametrize("option", [None, "RUST", "DEBUG_INFO_BTF"])
def test_only_an_option_that_needs_a_program_makes_its_version_part_of_the_recipe(option: str | None) -> None:
    wanted = Kernel("base", SOURCE, options=((option, "y"),) if option else ())
    programs = {"RUST": ("rustc", "bindgen"), "DEBUG_INFO_BTF": ("pahole",)}.get(option or "", ())

    def made(**versions: str) -> Recipe:
        tree = SourceTree("sha", "toy", TOY)
        return compose(wanted, tree, (), "CONFIG_VIRTIO=y\n", Toolchain("gcc", "ld"), tuple(versions.items()))

    before = {"rustc": "rustc 1.78", "bindgen": "bindgen 0.69", "pahole": "v1.24"}
    for name in before:
        newer = made(**before | {name: "another"})
        assert (newer.key != made(**before).key) is (name in programs)
    assert parse(made(**before).request) == parse(made().request)


def test_the_programs_are_asked_for_their_versions_once_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("pahole", "v1.24"), ("rustc", "rustc 1.78")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    plain, debug = Kernel("base", SOURCE), Kernel("debug", SOURCE, options=(("DEBUG_INFO_BTF", "y"),))
    for kernels, expected in (((plain,), ()), ((plain, debug), (("pahole", "v1.24"),))):
        (tools,) = find_tools(LocalHost(), kernels).values()
        assert tools[2] == expected

# SPDX-License-Identifier: GPL-2.0-only
"""Kernels made as a product of axes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.scenario.model import CapabilityOverride, Expectation, FaultMaps, Kernel, Level, Placement, Scenario
from orchestrator.scenario.schema.json import json_schema
from orchestrator.scenario.sources import DebianSource
from tests.unit.scenario.schema.test_schema import accepts, loads
from tests.unit.scenario.test_load import load_text
from tests.unit.scenario.validate.test_problems import problems

HEAD = """\
description: What?
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
workloads:
  bar: {run: alignment, device: testdev}
matrix:
"""

AXES = """\
  axes:
    version:
      "6.12": {source: {debian: linux-source-6.12, suite: trixie}, config: guest}
      "7.3":
        source: {debian: linux-source-7.3, suite: sid}
        config: [guest]
        options: {NR_CPUS: 8, KASAN: n}
        expect: {kernel: {level: PTE}, qemu: {level: PUD}}
    patch:
      plain: {}
      pud: {patches: mm-pud, expect: {kernel: {level: PUD}}}
      both: {patches: [mm-pud, vfio-thp]}
    config:
      usual:
      debug: {config: [vfio, debug], options: {CONFIG_KASAN: y}}
"""

SHORT = f"""\
{HEAD}  axes:
    v: {{a: {{source: {{tree: .}}}}, b: {{source: {{tree: .}}, config: vfio}}}}
    p: {{x: , y: {{patches: mm-pud}}}}
"""
"""Line 8 has the axis v, line 9 the axis p."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def matrix(more: str = "", axes: str = AXES) -> Scenario:
    return load_text(Path.cwd(), HEAD + axes + more)


def names(scenario: Scenario) -> list[str]:
    return [kernel.name for kernel in scenario.kernels]


ALL = [
    f"{version}{patch}{config}"
    for version in ("6.12", "7.3")
    for patch in ("", "-pud", "-both")
    for config in ("", "-debug")
]


def test_the_product_has_a_kernel_for_each_combination_in_the_order_of_the_axes() -> None:
    scenario = matrix()
    assert names(scenario) == ALL
    assert scenario.base == "6.12"


def test_a_combination_merges_its_values_as_extends_does(tmp_path: Path) -> None:
    data = tmp_path / "kernels"
    assert matrix().kernel("7.3-both-debug") == Kernel(
        name="7.3-both-debug",
        source=DebianSource("linux-source-7.3", "sid"),
        patches=(data / "patches/mm-pud", data / "patches/vfio-thp"),
        config=tuple(data / f"configs/{name}.config" for name in ("guest", "vfio", "debug")),
        options=(("NR_CPUS", "8"), ("KASAN", "y")),
        expect=(
            (Placement.KERNEL, Expectation(level=Level.PTE)),
            (Placement.QEMU, Expectation(level=Level.PUD)),
        ),
        where="scenarios/pud.yaml:21",
    )
    expect = dict(matrix().kernel("7.3-pud").expect)
    assert expect == {Placement.KERNEL: Expectation(level=Level.PUD), Placement.QEMU: Expectation(level=Level.PUD)}


def test_the_same_kernels_come_of_extends(tmp_path: Path) -> None:
    by_hand = """\
kernels:
  "7.3":
    source: {debian: linux-source-7.3, suite: sid}
    config: [guest]
    options: {NR_CPUS: 8, KASAN: n}
    expect: {kernel: {level: PTE}, qemu: {level: PUD}}
  7.3-both: {extends: "7.3", patches: [mm-pud, vfio-thp]}
  7.3-both-debug: {extends: 7.3-both, config: [vfio, debug], options: {CONFIG_KASAN: y}}
"""
    extended = load_text(tmp_path, HEAD.removesuffix("matrix:\n") + by_hand).kernel("7.3-both-debug")
    made = matrix().kernel("7.3-both-debug")
    assert {**vars(made), "where": ""} == {**vars(extended), "where": ""}


def test_what_a_later_axis_says_wins() -> None:
    axes = """\
  axes:
    version:
      a:
        source: {debian: linux-source-7.3, suite: sid}
        compiler: gcc
        xfail: {life.a: one}
        can: {levels: PTE, faults: entry}
    build:
      b: {compiler: clang, arch: arm64, modules: yes, xfail: {life.fork: two}, can: {levels: , faults: mapping}}
      c: {source: {debian: linux-source-7.2, suite: sid}}
"""
    first, second = matrix(axes=axes).kernels
    assert (first.compiler, first.arch, first.modules, first.xfail) == (
        "clang",
        "arm64",
        True,
        (("life.fork", "two"),),
    )
    assert first.can == CapabilityOverride((Level.PTE,), FaultMaps.MAPPING)
    assert second.source == DebianSource("linux-source-7.2", "sid")
    assert second.compiler == "gcc"


def test_excluded_combinations_are_left_out() -> None:
    scenario = matrix('  exclude:\n    - {version: "6.12", patch: [pud, both]}\n    - {patch: pud, config: debug}\n')
    excluded = {"6.12-pud", "6.12-pud-debug", "6.12-both", "6.12-both-debug", "7.3-pud-debug"}
    assert names(scenario) == [name for name in ALL if name not in excluded]


def test_an_include_adds_to_every_combination_that_it_names() -> None:
    scenario = matrix("  include: {combination: {patch: both}, patches: no-huge-pfnmap, arch: arm64}\n")
    for kernel in scenario.kernels:
        added = "both" in kernel.name
        assert kernel.arch == ("arm64" if added else "x86_64")
        assert (len(kernel.patches) == 3) is added


def test_an_include_of_one_combination_can_name_it() -> None:
    include = '  include:\n    - {combination: {version: "7.3", patch: plain, config: usual}, name: today}\n'
    scenario = matrix(include + "base: today\n")
    assert names(scenario) == ["today", *(name for name in ALL if name != "7.3")]


def test_an_include_brings_back_what_was_excluded() -> None:
    scenario = matrix(
        '  exclude: {version: "6.12"}\n'
        '  include: {combination: {version: "6.12", patch: [plain, pud], config: usual}, options: {A: 1}}\n'
    )
    assert names(scenario) == ["6.12", "6.12-pud", *(name for name in ALL if name.startswith("7.3"))]
    assert scenario.kernels[0].options == (("A", "1"),)


def test_names_stay_when_values_and_axes_are_added() -> None:
    more = AXES.replace("      both:", "      huge: {patches: vfio-thp}\n      both:")
    assert set(ALL) < set(names(matrix(axes=more)))
    more = AXES + "    compiler: {gcc: , clang: {compiler: clang}}\n"
    assert set(ALL) < set(names(matrix(axes=more)))


def test_a_combination_of_empty_recipes_has_the_names_of_all_of_them() -> None:
    axes = "  axes:\n    a: {x: }\n    b: {y: {}, z: {config: vfio}}\n"
    include = "  include: {combination: {a: x}, source: {debian: linux-source-7.3, suite: sid}}\n"
    assert names(matrix(include, axes)) == ["x-y", "z"]


def test_kernels_beside_a_matrix_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    own = "kernels:\n  mine: {extends: 7.3-pud, options: {A: 1}}\n"
    after = load_text(tmp_path, HEAD + AXES + own)
    assert names(after) == [*ALL, "mine"]
    assert after.kernel("mine").patches == after.kernel("7.3-pud").patches
    before = load_text(tmp_path, HEAD.replace("matrix:", f"{own}matrix:") + AXES)
    assert names(before) == ["mine", *ALL]
    assert (after.base, before.base) == ("6.12", "mine")


def test_a_matrix_or_its_includes_left_empty_are_left_out(tmp_path: Path) -> None:
    assert names(matrix("  include:\n  exclude:\n")) == ALL
    own = "kernels:\n  mine: {source: {debian: linux-source-7.3, suite: sid}}\n"
    assert names(load_text(tmp_path, HEAD + own)) == ["mine"]


def test_an_alias_is_good_for_an_axis_too() -> None:
    axes = AXES.replace("pud: {", "pud: &pud {").replace("both: {", "both: {<<: *pud, ")
    assert matrix(axes=axes).kernel("7.3-both").expect == matrix().kernel("7.3-pud").expect


INCLUDE = "  include: {combination: "
MISTAKES = [
    # in a value: once, however many combinations have it
    (SHORT.replace("patches:", "patchs:"), "9: unknown key 'patchs' in value 'y' of axis 'p'; did you mean 'patches'?"),
    (
        SHORT.replace("config:", "extends: a, config:"),
        "8: unknown key 'extends' in value 'b' of axis 'v'; the keys are source, config, patches, options, arch, "
        "compiler, modules, can, expect, expect-vmm, xfail",
    ),
    (SHORT.replace("mm-pud", "mmpud"), "9: no patch series 'mmpud' in kernels/patches; did you mean 'mm-pud'?"),
    (
        SHORT.replace("config: vfio", "config: vfoi"),
        "8: no config fragment 'vfoi' in kernels/configs; did you mean 'vfio'?",
    ),
    (
        SHORT.replace("x: ,", "x: {can: {levels: P4D}},"),
        "9: 'levels' must be one of PTE, PMD, PUD, not 'P4D'",
    ),
    (
        SHORT.replace("x: ,", "x: {expect: {qemu: {}}},"),
        "9: expectation 'qemu' of value 'x' of axis 'p' checks nothing; give it alignment, level, entries, faults, "
        "dma-faults or stage2, or remove it",
    ),
    (
        SHORT.replace("x: ,", "x: {options: {A: y, CONFIG_A: n}},"),
        "9: 'options' has 'A' with and without CONFIG_; remove one of them",
    ),
    (
        SHORT.replace("x: ,", "x: 1,"),
        "9: value 'x' of axis 'p' must be a mapping with the keys source, config, patches, options, arch, compiler, "
        "modules, can, expect, expect-vmm, xfail, not '1'",
    ),
    (
        SHORT.replace("tree: .}, config", "gti: .}, config"),
        "8: unknown key 'gti' in the source of value 'b' of axis 'v'; did you mean 'git'?",
    ),
    (
        SHORT.replace("patches: mm-pud", "patches: [mm-pud, mm-pud]"),
        "9: kernel 'a-y' applies 'mm-pud' twice; remove one of them",
    ),
    (
        SHORT.replace("tree: .}, config", "tree: ./none}, config"),
        "8: no directory 'scenarios/none'; paths go from the scenario's directory",
    ),
    (
        SHORT.replace("patches: mm-pud", "expect: {qemu: {faults: 1}}").replace(
            "testdev}", "testdev, placements: offset}"
        ),
        "9: no workload has the placement 'qemu' that kernel 'a-y' has an expectation of; the placements are offset",
    ),
    # between values
    (
        SHORT.replace("{source: {tree: .}, config: vfio}", "{config: vfio}"),
        "8: kernel 'b' has no 'source'; add one, or 'extends' a kernel that has",
    ),
    (
        SHORT.replace("source: {tree: .}, config: vfio", "source: {image: .}"),
        "9: 'patches' is for kernels that are built, and 'b-y' is booted as its 'image' is; exclude the combination",
    ),
    (
        SHORT.replace("b: {", "a-y: {").replace("x: ,", "x: ,"),
        "8: the combination of a-y and x is called 'a-y', as is another combination; 'include' it with another 'name'",
    ),
    (
        SHORT + "kernels:\n  b-y: {source: {tree: .}}\n",
        "9: the combination of b and y is called 'b-y', as is a kernel of 'kernels'; 'include' it with another 'name'",
    ),
    # names
    (
        SHORT.replace("y: {", "Y: {"),
        "9: the value's name must be made of small letters, digits, '.', '_' and '-', beginning with a letter or digit"
        ", not 'Y'",
    ),
    (
        SHORT.replace("    p:", "    P:"),
        "9: the axis's name must be made of small letters, digits, '.', '_' and '-', beginning with a letter or digit"
        ", not 'P'",
    ),
    (
        SHORT + "  exclude: {P: x}\n",
        "10: the axis's name must be made of small letters, digits, '.', '_' and '-', beginning with a letter or digit"
        ", not 'P'",
    ),
    (
        SHORT + INCLUDE + "{v: a, p: x}, name: N}\n",
        "10: 'name' must be made of small letters, digits, '.', '_' and '-', beginning with a letter or digit, not 'N'",
    ),
    # excludes and includes
    (SHORT + "  exclude: {patch: x}\n", "10: the matrix has no axis 'patch'; the axes are v, p"),
    (SHORT + "  exclude: [{p: z}]\n", "10: axis 'p' has no value 'z'; the values are x, y"),
    (
        SHORT + "  exclude:\n    - {p: y}\n    - {v: a, p: y}\n",
        "12: this leaves out nothing that is not left out already; remove it",
    ),
    (SHORT + "  exclude: [{}]\n", "10: 'exclude' is empty; at least one is needed"),
    (SHORT + "  exclude: y\n", "10: 'exclude' must be a mapping of names to values, not 'y'"),
    (SHORT + "  exclude: {p: [x, x]}\n", "10: 'p' has 'x' twice; remove one of them"),
    (SHORT + "  exclude: {p: [x, y]}\n", "6: every combination of the matrix is left out; remove an 'exclude'"),
    (SHORT + INCLUDE + "{v: c}}\n", "10: axis 'v' has no value 'c'; the values are a, b"),
    (SHORT + INCLUDE + "{}}\n", "10: 'combination' is empty; at least one is needed"),
    (SHORT + "  include: {config: vfio}\n", "10: an include of the matrix has no 'combination'; add it"),
    (
        SHORT + INCLUDE + "{v: a}, patchs: mm-pud}\n",
        "10: unknown key 'patchs' in an include of the matrix; did you mean 'patches'?",
    ),
    (
        SHORT + INCLUDE + "{v: a}, patches: mmpud}\n",
        "10: no patch series 'mmpud' in kernels/patches; did you mean 'mm-pud'?",
    ),
    (
        SHORT + INCLUDE + "{v: a}, name: mine}\n",
        "10: 'name' is for one combination, and this include is for 2; name a value of each axis",
    ),
    (
        SHORT + "  exclude: {v: a}\n" + INCLUDE + "{v: a}, config: vfio}\n",
        "11: every combination that this include is for is left out; name a value of each axis, or remove it",
    ),
    # the whole
    (HEAD + "  {}\n", "6: the matrix has no 'axes'; add it"),
    (HEAD + "  axes: {}\n", "7: 'axes' is empty; at least one is needed"),
    (HEAD + "  axes: {a: {}}\n", "7: 'a' is empty; at least one is needed"),
    (HEAD + "  axes: [a]\n", "7: 'axes' must be a mapping of names to values, not a list"),
    (HEAD + "  [a]\n", "6: the matrix must be a mapping with the keys axes, exclude, include, not a list"),
    (SHORT + "  excludes: {p: x}\n", "10: unknown key 'excludes' in the matrix; did you mean 'exclude'?"),
    (SHORT + "base: a-z\n", "10: no kernel 'a-z' for 'base'; did you mean 'a-y'?"),
    (SHORT + "kernels: [a]\n", "10: 'kernels' must be a mapping of names to values, not a list"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_a_base_that_a_broken_matrix_would_have_made_is_no_mistake_of_its_own() -> None:
    text = HEAD + "  axes: {v: [a]}\nbase: a-x\nkernels:\n  mine: {extends: a}\n"
    assert problems(text) == ["7: 'v' must be a mapping of names to values, not a list"]


def test_mistakes_of_several_values_are_reported_at_once() -> None:
    text = SHORT.replace("config: vfio", "config: vfoi").replace("mm-pud", "mmpud") + "  exclude: {q: x}\n"
    assert [line.partition(":")[0] for line in problems(text)] == ["8", "9", "10"]


def axis(name: str, count: int) -> str:
    values = ", ".join(f"{name}{number}: {{options: {{{name}: {number}}}}}" for number in range(count))
    return f"    {name}: {{{values}}}\n"


def test_a_hundred_kernels_are_the_most(tmp_path: Path) -> None:
    source = "  include: {combination: {a: a0}, source: {tree: .}}\n"
    most = HEAD + "  axes:\n" + axis("a", 1) + axis("b", 10) + axis("c", 10) + source
    assert len(load_text(tmp_path, most).kernels) == 100
    message = "combinations, more than the 100 that can be; leave some out with 'exclude'"
    assert problems(most.replace(axis("b", 10), axis("b", 11))) == [f"6: the matrix has 110 {message}"]
    excluded = most.replace(axis("b", 10), axis("b", 11)) + "  exclude: {b: b10}\n"
    assert len(load_text(tmp_path, excluded).kernels) == 100
    huge = HEAD + "  axes:\n" + "".join(axis(name, 10) for name in "abcdefghi")
    assert problems(huge) == [f"6: the matrix has 1000000000 {message}"]


def test_every_key_of_a_generated_kernel_has_the_line_of_its_origin() -> None:
    text = """\
  axes:
    version:
      a:
        source: {tree: .}
        config:
          - guest
          - vfio
    patch:
      x:
        config:
          - debug
          - vfoi
"""
    assert problems(HEAD + text) == ["18: no config fragment 'vfoi' in kernels/configs; did you mean 'vfio'?"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + AXES,
        SHORT,
        SHORT + "kernels: {}\n",
        SHORT + "kernels:\n",
        SHORT + "  exclude: {p: y}\n",
        SHORT + "  exclude: [{p: [y]}]\n",
        SHORT + INCLUDE + "{v: a, p: y}, name: mine, config: vfio}\n",
        SHORT.replace("{a:", "{6.12:").replace("b: {", "'7.3': {").replace("6.12", "'6.12'") + "  exclude: {v: 6.12}\n",
    ],
)
def test_the_json_schema_accepts_what_loads(tmp_path: Path, text: str) -> None:
    assert loads(tmp_path, text)
    errors = [error.message for error in Draft202012Validator(json_schema()).iter_errors(yaml.safe_load(text))]
    assert not errors


@pytest.mark.parametrize(
    "text",
    [
        HEAD.removesuffix("matrix:\n"),
        HEAD,
        HEAD + "kernels: {}\n",
        SHORT.replace("x: ,", "x: 1,"),
        HEAD + "  {}\n",
        HEAD + "  axes: {}\n",
        HEAD + "  axes: {a: {}}\n",
        HEAD + "  axes: {a: [b]}\n",
        SHORT.replace("patches:", "patchs:"),
        SHORT.replace("config:", "extends: a, config:"),
        SHORT.replace("y: {", "Y: {"),
        SHORT.replace("    p:", "    P:"),
        SHORT + "  exclude: y\n",
        SHORT + "  exclude: [{}]\n",
        SHORT + "  exclude: {p: [x, x]}\n",
        SHORT + "  excludes: {p: x}\n",
        SHORT + "  include: {config: vfio}\n",
        SHORT + INCLUDE + "{}}\n",
        SHORT + INCLUDE + "{v: a, p: x}, name: N}\n",
        SHORT + "kernels: [a]\n",
    ],
)
def test_the_json_schema_rejects_what_does_not_load(tmp_path: Path, text: str) -> None:
    assert not loads(tmp_path, text)
    assert not accepts(text)

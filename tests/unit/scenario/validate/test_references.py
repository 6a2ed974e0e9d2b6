# SPDX-License-Identifier: GPL-2.0-only
"""The messages about unknown names in a scenario, and ranges beyond a BAR."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ScenarioError
from orchestrator.scenario.load import load
from tests.unit.scenario.test_load import SMALL, data_dir, load_text, small
from tests.unit.scenario.validate.test_problems import kernels, problems


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


MISTAKES = [
    # devices and ranges
    (
        SMALL.replace(", bar: 4G", ""),
        "3: device 'testdev' has no 'bar', the size of its BAR; add one, such as 4G",
    ),
    (
        SMALL.replace("pci-testdev", "sdhci-pci"),
        "3: 'bar' is for pci-testdev and ivshmem-plain, not for 'sdhci-pci'; remove it, or see 'properties'",
    ),
    (
        small(workload="hole: 1G"),
        "8: 'hole' is for the tests 'ranges', which are not among 'tests'; add them",
    ),
    (
        small(workload="tests: ranges, hole: 4G"),
        "8: 'hole' 4 GiB is beyond the BAR of device 'testdev', which has 4 GiB; make it smaller",
    ),
    (
        SMALL.replace("bar: 4G", "bar: 4G, properties: {membar: 1M}"),
        "3: property 'membar' of device 'testdev' is set by orch; remove it, and see bar",
    ),
    (
        small(workload="tests: ranges, placements: misaligned"),
        "8: 'ranges' has no test of 'misaligned'; add another placement or group",
    ),
    (
        small("expect: {qemu: {level: PUD}}", workload="tests: dma"),
        "7: no tests of any workload judge this expectation of 'qemu'; add 'map' to 'tests'",
    ),
    (
        small("expect: {kernel: {faults: 2}}", workload="tests: [repeat, random]"),
        "7: no tests of any workload judge this expectation of 'kernel'; add 'map' to 'tests'",
    ),
    # names
    (
        SMALL.replace("  testdev", "  TestDev").replace("device: testdev", "device: TestDev"),
        "3: the device's name must be made of small letters, digits, '.', '_' and '-', beginning with a letter or digit"
        ", not 'TestDev'",
    ),
    (
        SMALL.replace("  base", "  a/b"),
        "5: the kernel's name must be made of small letters, digits, '.', '_' and '-', "
        "beginning with a letter or digit, not 'a/b'",
    ),
    (
        SMALL.replace("  bar:", "  ..:"),
        "8: the workload's name must be made of small letters, digits, '.', '_' and "
        "'-', beginning with a letter or digit, not '..'",
    ),
    (
        small(top="name: a.b"),
        "9: 'name' must be made of small letters, digits and '-', beginning with a letter or digit, not 'a.b'",
    ),
    (small(top="base: bsae"), "9: no kernel 'bsae' for 'base'; did you mean 'base'?"),
    (small(top="base: xyzzy"), "9: no kernel 'xyzzy' for 'base'; the kernels are base"),
    (small("extends: bsae"), "7: no kernel 'bsae' for 'base' to extend; there are no other kernels"),
    (
        SMALL.replace("device: testdev", "device: tesdev"),
        "8: no device 'tesdev' for workload 'bar'; did you mean 'testdev'?",
    ),
    # files
    (small("config: [guest, vfoi]"), "7: no config fragment 'vfoi' in kernels/configs; did you mean 'vfio'?"),
    (
        small("config:\n      - guest\n      - xyzzy"),
        "9: no config fragment 'xyzzy' in kernels/configs; the config fragments there are debug, guest, vfio",
    ),
    (
        small("config: ./vfio.config"),
        "7: no config fragment 'scenarios/vfio.config'; paths go from the scenario's directory",
    ),
    (
        small("config: '..'"),
        "7: no config fragment '..' in kernels/configs; the config fragments there are debug, guest, vfio",
    ),
    (
        small("config: a/" + "x" * 300),
        f"7: no config fragment 'scenarios/a/{'x' * 45}...'; paths go from the scenario's directory",
    ),
    (small("patches: mmpud"), "7: no patch series 'mmpud' in kernels/patches; did you mean 'mm-pud'?"),
    (
        small("patches: xyzzy"),
        "7: no patch series 'xyzzy' in kernels/patches; the patch series there are mm-pud, no-huge-pfnmap, vfio-thp",
    ),
    (small("patches: a.patch"), "7: no patch 'scenarios/a.patch'; paths go from the scenario's directory"),
    (
        small("patches: ../kernels/configs"),
        "7: patch series 'kernels/configs' has no file 'series'; add it with one patch name a line",
    ),
    (
        small("patches: [mm-pud, ../kernels/patches/mm-pud]"),
        "7: kernel 'base' applies '../kernels/patches/mm-pud' twice; remove one of them",
    ),
    (
        small("patches: mm-pud").replace("workloads:", "  b: {extends: base, patches: mm-pud}\nworkloads:"),
        "8: kernel 'base' applies 'mm-pud' already, and 'b' has its patches; remove it",
    ),
    # kernels
    (
        SMALL.replace("    source: {debian: linux-source-6.12, suite: trixie}", "    config: vfio"),
        "5: kernel 'base' has no 'source'; add one, or 'extends' a kernel that has",
    ),
    (
        SMALL.replace("workloads:", "  b:\nworkloads:"),
        "7: kernel 'b' must be a mapping with the keys source, config, patches, options, arch, compiler, modules, can, "
        "expect, expect-vmm, xfail, extends, not nothing",
    ),
    (small("extends: base"), "7: 'base' extends 'base': a kernel cannot extend itself; remove one 'extends'"),
    # ranges and expectations
    (
        small(workload="length: 8G"),
        "8: 'length' 8 GiB is beyond the BAR of device 'testdev', which has 4 GiB; make it shorter",
    ),
    (
        small(workload="bars: 2, offset: 2G, length: 3G"),
        "8: 'offset' 2 GiB + 'length' 3 GiB is beyond the BAR of device 'testdev', which has 4 GiB; make it shorter",
    ),
    (
        small(workload="offset: 4G"),
        "8: 'offset' 4 GiB is beyond the BAR of device 'testdev', which has 4 GiB; make it shorter",
    ),
    (
        small("expect: {kernel: {faults: 1}}", "placements: [qemu, offset]"),
        "7: no workload has the placement 'kernel' "
        "that kernel 'base' has an expectation of; the placements are qemu, offset",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_a_series_without_its_file(tmp_path: Path) -> None:
    (tmp_path / "kernels/patches/draft").mkdir(parents=True)
    assert problems(small("patches: draft")) == [
        "7: patch series 'kernels/patches/draft' has no file 'series'; add it with one patch name a line"
    ]


def test_a_data_directory_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(small("config: vfio\n    patches: x"))
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "a.yaml", data=tmp_path / "none")
    assert [problem.what for problem in caught.value.problems] == [
        "no config fragment 'vfio' in none/configs; there are no config fragments there",
        "no patch series 'x' in none/patches; there are no patch series there",
    ]


def test_a_list_of_names_is_cut_short(tmp_path: Path) -> None:
    data = data_dir(tmp_path)
    for number in range(20):
        (data / f"configs/{number:03}.config").touch()
    assert problems(small("config: xyzzy"))[0].endswith("012, 013, 014, ...")


@pytest.mark.parametrize("stem", ["Pud", "a_b", "-a", "a.b"])
def test_a_file_that_cannot_name_its_scenario(stem: str) -> None:
    assert problems(SMALL, f"{stem}.yaml") == [
        f"1: the file's name '{stem}' is no scenario name; add 'name', made of small letters, digits and '-', "
        "beginning with a letter or digit"
    ]
    assert load_text(Path.cwd(), small(top="name: pud"), f"{stem}.yaml").name == "pud"


def test_a_circle_of_kernels_is_one_problem() -> None:
    found = problems(kernels("a: {extends: b}", "b: {extends: c}", "c: {extends: a}", "d: {extends: c}"))
    assert found == ["7: 'a' extends 'b' extends 'c' extends 'a': a kernel cannot extend itself; remove one 'extends'"]


def test_two_circles_are_two_problems() -> None:
    assert len(problems(kernels("a: {extends: b}", "b: {extends: a}", "c: {extends: c}"))) == 2


def test_an_expectation_that_is_inherited_is_one_problem() -> None:
    text = small("expect: {kernel: {faults: 1}}", "placements: qemu")
    assert len(problems(text.replace("workloads:", "  b: {extends: base}\nworkloads:"))) == 1


def test_a_placement_of_any_workload_will_do(tmp_path: Path) -> None:
    text = small("expect: {kernel: {faults: 1}}", "placements: qemu")
    loaded = load_text(tmp_path, text + "  more: {run: alignment, device: testdev, placements: kernel}\n")
    assert len(loaded.workloads) == 2


def test_so_many_devices_do_not_fit() -> None:
    more = "".join(f"  d{number}: {{emulated: edu}}\n" for number in range(15))
    assert problems(SMALL.replace("kernels:", f"{more}kernels:")) == [
        "2: 16 devices are more than the 15 that fit; remove some"
    ]

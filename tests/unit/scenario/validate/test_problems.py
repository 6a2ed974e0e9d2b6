# SPDX-License-Identifier: GPL-2.0-only
"""The messages about invalid keys and values of a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ScenarioError
from tests.unit.scenario.test_load import SMALL, load_text, small

PLACEMENTS = "kernel, qemu, qemu-v4, cloud-hypervisor, offset, pmd, misaligned"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(text: str, file: str = "scenarios/pud.yaml") -> list[str]:
    """Return the problems of a scenario with this text, without the path before the line."""
    with pytest.raises(ScenarioError) as caught:
        load_text(Path.cwd(), text, file)
    assert all(problem.where.startswith(f"{file}:") for problem in caught.value.problems)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def kernels(*entries: str) -> str:
    """Return the small scenario with more kernels."""
    return SMALL.replace("workloads:", "".join(f"  {entry}\n" for entry in entries) + "workloads:")


def test_a_message_says_where_a_problem_is_and_how_to_fix_it(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(tmp_path, small("patchs: mm-pud"))
    assert str(caught.value) == "scenarios/pud.yaml:7: unknown key 'patchs' in kernel 'base'; did you mean 'patches'?"


def test_the_path_is_absolute_for_a_file_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with pytest.raises(ScenarioError, match=f"^{tmp_path}/a.yaml:7: unknown key"):
        load_text(tmp_path, small("patchs: x"), "a.yaml")


MISTAKES = [
    # stage 2
    (
        small(workload="tests: stage2"),
        "8: 'stage2' starts virtual machines in the guest; add 'virtualization: true' to 'machine'",
    ),
    (
        small("expect: {qemu: {level: PUD, stage2: PUD}}"),
        "7: no workload has the tests 'stage2' with the placement 'qemu'; add them to 'tests'",
    ),
    (
        small("arch: riscv64", top="machine: {virtualization: true, iommu: none}"),
        "10: 'virtualization' is for x86_64 and arm64 only, and kernel 'base' is for riscv64; remove it",
    ),
    # repeat
    *(
        (small(top=f"repeat: {value}"), f"9: 'repeat' must be a number from 1 to 100, not '{value}'")
        for value in ("0", "101", "-1", "1.5", "often")
    ),
    # keys
    (small(top="kernals: {}\n"), "9: unknown key 'kernals' in the scenario; did you mean 'kernels'?"),
    (
        small("xyzzy: 1"),
        "7: unknown key 'xyzzy' in kernel 'base'; "
        "the keys are source, config, patches, options, arch, compiler, modules, can, expect, expect-vmm, xfail, "
        "extends",
    ),
    (small("patchs:"), "7: unknown key 'patchs' in kernel 'base'; did you mean 'patches'?"),
    (small(workload="lenght: 2G"), "8: unknown key 'lenght' in workload 'bar'; did you mean 'length'?"),
    (
        small("expect: {qemu: {faults: 1, dma_faults: 2}}"),
        "7: unknown key 'dma_faults' in expectation 'qemu' of kernel 'base'; did you mean 'dma-faults'?",
    ),
    (
        SMALL.replace("trixie", "trixie, verison: 6.12.9"),
        "6: unknown key 'verison' in the source of kernel 'base'; did you mean 'version'?",
    ),
    (small(top="machine: {cpu: 2}"), "9: unknown key 'cpu' in the machine; did you mean 'cpus'?"),
    (
        SMALL.replace("bar: 4G", "bar: 4G, rom: 1"),
        "3: unknown key 'rom' in device 'testdev'; the keys are emulated, bar, properties, passthrough, "
        "resize, fallback",
    ),
    (SMALL + "description: Again?\n", "9: key 'description' is given twice, first on line 1; remove one of them"),
    (small("config: vfio\n    config: guest"), "8: key 'config' is given twice, first on line 7; remove one of them"),
    # what is missing
    (SMALL.replace("description: What?\n", ""), "1: the scenario has no 'description'; add it"),
    (SMALL.replace("What?", ""), "1: 'description' is empty; give it a value"),
    (SMALL.replace("What?", "' '"), "1: 'description' must be a text of at least one letter, not ' '"),
    (SMALL.replace(", bar: 4G", ""), "3: device 'testdev' has no 'bar', the size of its BAR; add one, such as 4G"),
    (
        SMALL.replace("run: alignment, ", ""),
        "8: workload 'bar' has none of 'run', 'selftests', 'command' and 'vmm'; add one of them",
    ),
    (SMALL.replace(", suite: trixie", ""), "6: the source of kernel 'base' has no 'suite'; add it"),
    (SMALL[: SMALL.index("workloads")] + "workloads: {}\n", "7: 'workloads' is empty; at least one is needed"),
    (SMALL[: SMALL.index("workloads")] + "workloads:\n", "7: 'workloads' is empty; give it a value"),
    # wrong kinds
    (small(workload="length: big"), "8: 'length' must be a size such as 2G or 4096, not 'big'"),
    (small(workload="length: 5000"), "8: 'length' must be a multiple of 4K, and at least 4K, not '5000'"),
    (small(workload="length: 0"), "8: 'length' must be a multiple of 4K, and at least 4K, not '0'"),
    (small(workload="length: [2G]"), "8: 'length' must be a size such as 2G or 4096, not a list"),
    (small(workload="length: {a: 1}"), "8: 'length' must be a size such as 2G or 4096, not a mapping"),
    (small(workload="offset: 1"), "8: 'offset' must be a multiple of 4K, not '1'"),
    (small(workload="timeout: soon"), "8: 'timeout' must be a duration such as 90s, 5m or 1h, not 'soon'"),
    (small(workload="timeout: 0"), "8: 'timeout' must be at least 1s, not '0'"),
    (small(workload="bars: 6"), "8: 'bars' must be BAR numbers from 0 to 5, not '6'"),
    (small(workload="bars: [2, x]"), "8: 'bars' must be BAR numbers from 0 to 5, not 'x'"),
    (small(workload="bars: [2, 2]"), "8: 'bars' has '2' twice; remove one of them"),
    (small(workload="bars: []"), "8: 'bars' is empty; at least one is needed"),
    (small(workload="bars: {a: 1}"), "8: 'bars' must be a list, not a mapping"),
    (small(workload="placements: []"), "8: 'placements' is empty; at least one is needed"),
    (
        small(workload="placements: [qemu, ~]"),
        f"8: 'placements' must be one of {PLACEMENTS}, not nothing",
    ),
    (
        small(workload="placements: [qmeu]"),
        f"8: 'placements' must be one of {PLACEMENTS}, not 'qmeu'; did you mean 'qemu'?",
    ),
    (small(workload="placements: [qemu, qemu]"), "8: 'placements' has 'qemu' twice; remove one of them"),
    (SMALL.replace("run: alignment", "run: kvm"), "8: 'run' must be 'alignment', not 'kvm'"),
    (SMALL.replace("bar: 4G", "bar: 3G"), "3: 'bar' must be a power of two, and at least 4K, not '3G'"),
    (SMALL.replace("bar: 4G", "bar: 2K"), "3: 'bar' must be a power of two, and at least 4K, not '2K'"),
    (SMALL.replace("bar: 4G", "bar: 4GB"), "3: 'bar' must be a size such as 2G or 4096, not '4GB'"),
    (
        SMALL.replace("pci-testdev", "pci-testdevs"),
        "3: 'bar' is for pci-testdev and ivshmem-plain, not for 'pci-testdevs'; did you mean 'pci-testdev'?",
    ),
    (
        SMALL.replace("pci-testdev", "pci testdev"),
        "3: 'emulated' must be a QEMU device such as pci-testdev, not 'pci testdev'",
    ),
    (small(top="machine: {memory: 2}"), "9: 'memory' must be at least 128M, such as 2G, not '2'"),
    (small(top="machine: {cpus: 0}"), "9: 'cpus' must be a number from 1 to 255, not '0'"),
    (small(top="machine: {cpus: two}"), "9: 'cpus' must be a number from 1 to 255, not 'two'"),
    (small(top="machine: {iommu: amd}"), "9: 'iommu' must be one of auto, intel, smmuv3, none, not 'amd'"),
    (
        small(top="machine: {accelerator: kmv}"),
        "9: 'accelerator' must be one of auto, kvm, tcg, not 'kmv'; did you mean 'kvm'?",
    ),
    (
        small(top="machine: big"),
        "9: the machine must be a mapping with the keys cpus, memory, iommu, accelerator, virtualization, not 'big'",
    ),
    (
        small(top="machine: [cpus]"),
        "9: the machine must be a mapping with the keys cpus, memory, iommu, accelerator, virtualization, not a list",
    ),
    (
        SMALL.replace("{debian: linux-source-6.12, suite: trixie}", "linux-source-6.12"),
        "6: the source of kernel 'base' "
        "must be a mapping with the keys debian, git, ref, tree, tarball, sha256, image, modules, config, "
        "debian-image, suite, version, not 'linux-source-6.12'",
    ),
    (
        SMALL.replace("linux-source-6.12", "linux"),
        "6: 'debian' must be a Debian package such as linux-source-6.12, not 'linux'",
    ),
    (SMALL.replace("trixie", "-t"), "6: 'suite' must be a Debian suite such as trixie-backports, not '-t'"),
    (
        SMALL.replace("trixie", "trixie, version: v7"),
        "6: 'version' must be a Debian version such as 7.3.4-1~bpo13+1, not 'v7'",
    ),
    (small("options: [KASAN]"), "7: 'options' must be a mapping of names to values, not a list"),
    (
        small("options: {KASAN: yes}"),
        "7: 'KASAN' must be y, n, m, a number or a text without quotes (y for yes, n for no), not 'yes'",
    ),
    (
        small("options: {KASAN: }"),
        "7: 'KASAN' must be y, n, m, a number or a text without quotes (y for yes, n for no), not nothing",
    ),
    (
        small('options: {A: "b\\nCONFIG_C=y"}'),
        "7: 'A' must be y, n, m, a number or a text without quotes (y for yes, n for no), not 'b\\nCONFIG_C=y'",
    ),
    (
        small("options: {A B: y}"),
        "7: an option's name must be made of letters, digits and '_', such as KASAN, not 'A B'",
    ),
    (small("options: {A: y, CONFIG_A: n}"), "7: 'options' has 'A' with and without CONFIG_; remove one of them"),
    (small("expect: {qemu: {level: P4D}}"), "7: 'level' must be one of PTE, PMD, PUD, not 'P4D'"),
    (small("expect: {qemu: {faults: -1}}"), "7: 'faults' must be a number of 0 or more, not '-1'"),
    (small("expect: {qemu: {alignment: 3}}"), "7: 'alignment' must be a power of two, and at least 4K, not '3'"),
    (
        small("expect: {qmeu: {faults: 1}}"),
        f"7: the placement must be one of {PLACEMENTS}, not 'qmeu'; did you mean 'qemu'?",
    ),
    (
        small("expect: {qemu: {}}"),
        "7: expectation 'qemu' of kernel 'base' checks nothing; give it alignment, level, "
        "entries, faults, dma-faults or stage2, or remove it",
    ),
    (
        small("expect: {qemu: {xfail: why}}"),
        "7: expectation 'qemu' of kernel 'base' checks nothing; give it alignment, "
        "level, entries, faults, dma-faults or stage2, or remove it",
    ),
    (
        small("expect: {qemu: PUD}"),
        "7: expectation 'qemu' of kernel 'base' must be a mapping with the keys alignment, "
        "level, entries, faults, dma-faults, stage2, xfail, not 'PUD'",
    ),
    (small("config: [[vfio]]"), "7: 'config' must be a text, not a list"),
    (
        small("options:\n      A: " + "x" * 99 + '"'),
        "8: 'A' must be y, n, m, a number or a text without quotes (y for yes, n for no), not '" + "x" * 57 + "...'",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=[message[:60] for _, message in MISTAKES])
def test_one_mistake_is_one_problem(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = """\
name: Pud
descripton: typo
base: bsae
machine: {cpus: zero}
devices:
  testdev: {emulated: pci-testdev, bar: 4G}
  testdev: {emulated: pci-testdev, bar: 4G}
kernels:
  base:
    sources: {debian: linux-source-7.3, suite: sid}
    config: [vfoi]
    patches: mm-pdu
    expect:
      kernel: {faults: many}
      qemu: {faults: 1}
  b: {extends: bas}
workloads:
  a: {run: alignmnt, device: tesdev}
  b: {run: alignment, device: testdev, length: 8G, placements: kernel}
"""
    found = problems(text)
    assert [int(problem.split(":")[0]) for problem in found] == [1, 1, 2, 3, 4, 7, 9, 10, 11, 12, 14, 16, 18, 18, 19]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        # a value that depends on an invalid one is not itself reported
        (kernels("b: {extends: base}").replace("suite: trixie", "suite: 7@"), 1),
        (kernels("b: {extends: base, xyzzy: 1}", "c: {extends: b}"), 1),
        (kernels("b: {extends: [base]}"), 1),
        (kernels("b: 1", "c: {extends: b}"), 1),
        (small(workload="length: 8G").replace("bar: 4G", "bar: big"), 1),
        (small(workload="length: 8G, bars: x").replace("4G", "16G"), 1),
        (small("expect: {kernel: {faults: 1}}", "placements: qmeu"), 1),
        (small("expect: {kernel: {faults: 1}}").replace("run: alignment", "run: x"), 1),
        (small("expect: {kernel: {faults: x}}"), 1),
        (SMALL.replace("devices:\n  testdev: {emulated: pci-testdev, bar: 4G}", "devices: []"), 1),
        (small(top="base: base").replace("  base:\n    source: {debian: linux-source-6.12, suite: trixie}", "  []"), 1),
    ],
)
def test_one_mistake_does_not_cause_others(text: str, count: int) -> None:
    assert len(problems(text)) == count


def test_a_mistake_in_what_is_merged_is_reported_once_where_it_stands() -> None:
    text = SMALL.replace("bar: {run", "bar: &bar {zzz: 1, run") + "  second:\n    <<: *bar\n"
    assert [problem[:14] for problem in problems(text)] == ["8: unknown key"] * 2

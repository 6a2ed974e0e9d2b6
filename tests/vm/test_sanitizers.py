# SPDX-License-Identifier: GPL-2.0-only
"""The guest program under AddressSanitizer and UndefinedBehaviorSanitizer: no report in any group.

AddressSanitizer does not go with a static program.  So this one is dynamic, and brings its libraries and the dynamic
linker along, in the directory that the guest sees as its program: it names that linker as its interpreter, so that the
processes that the program starts anew (`repeat`) find it as well.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boot import run_vng
from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE, Boot, BootEnd
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import AlignmentWorkload, Machine, Placement, TestGroup
from orchestrator.workload.alignment import tests
from orchestrator.workload.alignment.program import COMPILER, GUEST, sources
from tests.vm.conftest import Finished, orch

LINKER = "ld-linux-x86-64.so.2"
FLAGS = (
    "-std=gnu11",
    "-O1",
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    f"-Wl,--dynamic-linker={GUEST_PROGRAM}/{LINKER}",
    # The old tag, since the new one is not for what the libraries load themselves.
    f"-Wl,--disable-new-dtags,-rpath,{GUEST_PROGRAM}",
)
DEVICES = (
    EmulatedDevice("ram", "ivshmem-plain", 4 << 30),
    EmulatedDevice("msix", "qemu-xhci", None),
    EmulatedDevice("small", "sdhci-pci", None),
)
GROUPS = tuple(group for group in TestGroup if group not in (TestGroup.SUB_PAGE, TestGroup.STAGE2))
Runs = dict[str, tuple[str, tuple[TestGroup, ...]]]
RUNS: Runs = {
    # No PUD entry fits 64 MiB: what kernels do wrong with these is not the question here.
    "ram": ("--device 0000:00:10.0 --bar 2 --length 64M --hole 32M --repeats 5 --ranges 200", GROUPS),
    "msix": ("--device 0000:00:11.0", (TestGroup.RANGES,)),
    "small": ("--device 0000:00:12.0", (TestGroup.SUB_PAGE,)),
}
WITH_KVM: Runs = {"stage2": ("--device 0000:00:10.0 --bar 2 --length 64M", (TestGroup.STAGE2,))}
WRONG = """\
#include <stdlib.h>
int main(int argc, char **argv)
{
	char *bytes = malloc(argc);

	bytes[argc] = 1;
	return argc << (bytes[argc] + 30);
}
"""
RESULT = re.compile(r"^ +(not )?ok \d+ (\S+)( # SKIP)?", re.MULTILINE)
SCENARIO = """\
name: sanitizers
description: The kernel that has all that the program can use.
devices:
  testdev: {emulated: pci-testdev, bar: 64M}
workloads:
  alignment: {run: alignment, device: testdev, bars: 2, placements: qemu, timeout: 60s}
kernels:
  full:
    source: {debian: linux-source-7.3, suite: trixie-backports}
    config: [guest, vfio, CONFIG]
"""


def compiled(program: Path, name: str, files: list[Path]) -> None:
    """Compile and link one program into `program`, with all that it loads."""
    binary = program / name
    subprocess.run([COMPILER, *FLAGS, f"-I{GUEST}", "-o", str(binary), *map(str, files)], check=True)
    loaded = subprocess.run(["ldd", str(binary)], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"=> (/\S+) \(", loaded):
        name = LINKER if LINKER in path else Path(path).name
        shutil.copy(path, program / name)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories that the guest sees as its program: a real and a wrong one."""
    directory = tmp_path_factory.mktemp("program")
    wrong = tmp_path_factory.mktemp("wrong") / "wrong.c"
    wrong.write_text(WRONG)
    compiled(directory, "alignment", [path for path in sources() if path.suffix == ".c"])
    compiled(directory, "wrong", [wrong])
    return directory


def kernel(results: Path, config: str) -> KernelBuild:
    """The unpatched kernel with these fragments."""
    (results / "sanitizers.yaml").write_text(SCENARIO.replace("CONFIG", config))
    done: Finished = orch(results / "results", "run", str(results / "sanitizers.yaml"))
    assert done.status == 0, done.out + done.err
    return done.build("full")


@pytest.fixture(scope="module")
def share(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guests left.

    That is a KTAP file for each run, and a file for each report of a sanitizer.
    """
    home = tmp_path_factory.mktemp("boot")
    full, kvm = (kernel(tmp_path_factory.mktemp("kernel"), config) for config in ("iommufd, userland", "kvm-host"))
    boot(full, program, Machine(cpus=2), RUNS, home)
    boot(kvm, program, Machine(virtualization=True), WITH_KVM, home)
    return home / "share"


def boot(build: KernelBuild, program: Path, machine: Machine, runs: Runs, home: Path) -> None:
    host = LocalHost()
    root = guest_root(host, cache_directory())
    command = guest_command(runs)
    request = Boot(build.image, root, home / "share", program, command, machine, DEVICES, "tcg", timeout=400)
    report = run_vng(host, request, home / "console.log", cache_directory() / "vng-home", lambda _: None).report
    assert report.end is BootEnd.OK, report.lines
    assert not report.splats


def guest_command(runs: Runs) -> str:
    """Every run with reports of its own.

    The wrong program shows that there are reports.
    """
    lines = [under_sanitizers("wrong", f"{GUEST_PROGRAM}/wrong || true")]
    for name, (options, groups) in runs.items():
        chosen = " ".join(f"--test {group}" for group in groups)
        argv = f"{GUEST_PROGRAM}/alignment {options} {chosen} --ktap {GUEST_SHARE}/{name}.ktap"
        lines.append(under_sanitizers(name, f"{argv} || echo {name} $? >> {GUEST_SHARE}/failed"))
    return "\n".join(lines)


def under_sanitizers(name: str, command: str) -> str:
    """Reports go to files of this name, since a console has lines of others, too."""
    return (
        f"ASAN_OPTIONS=log_path={GUEST_SHARE}/{name}.report:detect_leaks=1 "
        f"UBSAN_OPTIONS=log_path={GUEST_SHARE}/{name}.report:print_stacktrace=1 {command}"
    )


def reports(share: Path, name: str) -> str:
    """All that the sanitizers had to say of one run."""
    return "\n".join(path.read_text(errors="replace") for path in sorted(share.glob(f"{name}.report*")))


def test_a_program_that_is_wrong_is_reported(share: Path) -> None:
    assert "AddressSanitizer: heap-buffer-overflow" in reports(share, "wrong")


@pytest.mark.parametrize("name", [*RUNS, *WITH_KVM])
def test_the_program_is_clean(share: Path, name: str) -> None:
    assert reports(share, name) == ""
    ktap = (share / f"{name}.ktap").read_text()
    assert [line for line in ktap.splitlines() if "not ok" in line] == []
    assert not (share / "failed").exists()


def test_every_test_of_stage_2_ran(share: Path) -> None:
    skipped = {name: bool(skip) for _, name, skip in RESULT.findall((share / "stage2.ktap").read_text())}
    wanted = tests.tests_of(AlignmentWorkload("ram", "ram", placements=tuple(Placement), tests=(TestGroup.STAGE2,)))
    assert {name: skipped.get(name) for name in wanted} == dict.fromkeys(wanted, False)


def test_every_test_ran(share: Path) -> None:
    ktap = (share / "ram.ktap").read_text()
    skipped = {name: bool(skip) for _, name, skip in RESULT.findall(ktap)}
    wanted = tests.tests_of(AlignmentWorkload("ram", "ram", placements=tuple(Placement), tests=GROUPS))
    assert [name for name in wanted if name not in skipped] == []
    ran = {name.split(".")[0] for name in wanted if not skipped[name]}
    assert ran >= {"kernel", "repeat", "random", "before", "after", "content", "dma", "life"}

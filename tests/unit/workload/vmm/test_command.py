# SPDX-License-Identifier: GPL-2.0-only
"""The command line that starts a VMM in the guest, and what the program makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.scenario.model import DebianVmm, ProgramVmm, VmmWorkload
from orchestrator.workload.alignment import tests
from orchestrator.workload.vmm.command import vmm_command

PACKAGED = VmmWorkload("qemu", "testdev", DebianVmm("qemu", "sid"), "/usr/bin/q '{kernel} {cmdline}' {device}", (2, 4))
OWN = VmmWorkload("own", "testdev", ProgramVmm(Path("/home/me/my vmm")), "{program} -i {initrd}")


def made(workload: VmmWorkload, *, dump: bool = True) -> list[str]:
    return list(vmm_command(workload, "0000:00:10.0", "vmlinux", "/program", "/out", dump=dump))


def test_a_packaged_vmm_has_a_root_of_its_own() -> None:
    words = made(PACKAGED)
    assert words[words.index("--vmm-root") + 1] == "/mnt/vmm"
    assert words[words.index("--") + 1 :] == ["/usr/bin/q", "/tmp/kernel/vmlinux {cmdline}", "0000:00:10.0"]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--bar"] == ["2", "4"]
    assert "--no-dump" not in words


def test_a_program_of_the_user_runs_in_the_guests_own_root() -> None:
    words = made(OWN, dump=False)
    assert "--vmm-root" not in words
    assert words[words.index("--") + 1 :] == ["/mnt/vmm/my vmm", "-i", "/tmp/initrd"]
    assert "--no-dump" in words
    assert "--bar" not in words


def test_the_program_has_the_test_and_understands_the_command_line(alignment: Path) -> None:
    listed = subprocess.run([alignment, "--list", "--test", "vmm"], check=True, capture_output=True, text=True)
    assert tuple(listed.stdout.split()) == tests.tests_of(PACKAGED) == (tests.VMM_TEST,)
    words = [str(alignment), *made(PACKAGED)[1:]]
    words.insert(words.index("--"), "--list")
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() == [tests.VMM_TEST]


@pytest.mark.parametrize("without", ["--kernel", "--vmm-log", "--"])
def test_the_program_refuses_a_vmm_that_it_cannot_start(alignment: Path, without: str) -> None:
    words = [str(alignment), *made(PACKAGED)[1:]]
    at = words.index(without)
    rest = words[at + 2 :] if without != "--" else []
    done = subprocess.run([*words[:at], *rest], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--test vmm: --kernel, --vmm-log and the command line of a VMM are needed" in done.stderr


def test_the_test_has_a_table_with_stage_2_and_no_placement() -> None:
    assert tests.measures_mapping(tests.VMM_TEST)
    assert tests.reads_entries(tests.VMM_TEST)
    assert tests.reads_stage2(tests.VMM_TEST)
    assert tests.placement_of(tests.VMM_TEST) is None

# SPDX-License-Identifier: GPL-2.0-only
"""The exact command of a boot.

No part may depend on what virtme-ng finds on the local machine.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.machine.devices import guest_address, guest_addresses, qemu_devices
from orchestrator.machine.model import Boot
from orchestrator.machine.vng import qemu_arguments, vng_argv, vng_environment
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine

TESTDEV = EmulatedDevice("testdev", "pci-testdev", 4 << 30)
SMALL = EmulatedDevice("small", "pci-testdev", 1 << 20)
BOOT = Boot(
    image=Path("/builds/k/vmlinux"),
    root=Path("/roots/1"),
    share=Path("/run dir/guest"),
    program=Path("/workloads/1"),
    command="sh /mnt/orch/run.sh",
    machine=Machine(cpus=2, memory=3 << 30),
    devices=(TESTDEV, SMALL),
    accelerator="tcg",
    timeout=90.0,
)
TCG = """\
vng --verbose --run /builds/k/vmlinux --disable-microvm --force-9p --disable-kvm
--cpus 2 --memory 3072M --name orch
--root /roots/1 --user root
--rodir /mnt/program=/workloads/1
--rwdir
/mnt/orch=/run dir/guest
--append root=/dev/root --append printk.time=1 --append ignore_loglevel --append earlycon=uart,io,0x3f8,115200
--append no_timer_check --append oops=panic
--qemu-opts=-machine q35,accel=tcg,kernel-irqchip=split -cpu max \
-device intel-iommu,intremap=on,caching-mode=on \
-device pci-testdev,membar=4294967296,bus=pcie.0,addr=0x10 \
-device pci-testdev,membar=1048576,bus=pcie.0,addr=0x11 \
-chardev 'pipe,id=orch-qmp,path=/run dir/monitor/qmp' -mon chardev=orch-qmp,mode=control
--exec
sh /mnt/orch/run.sh
"""


def words(text: str) -> tuple[str, ...]:
    """Return the words of each line.

    A line that starts as a word with spaces does is one word.
    """
    one_word = ("/mnt/orch=", "--qemu-opts=", "sh ")
    lines = text.splitlines()
    return tuple(word for line in lines for word in ([line] if line.startswith(one_word) else line.split()))


def test_the_whole_command_under_tcg() -> None:
    assert vng_argv(BOOT) == words(TCG)


def test_under_kvm_only_the_accelerator_and_the_cpu_differ() -> None:
    expected = TCG.replace(" --disable-kvm", "").replace("accel=tcg", "accel=kvm").replace("-cpu max", "-cpu host")
    assert vng_argv(replace(BOOT, accelerator="kvm")) == words(expected)


def test_a_guest_of_another_architecture_is_another_machine_behind_another_iommu() -> None:
    arm64 = replace(BOOT, image=Path("/builds/k/Image"), arch="arm64", devices=(TESTDEV,))
    expected = """\
vng --verbose --run /builds/k/Image --disable-microvm --force-9p --arch arm64 --disable-kvm
--cpus 2 --memory 3072M --name orch
--root /roots/1 --user root
--rodir /mnt/program=/workloads/1
--rwdir
/mnt/orch=/run dir/guest
--append root=/dev/root --append printk.time=1 --append ignore_loglevel --append oops=panic
--qemu-opts=-machine virt,accel=tcg,gic-version=3 -cpu max,pauth-impdef=on -machine iommu=smmuv3 \
-device pci-testdev,membar=4294967296,bus=pcie.0,addr=0x10 \
-chardev 'pipe,id=orch-qmp,path=/run dir/monitor/qmp' -mon chardev=orch-qmp,mode=control
--exec
sh /mnt/orch/run.sh
"""
    assert vng_argv(arm64) == words(expected)


def test_without_an_iommu_the_machine_is_the_same_but_for_it_and_the_parameter_of_vfio() -> None:
    bare = replace(BOOT, machine=replace(BOOT.machine, iommu="none"))
    expected = TCG.replace("-device intel-iommu,intremap=on,caching-mode=on ", "")
    expected = expected.replace("oops=panic", "oops=panic --append vfio.enable_unsafe_noiommu_mode=1")
    assert vng_argv(bare) == words(expected)
    for arch in ("x86_64", "arm64"):
        behind = vng_argv(replace(BOOT, arch=arch))
        assert "iommu" in " ".join(behind)
        arguments = [word for word in vng_argv(replace(bare, arch=arch)) if "iommu" in word]
        assert arguments == ["vfio.enable_unsafe_noiommu_mode=1"]


def test_a_kernel_with_modules_sees_them_where_modprobe_looks_and_its_arguments_come_last() -> None:
    argv = vng_argv(replace(BOOT, modules=Path("/builds/k"), arguments=("intel_iommu=on",)))
    assert argv[argv.index("/lib/modules=/builds/k/lib/modules") - 1] == "--rodir"
    appended = [argv[at + 1] for at, word in enumerate(argv) if word == "--append"]
    assert appended[-1] == "intel_iommu=on"
    assert not any("/lib/modules" in word for word in vng_argv(BOOT))


def test_an_accelerator_of_another_name_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        vng_argv(replace(BOOT, accelerator="auto"))


def test_memory_in_bytes_becomes_mebibytes() -> None:
    argv = vng_argv(replace(BOOT, machine=Machine(memory=512 << 20)))
    assert argv[argv.index("--memory") + 1] == "512M"


def test_the_environment_finds_virtme_ng_beside_python_and_no_configuration_of_the_user(tmp_path: Path) -> None:
    environment = vng_environment(tmp_path)
    assert environment["HOME"] == str(tmp_path)
    first, rest = environment["PATH"].split(os.pathsep, 1)
    assert first == str(Path(sys.executable).parent)
    assert rest == os.environ["PATH"]


def test_a_device_is_at_the_address_that_qemu_gets() -> None:
    places = [word for word in qemu_devices((TESTDEV, SMALL), Path("/scratch")) if word != "-device"]
    slots = [int(word.rpartition("addr=")[2], 16) for word in places]
    assert list(guest_addresses((TESTDEV, SMALL)).values()) == [f"0000:00:{slot:02x}.0" for slot in slots]


def test_addresses_follow_the_order_of_the_scenario() -> None:
    assert guest_addresses((SMALL, TESTDEV)) == {"small": "0000:00:10.0", "testdev": "0000:00:11.0"}


def test_the_bus_is_full_before_the_chipsets_own_slot() -> None:
    assert guest_address(14) == "0000:00:1e.0"
    with pytest.raises(ValueError, match="device 15 does not fit"):
        guest_address(15)


def test_no_devices_are_no_arguments() -> None:
    assert list(qemu_devices((), Path("/scratch"))) == []


def test_a_ram_backed_bar_is_a_sparse_file_in_the_boots_directory() -> None:
    ram = EmulatedDevice("ram", "ivshmem-plain", 4 << 30)
    words = list(qemu_devices((TESTDEV, ram), Path("/scratch")))
    memory = "memory-backend-file,id=orch-ram,share=on,mem-path=/scratch/ram.memory,size=4294967296"
    assert words[2:] == ["-object", memory, "-device", "ivshmem-plain,memdev=orch-ram,bus=pcie.0,addr=0x11"]


def test_properties_reach_qemu_with_their_commas_doubled() -> None:
    nvme = EmulatedDevice("disk", "nvme", None, properties=(("serial", "a,b"), ("max_ioqpairs", "64")))
    words = list(qemu_devices((nvme,), Path("/scratch")))
    assert words == ["-device", "nvme,serial=a,,b,max_ioqpairs=64,bus=pcie.0,addr=0x10"]


def test_an_nvme_with_virtual_functions_is_put_into_a_subsystem(tmp_path: Path) -> None:
    plain = EmulatedDevice("disk", "nvme", None, properties=(("serial", "a,b"),))
    virtual = EmulatedDevice("disk", "nvme", None, properties=(("serial", "1"), ("sriov_max_vfs", "2")))
    own = EmulatedDevice("disk", "nvme", None, properties=(("sriov_max_vfs", "2"), ("subsys", "mine")))
    assert list(qemu_devices([plain], tmp_path)) == ["-device", "nvme,serial=a,,b,bus=pcie.0,addr=0x10"]
    assert list(qemu_devices([virtual], tmp_path)) == [
        *("-device", "nvme-subsys,id=disk-subsys"),
        *("-device", "nvme,subsys=disk-subsys,serial=1,sriov_max_vfs=2,bus=pcie.0,addr=0x10"),
    ]
    assert len(list(qemu_devices([own], tmp_path))) == 2


@pytest.mark.parametrize(
    ("arch", "accelerator", "cpu", "more"),
    [
        ("x86_64", "tcg", "max,+svm,+npt,-xsave", False),
        ("x86_64", "kvm", "host", False),
        ("arm64", "tcg", "max,pauth-impdef=on", True),
        ("arm64", "kvm", "host", False),
    ],
)
def test_a_machine_that_runs_virtual_machines_has_a_cpu_with_the_extensions(
    arch: str, accelerator: str, cpu: str, more: bool
) -> None:
    boot = replace(BOOT, machine=Machine(virtualization=True), accelerator=accelerator, arch=arch)
    options = qemu_arguments(boot)
    assert options[options.index("-cpu") + 1] == cpu
    assert options.count("-cpu") == 1
    assert ("virtualization=on" in options) is more

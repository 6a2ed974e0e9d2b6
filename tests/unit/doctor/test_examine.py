# SPDX-License-Identifier: GPL-2.0-only
"""The doctor's findings from the facts of a host.

`data/check-debian12.json` is the report of a Debian 12 with all packages of `tools/setup-system all`, without a working
KVM and without an IOMMU.  The tests change parts of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from orchestrator.arch import arch_name
from orchestrator.doctor.accelerator import accelerator
from orchestrator.doctor.examine import report
from orchestrator.doctor.facts import facts
from orchestrator.doctor.hardware import CACHE, TEMPORARY
from orchestrator.doctor.model import Facts, HostFinding, Report, State, Where
from orchestrator.doctor.requirements import LLVM_PACKAGES, needs, setup_needs
from orchestrator.doctor.software import older, version_of
from orchestrator.host.address import Address
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.inventory.model import Entry
from orchestrator.machine.boothost import base
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.report import doctor as shown
from tests.fakes import Answer, Call, FakeHost, Reply

DATA = Path(__file__).parents[1] / "data"
ANSWER: dict[str, Any] = json.loads((DATA / "check-debian12.json").read_text())
Q35: dict[str, Any] = json.loads((DATA / "scan-q35.json").read_text())
PLACES = {CACHE: Path("/home/me/.cache/orch"), TEMPORARY: Path("/tmp")}
HOME, LAB = Where(Path("/opt/orch/bin/python"), PLACES), Where(None, PLACES)
KVM = HostFinding("accelerator", State.OK, "kvm: a guest booted under it")
Change = Callable[[dict[str, Any]], object]


def facts_of(change: Change = lambda _: None, where: Where = HOME) -> Facts:
    value = deepcopy(ANSWER)
    change(value)
    return facts("lab", where, value)


def found(change: Change = lambda _: None, where: Where = HOME) -> Report:
    return report(facts_of(change, where), where, KVM)


def of(report: Report, what: str) -> HostFinding:
    (finding,) = (finding for finding in report.findings if finding.what == what)
    return finding


def without_program(*programs: str) -> Change:
    return lambda value: [value["programs"].update({name: None}) for name in programs]


def without_file(part: str) -> Change:
    return lambda value: value.update(files=[name for name in value["files"] if part not in name])


def both(*changes: Change) -> Change:
    return lambda value: [change(value) for change in changes]


def plain_user(value: dict[str, Any]) -> None:
    value["user"] = {"name": "me", "root": False, "sudo": True}


def with_iommu(value: dict[str, Any]) -> None:
    value["scan"] = deepcopy(Q35)


def test_a_machine_that_has_all_only_lacks_what_it_cannot_have() -> None:
    healthy = found()
    assert healthy.state is State.WARNING
    assert [finding.what for finding in healthy.of(State.WARNING)] == ["IOMMU", "vfio-pci"]
    assert not healthy.of(State.MISSING)
    assert not healthy.install


def test_a_machine_with_an_iommu_is_all_well() -> None:
    healthy = found(with_iommu)
    assert healthy.state is State.OK
    assert of(healthy, "IOMMU").detail == "on: 1 unit, 21 groups"
    assert of(healthy, "PCI functions").detail.startswith("9, of which ")


@pytest.mark.parametrize(
    ("programs", "what", "packages"),
    [
        (("qemu-system-x86_64",), "qemu-system-x86_64", "qemu-system-x86"),
        (("busybox",), "busybox", "busybox-static"),
        (("gcc",), "gcc", "gcc"),
        (("ld",), "ld", "binutils"),
        (("git",), "git", "git"),
        (("xz",), "xz", "xz-utils"),
    ],
)
def test_what_every_run_needs_is_missing_with_the_command_that_installs_it(
    programs: tuple[str, ...], what: str, packages: str
) -> None:
    finding = of(found(without_program(*programs)), what)
    assert finding.state is State.MISSING
    assert finding.detail.startswith("not found; needed for ")
    assert finding.fix == f"apt-get install -y --no-install-recommends {packages}"


@pytest.mark.parametrize(
    ("programs", "what", "use"),
    [
        (("qemu-system-aarch64",), "qemu-system-aarch64", "guests of arm64"),
        (("aarch64-linux-gnu-gcc",), "aarch64-linux-gnu-gcc", "kernels for arm64"),
        (("qemu-system-riscv64",), "qemu-system-riscv64", "guests of riscv64"),
        (("riscv64-linux-gnu-gcc",), "riscv64-linux-gnu-gcc", "kernels for riscv64"),
        (("clang-19",), "clang", "kernels that clang builds"),
        (("ccache",), "ccache", "quick builds of what was compiled before"),
        (("apt-get",), "apt-get", "kernels from Debian's archive"),
        (("curl",), "curl", "tarballs at an address"),
        (("b4",), "b4", "patches by message id"),
    ],
)
def test_what_only_some_runs_need_is_a_warning_that_says_which(programs: tuple[str, ...], what: str, use: str) -> None:
    result = found(without_program(*programs))
    finding = of(result, what)
    assert finding.state is State.WARNING
    assert finding.detail == f"not found; needed only for {use}"
    assert finding.fix
    assert result.state is State.WARNING


@pytest.mark.parametrize("part", ["bios-256k", "libelf.h", "openssl", "/usr/include/stdio.h"])
def test_files_that_every_run_needs_are_missing_too(part: str) -> None:
    (finding,) = found(without_file(part)).of(State.MISSING)
    assert "apt-get install" in finding.fix


def test_firmware_at_another_distributions_place_will_do() -> None:
    def moved(value: dict[str, Any]) -> None:
        value["files"] = [*value["files"], "/usr/share/qemu/bios-256k.bin"]

    assert of(found(both(without_file("seabios"), moved)), "QEMU's firmware").state is State.OK


def test_ccache_without_its_links_is_of_no_use() -> None:
    finding = of(found(without_file("/usr/lib/ccache")), "ccache")
    assert (finding.state, finding.detail.partition(";")[0]) == (State.WARNING, "/usr/lib/ccache/gcc not found")


def test_a_dynamic_busybox_is_none() -> None:
    finding = of(found(lambda value: value["programs"]["busybox"].update(static=False)), "busybox")
    assert finding.state is State.MISSING
    assert finding.detail.startswith("/usr/bin/busybox is linked dynamically, and a guest has no libraries")


def test_a_program_that_does_not_run_is_not_there() -> None:
    broken = {"path": "/usr/bin/make", "version": "make: cannot execute", "runs": False, "static": False}
    finding = of(found(lambda value: value["programs"].update(make=broken)), "make")
    assert finding.state is State.MISSING
    assert "/usr/bin/make does not run: make: cannot execute" in finding.detail


def test_an_old_compiler_still_builds_old_kernels() -> None:
    finding = of(found(lambda value: value["programs"]["gcc"].update(version="gcc (Debian 7.5.0-1) 7.5.0")), "gcc")
    assert (finding.state, finding.detail) == (State.WARNING, "7.5.0, and Linux 7.3 needs 8.1 or newer")


def test_an_old_virtme_is_missing_and_pip_fixes_it() -> None:
    finding = of(found(lambda value: value["programs"]["vng"].update(version="virtme-ng 1.32")), "virtme-ng")
    assert (finding.state, finding.detail) == (State.MISSING, "1.32, and orch needs 1.42 or newer")
    assert finding.fix == "/opt/orch/bin/python -m pip install 'virtme-ng>=1.42'"
    assert not finding.packages


def test_clang_counts_only_with_llvms_tools_of_its_version() -> None:
    assert of(found(), "clang").detail == "clang-19 (19.1.7)"
    finding = of(found(without_program("ld.lld-19")), "clang")
    assert finding.detail == "clang-19 without its ld.lld and llvm-ar; needed only for kernels that clang builds"
    assert finding.packages == LLVM_PACKAGES


def test_one_command_installs_all_that_is_missing() -> None:
    result = found(both(without_program("gcc", "busybox", "clang-19"), without_file("libelf")))
    packages = "busybox-static clang-19 gcc libelf-dev lld-19 llvm-19"
    assert result.install == f"apt-get install -y --no-install-recommends {packages}"


def test_without_root_the_fix_uses_sudo() -> None:
    result = found(both(without_program("gcc"), plain_user))
    assert of(result, "gcc").fix == "sudo apt-get install -y --no-install-recommends gcc"
    assert result.install == of(result, "gcc").fix


def test_without_apt_the_package_is_named_and_no_command_is_made_up() -> None:
    finding = of(found(both(without_program("busybox"), lambda value: value.update(apt=False))), "busybox")
    assert finding.detail == "not found; needed for all guests; Debian calls the package busybox-static"
    assert not finding.fix


def test_another_host_needs_only_what_boots_guests() -> None:
    change = without_program("vng", "busybox", "b4", "curl", "gcc", "make")
    assert found(change).state is State.MISSING
    result = found(change, LAB)
    assert not result.of(State.MISSING)
    assert {finding.what for finding in result.findings}.isdisjoint({"virtme-ng", "busybox", "b4", "curl"})
    assert of(result, "gcc").detail == "not found; needed only for kernels that are built"
    assert of(found(without_program("qemu-system-x86_64", "tar"), LAB), "tar").state is State.MISSING


def test_a_hosts_directory_that_is_somebody_elses_is_not_asked_for() -> None:
    entry = Entry("lab", Address("192.0.2.1"), Path("/var/tmp/orch"), where="hosts.yaml:2")

    def change(value: dict[str, Any]) -> None:
        value["places"]["cache"]["foreign"] = True

    finding = of(found(change, Where(None, PLACES, entry)), "disk of cache")
    assert finding.state is State.MISSING
    assert finding.detail.endswith("give the host another 'directory' in hosts.yaml:2")
    assert not finding.fix


def test_without_sudo_the_fix_uses_su() -> None:
    def change(value: dict[str, Any]) -> None:
        without_program("gcc")(value)
        value["user"] = {"name": "me", "root": False, "sudo": False}

    assert of(found(change), "gcc").fix == "su -c 'apt-get install -y --no-install-recommends gcc'"


def test_a_python_that_boots_but_does_not_build_is_a_warning() -> None:
    finding = of(found(lambda value: value.update(python="3.10.12"), LAB), "python3")
    assert finding.state is State.WARNING
    assert finding.detail == "3.10.12; newer is needed only to build kernels here: orch needs 3.11 or newer"


def test_an_old_python_of_a_host_is_a_warning() -> None:
    finding = of(found(lambda value: value.update(python="3.9.2"), LAB), "python3")
    assert (finding.state, finding.detail.partition(";")[0]) == (
        State.WARNING,
        "3.9.2, and virtme-ng needs 3.10 or newer",
    )


def test_on_an_arm64_machine_arm64_is_what_is_needed() -> None:
    result = found(
        both(
            without_program("qemu-system-aarch64", "qemu-system-x86_64"), lambda value: value.update(machine="aarch64")
        )
    )
    assert of(result, "qemu-system-aarch64").state is State.MISSING
    assert of(result, "qemu-system-x86_64").state is State.WARNING
    assert of(result, "x86_64-linux-gnu-gcc").state is State.OK


@pytest.mark.parametrize(
    ("free", "state"), [(100 << 20, State.MISSING), (2 << 30, State.WARNING), (20 << 30, State.OK)]
)
def test_a_disk_is_judged_by_what_a_first_kernel_takes(free: int, state: State) -> None:
    finding = of(found(lambda value: value["places"][CACHE].update(free=free)), "disk of cache")
    assert finding.state is state
    assert finding.fix == ("" if state is State.OK else "orch cache gc --keep 10G --cache /home/me/.cache/orch")


def test_a_cache_that_cannot_be_written_to_is_missing() -> None:
    def change(value: dict[str, Any]) -> None:
        plain_user(value)
        value["places"][CACHE].update(writable=False)

    finding = of(found(change), "disk of cache")
    assert finding.state is State.MISSING
    assert finding.fix == "sudo sh -c 'mkdir -p /home/me/.cache/orch && chown me /home/me/.cache/orch'"


@pytest.mark.parametrize(
    ("total", "available", "state"),
    [(512 << 20, 400 << 20, State.MISSING), (4 << 30, 1 << 30, State.WARNING), (4 << 30, 3 << 30, State.OK)],
)
def test_memory_is_judged_by_what_a_guest_takes(total: int, available: int, state: State) -> None:
    result = found(lambda value: value.update(memory={"total": total, "available": available}))
    assert of(result, "memory").state is state


@pytest.mark.parametrize(("hard", "fix"), [(4096, "ulimit -n 1024"), (256, "echo 'root - nofile 1024' >> /etc/")])
def test_few_open_files_are_a_warning(hard: int, fix: str) -> None:
    finding = of(found(lambda value: value.update(open_files=[256, hard])), "open files")
    assert finding.state is State.WARNING
    assert finding.fix.startswith(fix)


def test_a_limit_of_locked_memory_is_a_warning_for_devices_only() -> None:
    finding = of(found(lambda value: value["scan"]["host"].update(memlock=8 << 20)), "locked memory")
    assert finding.state is State.WARNING
    assert finding.detail.endswith("needed only to pass devices through")
    assert finding.fix == "echo 'root - memlock unlimited' >> /etc/security/limits.d/orch.conf"


@pytest.mark.parametrize("user", [plain_user, lambda _: None])
def test_every_fix_is_a_command_that_a_shell_takes(user: Change) -> None:
    def badly_off(value: dict[str, Any]) -> None:
        value.update(programs={}, files=["/usr/sbin/update-grub"], cpu="GenuineIntel", open_files=[256, 256])
        value.update(kernel="6.1.0-29-cloud-amd64", mirror=False)
        value["places"][CACHE].update(writable=False)
        value["places"][TEMPORARY].update(free=0)
        value["scan"]["host"].update(memlock=8 << 20)

    result = found(both(badly_off, user))
    commands = [finding.fix for finding in result.findings if finding.fix]
    assert len(commands) > 30
    judge = 'for command; do sh -n -c "$command" || echo "no shell: $command"; done'
    assert LocalHost().run(Command(("sh", "-c", judge, "sh", *commands, result.install))).output == ""
    without = {finding.what for finding in result.findings if finding.state is not State.OK and not finding.fix}
    assert not without


def test_an_iommu_that_is_off_is_turned_on_where_a_command_can() -> None:
    def intel(value: dict[str, Any]) -> None:
        value.update(cpu="GenuineIntel", files=[*value["files"], "/usr/sbin/update-grub"])

    assert not of(found(), "IOMMU").fix
    assert "intel_iommu=on" in of(found(intel), "IOMMU").fix
    assert of(found(intel), "IOMMU").fix.endswith("> /etc/default/grub.d/orch.cfg && update-grub")


def test_a_kernel_without_vfio_has_a_fix_if_debian_has_one_with_it() -> None:
    assert not of(found(), "vfio-pci").fix
    cloud = of(found(lambda value: value.update(kernel="6.1.0-29-cloud-amd64")), "vfio-pci")
    assert cloud.fix.endswith(" linux-image-amd64")
    assert of(found(lambda value: value.update(vfio_pci=True)), "vfio-pci").state is State.OK


def test_what_a_dead_run_left_is_reported_with_the_command_that_gives_it_back() -> None:
    def left(value: dict[str, Any]) -> None:
        with_iommu(value)
        value["scan"]["journals"] = ["0000:00:10.0"]

    finding = of(found(left), "PCI functions")
    assert (finding.state, finding.fix) == (State.WARNING, "orch devices --host lab restore")
    assert "0000:00:10.0" in finding.detail


def test_a_missing_right_to_pass_devices_through_is_reported() -> None:
    def user(value: dict[str, Any]) -> None:
        with_iommu(value)
        value["scan"]["host"]["root"] = False

    assert of(found(user), "PCI functions").detail.startswith("9, of which 0 can be passed through now: only root")


@pytest.mark.parametrize(
    ("entry", "what", "state", "detail"),
    [
        ({"cores": 2}, "cores for guests", State.OK, "2 of 2"),
        ({"cores": 8}, "cores for guests", State.WARNING, "hosts.yaml:2 gives 8, and the host has 2; give less there"),
        (
            {"memory": 64 << 30},
            "memory for guests",
            State.WARNING,
            "hosts.yaml:2 gives 64 GiB, and the host has 24 GiB",
        ),
        ({"devices": ("0000:00:10.0",)}, "device 0000:00:10.0", State.OK, "1b36:0005, can be passed through now"),
        ({"devices": ("0000:00:00.0",)}, "device 0000:00:00.0", State.WARNING, "cannot be passed through now: it is a"),
        ({"devices": ("0000:99:00.0",)}, "device 0000:99:00.0", State.WARNING, "the host has no such function; take"),
    ],
)
def test_what_the_inventory_says_is_held_against_the_host(
    entry: dict[str, Any], what: str, state: State, detail: str
) -> None:
    listed = Entry("lab", Address("lab"), Path("/var/tmp/orch"), where="hosts.yaml:2", **entry)
    finding = of(found(with_iommu, Where(None, PLACES, listed)), what)
    assert (finding.state, finding.detail[: len(detail)]) == (state, detail)


@pytest.mark.parametrize(
    ("kvm", "detail", "fix"),
    [
        (
            {"there": False, "usable": False, "flag": "vmx", "modules": []},
            "there is no /dev/kvm;",
            "sudo modprobe kvm_intel",
        ),
        (
            {"there": False, "usable": False, "flag": "svm", "modules": []},
            "there is no /dev/kvm;",
            "sudo modprobe kvm_amd",
        ),
        (
            {"there": False, "usable": False, "flag": "", "modules": []},
            "there is no /dev/kvm, and the CPU shows no virt",
            "",
        ),
        (
            {"there": True, "usable": False, "flag": "svm", "modules": []},
            "me may not open /dev/kvm",
            "sudo usermod -aG kvm me",
        ),
        (
            {"there": True, "usable": True, "flag": "svm", "modules": []},
            "/dev/kvm is there, and not tried: no kernel is in the ca",
            "",
        ),
    ],
)
def test_kvm_that_cannot_be_tried_is_a_warning(kvm: dict[str, Any], detail: str, fix: str, tmp_path: Path) -> None:
    host_facts = facts_of(both(plain_user, lambda value: value.update(kvm=kvm)))
    finding = accelerator(LocalBootHost(LocalHost(), tmp_path / "home"), host_facts, tmp_path / "cache", anew=True)
    assert finding.state is State.WARNING
    assert finding.detail.startswith(detail)
    assert finding.fix == fix
    assert not list(tmp_path.iterdir())


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A /dev/kvm that can be opened."""
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(base, "KVM", tmp_path / "kvm")
    (tmp_path / "module/kvm_pvm").mkdir(parents=True)
    monkeypatch.setattr(base, "MODULES", tmp_path / "module")


def guest(call: Call) -> Answer:
    """A guest that starts, does nothing, and writes its status."""
    share = next(word for word in call.argv if word.startswith("/mnt/orch=")).partition("=")[2]
    Path(share, "status").write_text("0\n")
    return Answer("[    1.0] Run /bin/sh as init process\n")


def machine(*replies: Reply) -> FakeHost:
    """A host whose guests end as `replies` say, in this order."""
    left = iter(replies)

    def next_one(call: Call) -> Answer:
        reply = next(left)
        assert not isinstance(reply, BaseException)
        return reply(call) if callable(reply) else reply

    version = Answer("QEMU emulator version 10.0\n")
    return FakeHost([(("vng",), next_one), ((f"qemu-system-{os.uname().machine}",), version)])


def keep(cache: Path, name: str, size: int, patches: int = 0, arch: str = "") -> None:
    """Put a kernel into the cache, with the files that the doctor reads."""
    directory = cache / "builds" / name
    directory.mkdir(parents=True)
    (directory / "vmlinux").write_bytes(bytes(size))
    (directory / "config").touch()
    toolchain = {"arch": arch or arch_name(os.uname().machine)}
    facts = {"toolchain": toolchain, "version": "7.3", "objects": 1, "seconds": 1.0, "patches": [{}] * patches}
    (directory / "provenance.json").write_text(json.dumps(facts))


NO_KVM = Answer("qemu-system-x86_64: failed to initialize kvm: Permission denied\n", 1)


def tried(host: FakeHost, cache: Path, *, anew: bool = True) -> HostFinding:
    state = {"there": True, "usable": True, "flag": "svm", "modules": ["kvm", "kvm_amd"]}
    host_facts = facts_of(lambda value: value.update(machine=os.uname().machine, kvm=state))
    return accelerator(LocalBootHost(host, cache / "home"), host_facts, cache, anew=anew)


def test_kvm_is_well_after_a_guest_has_booted_under_it(kvm: None, tmp_path: Path) -> None:
    keep(tmp_path, "a", 10)
    assert tried(machine(guest), tmp_path) == HostFinding("accelerator", State.OK, "kvm: a guest booted under it")


PVM = "it is that of the module kvm_pvm, no hardware virtualization, which runs only kernels made for it"


@pytest.mark.parametrize(
    ("usable", "cached", "answer", "detail"),
    [
        (True, True, guest, f"kvm: a guest booted under it; {PVM}"),
        (True, True, NO_KVM, f"Permission denied; {PVM}; tcg is used instead, which emulates every instruction"),
        (True, False, guest, f"the first run will try it; {PVM}"),
        (False, True, guest, f"counts from the next login on; {PVM}; tcg is used instead, which emulates every instru"),
    ],
)
def test_a_kvm_that_is_kvm_pvm_is_named(
    kvm: None, tmp_path: Path, usable: bool, cached: bool, answer: Reply, detail: str
) -> None:
    if cached:
        keep(tmp_path, "a", 10)
    state = {"there": True, "usable": usable, "flag": "", "modules": ["kvm", "kvm_pvm"]}
    host_facts = facts_of(lambda value: value.update(machine=os.uname().machine, kvm=state))
    finding = accelerator(LocalBootHost(machine(answer), tmp_path / "home"), host_facts, tmp_path, anew=True)
    assert detail in finding.detail


def test_kvm_that_runs_no_guest_is_a_warning_with_the_reason(kvm: None, tmp_path: Path) -> None:
    keep(tmp_path, "a", 10)
    finding = tried(machine(Answer("qemu-system-x86_64: failed to initialize kvm: Permission denied\n", 1)), tmp_path)
    assert finding.state is State.WARNING
    assert "QEMU cannot use it: qemu-system-x86_64: failed to initialize kvm" in finding.detail
    assert finding.detail.endswith("; tcg is used instead, which emulates every instruction")


def test_a_doctor_tries_again_what_a_run_remembers(kvm: None, tmp_path: Path) -> None:
    keep(tmp_path, "a", 10)
    host = machine(Answer("qemu-system-x86_64: failed to initialize kvm\n", 1), guest)
    assert tried(host, tmp_path).state is State.WARNING
    assert tried(host, tmp_path, anew=False).state is State.WARNING
    assert tried(host, tmp_path).state is State.OK
    assert tried(host, tmp_path, anew=False).state is State.OK


def test_the_smallest_kernel_without_patches_is_booted(kvm: None, tmp_path: Path) -> None:
    foreign = "arm64" if os.uname().machine == "x86_64" else "x86_64"
    for name, size, patches, arch in (
        ("big", 30, 0, ""),
        ("plain", 20, 0, ""),
        ("patched", 5, 1, ""),
        ("f", 5, 0, foreign),
    ):
        keep(tmp_path, name, size, patches, arch)
    host = machine(guest)
    assert tried(host, tmp_path).state is State.OK
    assert any(str(tmp_path / "builds/plain/vmlinux") in call.argv for call in host.calls)


def test_kernels_that_cannot_tell_are_not_tried(kvm: None, tmp_path: Path) -> None:
    keep(tmp_path, "patched", 5, patches=1)
    finding = tried(machine(), tmp_path)
    assert finding.state is State.WARNING
    assert finding.detail.startswith("/dev/kvm is there, and not tried: no kernel for ")


def test_a_boot_that_could_not_be_tried_says_nothing_of_kvm(kvm: None, tmp_path: Path) -> None:
    keep(tmp_path, "a", 10)
    finding = tried(machine(Answer("vng: no such file\n", 1)), tmp_path)
    assert finding.state is State.WARNING
    assert finding.detail.startswith("/dev/kvm is there, and not tried: cannot boot anything")


def test_another_architecture_than_those_of_guests_is_no_host(tmp_path: Path) -> None:
    finding = accelerator(
        LocalBootHost(LocalHost(), tmp_path), facts_of(lambda v: v.update(machine="s390x")), tmp_path, anew=True
    )
    assert (finding.state, finding.detail) == (
        State.MISSING,
        "orch has no guests for s390x, only for x86_64, arm64, riscv64",
    )


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "7.2.22"),
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("This is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux-gnu-thread-multi", "5.36.0"),
        ("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***", "1.5.4"),
        ("kmod version 30", "30"),
        ("BusyBox v1.35.0 (Debian 1:1.35.0-4) multi-call binary.", "1.35.0"),
        ("", ""),
    ],
)
def test_a_version_is_found_in_what_a_program_says(line: str, version: str) -> None:
    assert version_of(line) == version


def test_versions_are_compared_as_numbers() -> None:
    assert older("1.9", "1.42")
    assert older("4.0", "4.0.1")
    assert not older("12.2.0", "8.1")
    assert not older("1.07.1", "1.06.95")
    assert not older("", "1.0")


def test_setup_installs_what_the_doctor_looks_for() -> None:
    needed = {need.package for need in needs("x86_64") if need.package} | set(LLVM_PACKAGES)
    assert {need.package for need in setup_needs("x86_64", everything=True) if need.package} == needed
    plain = {need.package for need in setup_needs("x86_64", everything=False)}
    assert {"rsync", "gcc", "qemu-system-x86", "cpio"} <= plain
    assert not plain & {"qemu-system-arm", "gcc-aarch64-linux-gnu", "openssh-server", "clang-19"}


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_every_need_that_no_pip_meets_has_a_package(machine: str) -> None:
    assert all(bool(need.package) != bool(need.pip) for need in setup_needs(machine, everything=True))


def test_lines_fit_a_terminal_but_commands_stay_whole() -> None:
    result = found(both(without_program("gcc", "busybox"), plain_user))
    lines = list(shown.lines(result, 80, False, quiet=False))
    assert lines[0] == "lab: Debian GNU/Linux 12 (bookworm), Linux 6.18.44-fc-v669 x86_64"
    assert lines[-1] == "61 ok, 2 warnings, 2 missing"
    assert max(len(line) for line in lines if not line.startswith("  ")) <= 80
    assert "  fix: sudo apt-get install -y --no-install-recommends gcc" in lines
    assert lines[-3:-1] == ["all packages at once:", f"  {result.install}"]
    starts = {line.index(line.split(None, 1)[1]) for line in lines[1:-1] if line.startswith(("ok", "warn", "missing"))}
    assert starts == {9}


def test_quiet_shows_only_what_is_not_well() -> None:
    assert not list(shown.lines(found(with_iommu), 80, False, quiet=True))
    lines = list(shown.lines(found(both(with_iommu, without_program("gcc"))), 80, False, quiet=True))
    assert lines == [
        "lab: Debian GNU/Linux 12 (bookworm), Linux 6.18.44-fc-v669 x86_64",
        "missing  gcc  not found; needed for kernels that are built",
        "  fix: apt-get install -y --no-install-recommends gcc",
    ]


def test_a_state_has_its_colour() -> None:
    (_, line, *_) = shown.lines(found(both(with_iommu, without_program("gcc"))), 80, True, quiet=True)
    assert line.startswith("\x1b[31mmissing\x1b[0m  gcc  ")


def test_programs_get_every_finding_as_json() -> None:
    value = json.loads(json.dumps(shown.to_json(found(without_program("gcc")))))
    assert (value["state"], value["host"]) == ("missing", "lab")
    (gcc,) = (finding for finding in value["findings"] if finding["what"] == "gcc")
    assert gcc["packages"] == ["gcc"]

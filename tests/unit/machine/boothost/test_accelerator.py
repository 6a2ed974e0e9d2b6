# SPDX-License-Identifier: GPL-2.0-only
"""Choice of the accelerator: which one, its reason, and how often it is probed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import InfrastructureError
from orchestrator.events import ignore
from orchestrator.machine.boothost import accelerator
from orchestrator.machine.boothost import base as boot_host
from orchestrator.machine.boothost.accelerator import (
    PROBE_DEADLINE_SECONDS,
    UndecidedError,
    choose_accelerator,
    judge_kvm,
)
from orchestrator.machine.boothost.base import LocalBootHost
from orchestrator.machine.boothost.kvm_module import without_hardware
from orchestrator.machine.model import Accelerator, BootEnd, BootReport
from tests.fakes import Answer, Call, FakeHost

Choose = Callable[..., Accelerator]


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /dev/kvm that can be opened."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(boot_host, "KVM", device)
    monkeypatch.setattr(accelerator, "KVM", device)
    provided_by(tmp_path, monkeypatch, ["kvm", "kvm_amd"], "svm")
    return device


def provided_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: list[str], flag: str) -> None:
    """Let a host have `modules` in its /sys/module, and a CPU with `flag`."""
    shutil.rmtree(tmp_path / "module", ignore_errors=True)
    for name in modules:
        (tmp_path / "module" / name).mkdir(parents=True)
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flag} ht\n")
    monkeypatch.setattr(boot_host, "MODULES", tmp_path / "module")
    monkeypatch.setattr(boot_host, "CPUINFO", tmp_path / "cpuinfo")


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    def chosen(host: FakeHost, requested: str = "auto", qemu: str = "QEMU 10") -> Accelerator:
        boot_host = LocalBootHost(host, tmp_path / "home")
        return choose_accelerator(
            boot_host, tmp_path / "cache", requested, Path("/k/vmlinux"), Path("/root"), qemu, ignore
        )

    return chosen


def guest(call: Call) -> Answer:
    """Simulate a guest that comes up, does nothing, and writes its status."""
    share = next(word for word in call.argv if word.startswith("/mnt/orch=")).partition("=")[2]
    Path(share, "status").write_text("0\n")
    return Answer("[    1.0] Run /bin/sh as init process\n")


@pytest.mark.parametrize("requested", ["kvm", "tcg"])
def test_what_the_scenario_requests_is_taken_without_a_question(kvm: Path, choose: Choose, requested: str) -> None:
    assert choose(FakeHost(), requested) == Accelerator(requested, "set by the scenario")


@pytest.mark.parametrize("requested", ["auto", "kvm", "tcg"])
def test_a_guest_of_another_architecture_is_emulated_without_a_question(
    kvm: Path, tmp_path: Path, requested: str
) -> None:
    image, root = Path("/k/Image"), Path("/root")
    boot_host = LocalBootHost(FakeHost(), tmp_path)
    chosen = choose_accelerator(boot_host, tmp_path, requested, image, root, "QEMU 10", ignore, "arm64")
    assert chosen == Accelerator("tcg", "the guest is arm64, which fake must emulate")


def test_no_device_is_tcg_without_a_probe(kvm: Path, choose: Choose) -> None:
    kvm.unlink()
    assert choose(FakeHost()) == Accelerator("tcg", f"there is no {kvm}")


def test_a_device_that_cannot_be_opened_is_tcg_without_a_probe(
    kvm: Path, choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert choose(FakeHost()) == Accelerator("tcg", f"{kvm} cannot be opened")


def test_kvm_is_believed_after_a_guest_has_booted_under_it(kvm: Path, choose: Choose) -> None:
    host = FakeHost([(("vng",), guest)])
    assert choose(host) == Accelerator("kvm", "a guest booted under it")
    assert host.calls[0].timeout == PROBE_DEADLINE_SECONDS
    assert any("accel=kvm" in word for word in host.calls[0].argv)


def accelerators(host: FakeHost) -> list[str]:
    """Return the accelerator of each booted guest."""
    return ["kvm" if any("accel=kvm" in word for word in call.argv) else "tcg" for call in host.calls]


def under(kvm: Answer, tcg: Answer | None = None) -> Callable[[Call], Answer]:
    """Simulate a guest that ends with one answer under KVM and another under tcg.

    Without an answer for tcg, the guest starts there.
    """

    def run(call: Call) -> Answer:
        if any("accel=kvm" in word for word in call.argv):
            return kvm
        return tcg or guest(call)

    return run


LINUX = "[    0.1] Linux\n"
HANGS = Answer(LINUX, -9, timed_out=True)
OOPS = Answer("[    0.1] BUG: unable to handle page fault\n", 255)
PANIC = Answer("[    0.1] Kernel panic - not syncing: the patch panics\n", 255)
LOST = Answer(f"{LINUX}[    0.2] kvm-clock: Using msrs\n", 255)
NO_KVM = Answer("qemu-system-x86_64: failed to initialize kvm: Permission denied\n", 1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (HANGS, "does not come up under it within 120 s"),
        (OOPS, "crashes under it: BUG: unable to handle"),
        (PANIC, "crashes under it: Kernel panic"),
        (LOST, "QEMU ended without a message"),
    ],
)
def test_kvm_under_which_a_kernel_fails_that_comes_up_without_it_is_tcg_and_says_why(
    kvm: Path, choose: Choose, answer: Answer, reason: str
) -> None:
    host = FakeHost([(("vng",), under(answer))])
    chosen = choose(host)
    assert chosen.name == "tcg"
    assert chosen.reason.startswith(f"{kvm} is there, but ")
    assert reason in chosen.reason
    assert chosen.reason.endswith("and comes up under tcg")
    assert choose(host) == chosen
    assert accelerators(host) == ["kvm", "tcg"]


@pytest.mark.parametrize("answer", [HANGS, OOPS, PANIC, LOST])
def test_a_kernel_that_comes_up_nowhere_decides_nothing(kvm: Path, choose: Choose, answer: Answer) -> None:
    chosen = choose(FakeHost([(("vng",), under(answer, answer))]))
    assert chosen.name == "tcg"
    assert "not known" in chosen.reason
    assert "does not come up under tcg, either" in chosen.reason
    host = FakeHost([(("vng",), guest)])
    assert choose(host) == Accelerator("kvm", "a guest booted under it")


def test_a_kernel_that_decided_nothing_is_not_asked_again_in_that_run(kvm: Path, tmp_path: Path) -> None:
    doubted: set[Path] = set()

    def chosen(host: FakeHost, image: str) -> Accelerator:
        boot_host, cache = LocalBootHost(host, tmp_path / "home"), tmp_path / "cache"
        return choose_accelerator(boot_host, cache, "auto", Path(image), Path("/root"), "Q", ignore, doubted=doubted)

    host = FakeHost([(("vng",), under(PANIC, PANIC))])
    assert [chosen(host, "/broken").name, chosen(host, "/broken").name] == ["tcg", "tcg"]
    assert accelerators(host) == ["kvm", "tcg"]
    assert chosen(FakeHost([(("vng",), guest)]), "/good").name == "kvm"
    assert chosen(host, "/broken").name == "kvm"


def test_a_qemu_that_cannot_use_kvm_is_tcg_without_another_boot(kvm: Path, choose: Choose) -> None:
    host = FakeHost([(("vng",), under(NO_KVM))])
    assert "QEMU cannot use it: qemu-system-x86_64: failed to initialize kvm" in choose(host).reason
    assert accelerators(host) == ["kvm"]


@pytest.mark.parametrize("end", [end for end in BootEnd if end not in (BootEnd.OK, BootEnd.WORKLOAD, BootEnd.QEMU)])
def test_a_guest_that_fails_says_nothing_of_kvm_by_itself(end: BootEnd) -> None:
    with pytest.raises(UndecidedError):
        judge_kvm(BootReport(end, 1.0, ("Kernel panic - not syncing: the patch panics",)))


def test_a_probe_that_could_not_even_be_tried_is_an_error_and_not_remembered(kvm: Path, choose: Choose) -> None:
    with pytest.raises(InfrastructureError, match="vmlinux does not exist"):
        choose(FakeHost([(("vng",), Answer("/k/vmlinux does not exist\n", 1))]))
    assert choose(FakeHost([(("vng",), guest)])).name == "kvm"


@pytest.mark.parametrize("answer", [HANGS, OOPS, LOST, NO_KVM])
def test_a_fallback_names_a_module_that_is_no_hardware_virtualization(
    kvm: Path, choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    provided_by(tmp_path, monkeypatch, ["kvm", "kvm_pvm"], "")
    chosen = choose(FakeHost([(("vng",), under(answer))]))
    assert chosen.name == "tcg"
    assert chosen.reason.endswith(without_hardware("kvm_pvm"))
    assert choose(FakeHost()) == chosen


def test_another_module_of_kvm_is_probed_anew(
    kvm: Path, choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provided_by(tmp_path, monkeypatch, ["kvm", "kvm_pvm"], "")
    assert choose(FakeHost([(("vng",), under(NO_KVM))])).name == "tcg"
    provided_by(tmp_path, monkeypatch, ["kvm", "kvm_amd"], "svm")
    assert choose(FakeHost([(("vng",), guest)])) == Accelerator("kvm", "a guest booted under it")


def test_the_answer_is_found_once_per_host_and_qemu(kvm: Path, choose: Choose) -> None:
    host = FakeHost([(("vng",), guest)])
    assert choose(host) == choose(host)
    assert len(host.calls) == 1
    choose(host, qemu="QEMU 11")
    assert len(host.calls) == 2
    choose(FakeHost([(("vng",), guest)], name="other"))


def test_another_hosts_answer_is_not_believed(kvm: Path, choose: Choose) -> None:
    choose(FakeHost([(("vng",), guest)]))
    other = FakeHost([(("vng",), guest)], name="other")
    choose(other)
    assert len(other.calls) == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"name": "kvm"}', '{"name": "vax", "reason": "x"}', '{"name": "kvm", "reason": 7}']
)
def test_a_damaged_answer_is_found_again(kvm: Path, choose: Choose, tmp_path: Path, content: str) -> None:
    host = FakeHost([(("vng",), guest)])
    choose(host)
    (answer,) = (tmp_path / "cache/accelerators").glob("*.json")
    answer.write_text(content)
    assert choose(host).name == "kvm"
    assert len(host.calls) == 2


def test_qemu_says_its_version_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    host = FakeHost([(("qemu-system-x86_64", "--version"), Answer("QEMU emulator version 10.0\nCopyright\n"))])
    assert LocalBootHost(host, tmp_path).qemu("x86_64") == "QEMU emulator version 10.0"


def test_a_missing_qemu_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InfrastructureError, match="install the package qemu-system-x86"):
        LocalBootHost(FakeHost(), tmp_path).qemu("x86_64")
    with pytest.raises(InfrastructureError, match="install the package qemu-system-arm"):
        LocalBootHost(FakeHost(), tmp_path).qemu("arm64")

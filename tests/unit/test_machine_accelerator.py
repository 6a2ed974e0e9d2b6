# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator is chosen, why, and how often that is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import InfrastructureError
from orchestrator.events import ignore
from orchestrator.machine import accelerator, ground
from orchestrator.machine.accelerator import PROBE_DEADLINE_SECONDS, choose_accelerator
from orchestrator.machine.ground import LocalGround
from orchestrator.machine.model import Accelerator
from tests.fakes import Answer, Call, FakeHost

Choose = Callable[..., Accelerator]


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /dev/kvm that can be opened."""
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(ground, "KVM", device)
    monkeypatch.setattr(accelerator, "KVM", device)
    return device


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    def chosen(host: FakeHost, wish: str = "auto", qemu: str = "QEMU 10") -> Accelerator:
        ground = LocalGround(host, tmp_path / "home")
        return choose_accelerator(ground, tmp_path / "cache", wish, Path("/k/vmlinux"), Path("/root"), qemu, ignore)

    return chosen


def guest(call: Call) -> Answer:
    """A guest that comes up, does nothing, and leaves its status."""
    share = next(word for word in call.argv if word.startswith("/mnt/orch=")).partition("=")[2]
    Path(share, "status").write_text("0\n")
    return Answer("[    1.0] Run /bin/sh as init process\n")


@pytest.mark.parametrize("wish", ["kvm", "tcg"])
def test_what_the_scenario_wishes_is_taken_without_a_question(kvm: Path, choose: Choose, wish: str) -> None:
    assert choose(FakeHost(), wish) == Accelerator(wish, "the scenario says so")


@pytest.mark.parametrize("wish", ["auto", "kvm", "tcg"])
def test_a_guest_of_another_architecture_is_emulated_without_a_question(kvm: Path, tmp_path: Path, wish: str) -> None:
    image, root = Path("/k/Image"), Path("/root")
    ground = LocalGround(FakeHost(), tmp_path)
    chosen = choose_accelerator(ground, tmp_path, wish, image, root, "QEMU 10", ignore, "arm64")
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


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer("[    0.1] Linux\n", -9, timed_out=True), "a guest did not come up under it within 30 s"),
        (Answer("qemu-system-x86_64: failed to initialize kvm: Permission denied\n", 1), "Permission denied"),
        (Answer("[    0.1] BUG: unable to handle page fault\n", 255), "a guest crashed under it"),
    ],
)
def test_kvm_that_runs_no_guest_is_tcg_and_says_why(kvm: Path, choose: Choose, answer: Answer, reason: str) -> None:
    chosen = choose(FakeHost([(("vng",), answer)]))
    assert chosen.name == "tcg"
    assert chosen.reason.startswith(f"{kvm} is there, but ")
    assert reason in chosen.reason


def test_a_probe_that_could_not_even_be_tried_is_an_error_and_not_remembered(kvm: Path, choose: Choose) -> None:
    with pytest.raises(InfrastructureError, match="vmlinux does not exist"):
        choose(FakeHost([(("vng",), Answer("/k/vmlinux does not exist\n", 1))]))
    assert choose(FakeHost([(("vng",), guest)])).name == "kvm"


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


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "kvm"}'])
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
    assert LocalGround(host, tmp_path).qemu("x86_64") == "QEMU emulator version 10.0"


def test_a_missing_qemu_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(InfrastructureError, match="install the package qemu-system-x86"):
        LocalGround(FakeHost(), tmp_path).qemu("x86_64")
    with pytest.raises(InfrastructureError, match="install the package qemu-system-arm"):
        LocalGround(FakeHost(), tmp_path).qemu("arm64")

# SPDX-License-Identifier: GPL-2.0-only
"""One boot, from the request to the report.

The guest is simulated: it only writes a guest's files.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.agent.quota import Quota
from orchestrator.errors import CommandError
from orchestrator.host.base import Completed
from orchestrator.host.local import LocalHost
from orchestrator.machine import boot as boot_module
from orchestrator.machine import share as share_module
from orchestrator.machine.boot import conclude, prepare_home, run_vng
from orchestrator.machine.model import Boot, BootEnd
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine
from tests.fakes import Answer, Call, FakeHost, Reply

CONSOLE = "[    0.1] Linux\n[    1.2] Run /bin/sh as init process\n"


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    device = EmulatedDevice("testdev", "pci-testdev", 4 << 30)
    directory = tmp_path / "boot"
    directory.mkdir()
    return Boot(
        image=Path("/builds/k/vmlinux"),
        root=Path("/roots/1"),
        share=directory / "guest",
        program=Path("/workloads/1"),
        command="/mnt/program/alignment --bar 2",
        machine=Machine(cpus=2, memory=3 << 30),
        devices=(device,),
        accelerator="tcg",
        timeout=90.0,
    )


def guest(boot: Boot, status: str | None, console: str = CONSOLE, **answer: object) -> Reply:
    """Simulate a guest that writes `console`, and `status` to the share."""

    def run(call: Call) -> Answer:
        assert (boot.share / "run.sh").exists()
        if status is not None:
            (boot.share / "status").write_text(status)
            (boot.share / "version").write_text("Linux version 7.3.4 (orch@orch) #0123456789ab\n")
        return Answer(console, status=255, seconds=4.5, **answer)  # type: ignore[arg-type]

    return run


def test_a_guest_that_left_its_status_is_believed_over_virtme_ngs(boot: Boot, tmp_path: Path) -> None:
    host = FakeHost([(("vng",), guest(boot, "0\n"))])
    booted = run_vng(host, boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
    assert booted.report.end is BootEnd.OK
    assert booted.report.seconds == 4.5
    assert booted.version == "Linux version 7.3.4 (orch@orch) #0123456789ab"
    assert (tmp_path / "boot/console.log").read_text() == CONSOLE


def test_the_command_runs_under_the_deadline_and_stands_beside_the_console(boot: Boot, tmp_path: Path) -> None:
    host = FakeHost([(("vng",), guest(boot, "0\n"))])
    run_vng(host, boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
    call = host.calls[0]
    assert call.timeout == 90.0
    assert call.env["HOME"] == str(tmp_path / "home")
    script = (tmp_path / "boot/command.sh").read_text()
    assert script.startswith("#!/bin/sh\n")
    assert shlex.join(call.argv) in script


def test_the_guest_runs_a_script_that_leaves_everything_in_the_share(boot: Boot, tmp_path: Path) -> None:
    host = FakeHost([(("vng",), guest(boot, "0\n"))])
    run_vng(host, boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
    assert host.calls[0].argv[-1] == "sh /mnt/orch/run.sh"
    lines = (boot.share / "run.sh").read_text().splitlines()
    at = lines.index(boot.command)
    assert lines[at + 1] == "echo $? > status"
    assert any("tainted.before" in line for line in lines[:at])
    assert any("tainted.after" in line for line in lines[at:])
    assert lines[-1] == "sync"


def test_modules_are_loaded_before_the_workload_and_only_where_there_are_some(boot: Boot, tmp_path: Path) -> None:
    for modules in (None, Path("/builds/k")):
        host = FakeHost([(("vng",), guest(boot, "0\n"))])
        run_vng(host, replace(boot, modules=modules), tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
        before, _, after = (boot.share / "run.sh").read_text().partition(boot.command)
        assert ("modprobe" in before) is (modules is not None)
        assert "modprobe" not in after


def test_no_iommu_mode_is_set_once_vfio_is_loaded_and_only_if_there_is_no_iommu(boot: Boot, tmp_path: Path) -> None:
    parameter = "echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode\n"
    for iommu in ("auto", "none"):
        host = FakeHost([(("vng",), guest(boot, "0\n"))])
        machine = replace(boot, machine=Machine(iommu=iommu), modules=Path("/builds/k"))
        run_vng(host, machine, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
        loaded, _, rest = (boot.share / "run.sh").read_text().partition("cat /proc/modules")
        assert parameter not in loaded
        assert (parameter in rest.partition(boot.command)[0]) is (iommu == "none")


def test_the_workloads_results_are_progress_and_other_lines_are_not(boot: Boot, tmp_path: Path) -> None:
    reported: list[str] = []
    console = CONSOLE + "KTAP version 1\n  1..2\n    ok 1 kernel\n    # note\n  not ok 2 qemu # SKIP\nbook 1 x\n"
    host = FakeHost([(("vng",), guest(boot, "1\n", console))])
    run_vng(host, boot, tmp_path / "boot/console.log", tmp_path / "home", reported.append)
    assert reported == ["ok 1 kernel", "not ok 2 qemu # SKIP"]


def test_a_host_without_virtme_ng_is_an_error(boot: Boot, tmp_path: Path) -> None:
    host = FakeHost([(("vng",), CommandError("local: cannot start vng"))])
    with pytest.raises(CommandError):
        run_vng(host, boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)


def concluded(
    tmp_path: Path, console: str, status: str | None = None, *, timed_out: bool = False, exit_status: int = 255
) -> tuple[BootEnd, tuple[str, ...], str]:
    (tmp_path / "console.log").write_text(console)
    if status is not None:
        (tmp_path / "status").write_text(status)
    done = Completed(("vng",), exit_status, console, 1.0, timed_out)
    report = conclude(done, tmp_path / "console.log", tmp_path).report
    return report.end, report.lines, report.evidence


def test_the_evidence_is_the_line_of_the_console(tmp_path: Path) -> None:
    end, lines, evidence = concluded(tmp_path, CONSOLE + "[    2.0] Kernel panic - not syncing: no init\n")
    assert end is BootEnd.PANIC
    assert lines == ("[    2.0] Kernel panic - not syncing: no init",)
    assert evidence == "console.log:3"


def test_a_boot_without_a_word_says_so(tmp_path: Path) -> None:
    end, lines, evidence = concluded(tmp_path, "", exit_status=3)
    assert (end, lines) == (BootEnd.QEMU, ("virtme-ng ended with status 3 and wrote nothing",))
    assert evidence == "console.log:1"


def test_a_deadline_is_a_hang(tmp_path: Path) -> None:
    assert concluded(tmp_path, CONSOLE, timed_out=True)[0] is BootEnd.HANG


@pytest.mark.parametrize("status", ["", "\n", "half"])
def test_a_status_that_the_guest_did_not_finish_writing_is_none(tmp_path: Path, status: str) -> None:
    assert concluded(tmp_path, CONSOLE, status)[0] is BootEnd.QEMU


def test_a_missing_console_is_replaced_by_the_output_of_virtme_ng(tmp_path: Path) -> None:
    done = Completed(("vng",), 1, "qemu-system-x86_64: no\n", 0.1)
    booted = conclude(done, tmp_path / "console.log", tmp_path)
    assert booted.report.lines == ("qemu-system-x86_64: no",)
    assert booted.version == ""


def test_a_console_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_bytes(b"\xff\xfe\x00[    2.0] BUG: unable to handle page fault\n")
    done = Completed(("vng",), 255, "", 1.0)
    assert conclude(done, tmp_path / "console.log", tmp_path).report.end is BootEnd.OOPS


def test_warnings_of_a_guest_that_went_on_are_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("[    2.0] WARNING: mm/memory.c:1 at f+0x1, CPU#0\n")
    (tmp_path / "status").write_text("0")
    report = conclude(Completed(("vng",), 0, "", 1.0), tmp_path / "console.log", tmp_path).report
    assert (report.end, [splat.place for splat in report.splats]) == (BootEnd.OK, ["console.log:1"])


def test_a_line_that_a_program_cut_on_the_console_is_read_from_the_log_that_the_guest_left(tmp_path: Path) -> None:
    share = tmp_path / "guest"
    share.mkdir()
    whole = "[    2.0] WARNING: mm/memory.c:1 at f+0x1, CPU#0\n"
    (tmp_path / "console.log").write_text(f"[    1.0] fine\n{whole[:14]}ok 1 a\n{whole[14:]}")
    (share / "kernel.log").write_text("[    1.0] fine\n[    1.5] fine\n" + whole)
    (share / "status").write_text("0")
    report = conclude(Completed(("vng",), 0, "", 1.0), tmp_path / "console.log", share).report
    assert [(splat.title, splat.place) for splat in report.splats] == [
        ("WARNING: mm/memory.c at f", "guest/kernel.log:3")
    ]


def test_the_evidence_of_a_warning_is_its_line(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text("[    1.0] fine\n[    2.0] WARNING: mm/memory.c:1 at f+0x1, CPU#0\n")
    (tmp_path / "status").write_text("0")
    report = conclude(Completed(("vng",), 0, "", 1.0), tmp_path / "console.log", tmp_path).report
    assert report.splats[0].place == "console.log:2"


@pytest.mark.parametrize(
    ("before", "after", "taint"),
    [("0\n", "512\n", (0, 512)), ("4096\n", "4096\n", (4096, 4096)), ("0\n", None, None), ("0\n", "", None)],
)
def test_the_taint_is_what_the_guest_left(
    tmp_path: Path, before: str, after: str | None, taint: tuple[int, int] | None
) -> None:
    (tmp_path / "tainted.before").write_text(before)
    if after is not None:
        (tmp_path / "tainted.after").write_text(after)
    report = conclude(Completed(("vng",), 0, "", 1.0), tmp_path / "console.log", tmp_path).report
    assert report.taint == taint


def test_virtme_ng_finds_an_empty_configuration_which_is_written_once(tmp_path: Path) -> None:
    prepare_home(tmp_path)
    file = tmp_path / ".config/virtme-ng/virtme-ng.conf"
    assert file.read_text() == "{}\n"
    file.write_text('{"kept": 1}\n')
    prepare_home(tmp_path)
    assert file.read_text() == '{"kept": 1}\n'


def test_a_guest_that_fills_its_share_is_ended_and_the_boot_says_so(
    boot: Boot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_module, "QUOTA", Quota(1 << 20, 100))
    vng = tmp_path / "bin/vng"
    vng.parent.mkdir()
    vng.write_text(f"#!/bin/sh\nhead -c 5000000 /dev/zero >{boot.share}/fill; echo last words; exec sleep 60\n")
    vng.chmod(0o755)
    monkeypatch.setattr(boot_module, "vng_environment", lambda _home: {"PATH": f"{vng.parent}:/usr/bin:/bin"})
    booted = run_vng(LocalHost(), boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None)
    assert booted.report.end is BootEnd.QEMU
    assert booted.report.seconds < 15
    assert booted.report.lines == ("the guest was ended, for it left more than 1 MiB in its share", "last words")
    assert booted.report.odd[0] == booted.report.lines[0]
    assert not (boot.share / "fill").exists()


@pytest.mark.parametrize("line", ["y", "y" * 5000])
def test_a_console_without_end_is_stopped_by_its_size_and_its_lines(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, boot: Boot
) -> None:
    """virtme-ng is a program that never stops writing; the host and the limits are real."""
    monkeypatch.setattr(share_module, "FLOOD_BYTES", 1 << 20)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/vng").write_text(f"#!/bin/sh\nexec yes {line}\n")
    (tmp_path / "bin/vng").chmod(0o755)
    monkeypatch.setattr(boot_module, "vng_environment", lambda _: {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    report = run_vng(LocalHost(), boot, tmp_path / "boot/console.log", tmp_path / "home", lambda _: None).report
    assert report.end is BootEnd.FLOOD
    assert report.seconds < 60
    assert (tmp_path / "boot/console.log").stat().st_size < 64 << 20

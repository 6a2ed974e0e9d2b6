# SPDX-License-Identifier: GPL-2.0-only
"""The end of a boot, found in consoles like those of guests and QEMU."""

from __future__ import annotations

import pytest

from orchestrator.machine.console import Ended, find_end
from orchestrator.machine.model import BootEnd

EARLY = """\
Linux version 7.3.4 (orch@orch) (gcc (Debian 12.2.0-14) 12.2.0, GNU ld 2.40) #0123456789ab SMP
Command line: virtme_hostname=orch printk.time=1 oops=panic panic=-1
BIOS-provided physical RAM map:
"""
BOOTED = (
    EARLY
    + """\
[    0.000000] random: crng init done
[    0.612004] pci-testdev 0000:00:10.0: vfio-pci
[    1.201337] Run /bin/sh as init process
"""
)
NULL = """\
[    2.000101] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    2.000207] #PF: supervisor read access in kernel mode
[    2.000300] Oops: Oops: 0000 [#1] SMP NOPTI
[    2.000415] CPU: 0 UID: 0 PID: 77 Comm: alignment Not tainted 7.3.4 #0123456789ab
[    2.000520] RIP: 0010:vfio_pci_core_mmap+0x1a/0x200
[    2.000600] Call Trace:
[    2.000610]  <TASK>
[    2.000700]  __mmap_region+0x5d1/0xa70
[    2.000800]  </TASK>
[    2.000901] ---[ end trace 0000000000000000 ]---
[    2.001000] RIP: 0010:vfio_pci_core_mmap+0x1a/0x200
[    2.002000] Kernel panic - not syncing: Fatal exception
"""
PANIC = """\
[    1.305120] Kernel panic - not syncing: VFS: Unable to mount root fs on "/dev/root" or unknown-block(0,0)
[    1.305200] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 7.3.4 #0123456789ab
[    1.305300] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---
[    1.305400] not part of it
"""
KASAN = """\
[    2.100000] ==================================================================
[    2.100100] BUG: KASAN: slab-out-of-bounds in vfio_pci_core_mmap+0x99/0x180
[    2.100200] Read of size 8 at addr ffff888004c3d2c0 by task alignment/77
"""
STALL = """\
[   23.001002] rcu: INFO: rcu_preempt self-detected stall on CPU
[   23.001100] rcu: \t0-....: (20999 ticks this GP) idle=1234/1/0x4000000000000000
[   23.001200] Call Trace:
"""
WARN = """\
[    1.900000] ------------[ cut here ]------------
[    1.900100] WARNING: mm/memory.c:2512 at vmf_insert_pfn_pud+0x90/0xa0, CPU#0: alignment/77
[    1.900200] ---[ end trace 0000000000000000 ]---
"""
KTAP = "KTAP version 1\n1..1\n  ok 1 kernel\nok 1 0000:00:10.0\n"


def end(console: str, *, timed_out: bool = False, status: int | None = None) -> BootEnd:
    return find_end(console, Ended(timed_out=timed_out, status=status)).end


@pytest.mark.parametrize("status", [0, 1])
def test_a_workload_that_answered_is_ok_whatever_its_answer(status: int) -> None:
    assert find_end(BOOTED + KTAP, Ended(status=status)).end is BootEnd.OK


@pytest.mark.parametrize("status", [2, 3, 127, 137])
def test_a_workload_that_could_not_work_is_reported(status: int) -> None:
    assert end(BOOTED, status=status) is BootEnd.WORKLOAD


def test_a_workload_that_the_guest_killed_for_memory_shows_that_line() -> None:
    killed = "[    9.1] Out of memory: Killed process 77 (alignment) total-vm:4196352kB, anon-rss:1044480kB\n"
    found = find_end(BOOTED + killed, Ended(status=137))
    assert (found.end, found.lines) == (BootEnd.WORKLOAD, (killed.strip(),))
    assert found.line == len(BOOTED.splitlines()) + 1


def test_a_workload_that_segfaults_shows_that_line() -> None:
    fault = "[    3.2] alignment[77]: segfault at 8 ip 0000000000401a2b sp 00007ffd12 error 4 in alignment[1a2b]\n"
    found = find_end(BOOTED + fault, Ended(status=139))
    assert (found.end, found.lines) == (BootEnd.WORKLOAD, (fault.strip(),))


@pytest.mark.parametrize("status", [None, 0])
def test_a_panic_is_found_with_its_lines_up_to_the_end_of_the_trace(status: int | None) -> None:
    found = find_end(BOOTED + PANIC, Ended(status=status))
    assert found.end is BootEnd.PANIC
    assert found.lines == tuple(PANIC.splitlines()[:3])
    assert (BOOTED + PANIC).splitlines()[found.line - 1] == found.lines[0]


def test_a_panic_before_the_kernel_knows_the_time_is_found() -> None:
    early = EARLY + "Kernel panic - not syncing: Cannot allocate 4096 bytes\n"
    assert end(early) is BootEnd.PANIC
    assert end(EARLY + "BUG: unable to handle page fault for address: fff\n") is BootEnd.OOPS


def test_an_oops_is_more_than_the_panic_that_follows_from_it() -> None:
    found = find_end(BOOTED + NULL, Ended())
    assert found.end is BootEnd.OOPS
    assert found.lines[0].endswith("BUG: kernel NULL pointer dereference, address: 0000000000000008")
    assert found.lines[-1].endswith("---[ end trace 0000000000000000 ]---")


@pytest.mark.parametrize(
    "line",
    [
        "BUG: unable to handle page fault for address: ffffc90000000000",
        "BUG: KASAN: use-after-free in foo+0x1/0x2",
        "BUG: sleeping function called from invalid context at mm/mmap.c:12",
        "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
        "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
        "kernel BUG at mm/huge_memory.c:1234!",
        "Oops: invalid opcode: 0000 [#1] SMP NOPTI",
        "divide error: 0000 [#1] SMP",
        "UBSAN: array-index-out-of-bounds in ../mm/mmap.c:12:3",
        "Unable to handle kernel paging request at virtual address 0000000000000008",
        "Internal error: Oops: 0000000096000004 [#1] SMP",
    ],
)
@pytest.mark.parametrize("stamp", ["[    2.000101] ", "[   12.000101][   T77] ", "ok 1 half a line[    2.000101] "])
def test_every_kind_of_oops_is_found(line: str, stamp: str) -> None:
    assert end(BOOTED + stamp + line + "\n", status=0) is BootEnd.OOPS


def test_a_kasan_report_is_an_oops_even_where_the_workload_went_on() -> None:
    assert end(BOOTED + KASAN + KTAP, status=0) is BootEnd.OOPS


@pytest.mark.parametrize(
    "line",
    [
        "# alignment: BUG: please report this",
        "BUG: said by a program at the beginning of a line",
        "    # kernel: Oops: nothing",
        "Kernel panic - not syncing: quoted by a program",
        "[    2.5] traps: alignment[77] general protection fault ip:401a2b sp:7ffd error:0 in alignment[1a2b]",
        "[    2.5] virtme-init: BUG: is in the middle",
        "[    0.1] Kernel command line: oops=panic panic=-1 BUG: ",
        "[    2.5] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [alignment:77]",
    ],
)
def test_what_only_looks_like_a_crash_is_none(line: str) -> None:
    assert end(BOOTED + line + "\n" + KTAP, status=0) is BootEnd.OK


def test_a_silent_hang_shows_the_last_line() -> None:
    found = find_end(BOOTED + "\n\n", Ended(timed_out=True))
    assert found.end is BootEnd.HANG
    assert found.lines[-1] == "[    1.201337] Run /bin/sh as init process"


def test_a_hang_with_a_stall_shows_the_stall() -> None:
    found = find_end(BOOTED + STALL + "[   99.0] more\n", Ended(timed_out=True))
    assert found.end is BootEnd.HANG
    assert "self-detected stall" in found.lines[0]
    assert found.line == len(BOOTED.splitlines()) + 1


@pytest.mark.parametrize(
    "line",
    [
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "INFO: task alignment:77 blocked for more than 120 seconds.",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [alignment:77]",
    ],
)
def test_every_kind_of_stall_is_shown(line: str) -> None:
    found = find_end(f"{BOOTED}[   30.0] {line}\n[   31.0] later\n", Ended(timed_out=True))
    assert (found.end, found.lines[0]) == (BootEnd.HANG, f"[   30.0] {line}")


def test_a_crash_that_does_not_end_the_guest_is_a_crash_and_no_hang() -> None:
    assert end(BOOTED + NULL.rsplit("\n", 2)[0], timed_out=True) is BootEnd.OOPS


def test_a_stall_that_the_guest_got_over_is_no_hang() -> None:
    assert end(BOOTED + STALL + KTAP, status=0) is BootEnd.OK


@pytest.mark.parametrize(
    "line",
    [
        "qemu-system-x86_64: -device foo: 'foo' is not a valid device model name",
        "qemu-system-x86_64: -accel kvm: Could not access KVM kernel module: No such file or directory",
        "/bin/sh: 1: virtme-run: not found",
        "virtme-run: arguments must be passed with --kopt",
        "Error: unable to find kernel",
        "/root/.cache/orch/builds/0fb8/vmlinux does not exist",
    ],
)
def test_a_qemu_that_never_started_shows_its_output(line: str) -> None:
    found = find_end(line + "\n", Ended())
    assert (found.end, found.lines, found.line) == (BootEnd.QEMU, (line,), 1)


def test_a_warning_of_qemu_is_not_why_it_ended() -> None:
    console = (
        "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]\n"
        "qemu-system-x86_64: -device foo: 'foo' is not a valid device model name\n"
    )
    found = find_end(console, Ended())
    assert found.lines == (console.splitlines()[1],)
    assert found.line == 2


def test_a_guest_that_went_away_without_a_word_is_qemus_fault_and_shows_the_last_lines() -> None:
    found = find_end(BOOTED, Ended())
    assert found.end is BootEnd.QEMU
    assert found.lines[-1] == "[    1.201337] Run /bin/sh as init process"


def test_an_empty_console_has_nothing_to_show() -> None:
    found = find_end("", Ended())
    assert (found.end, found.lines, found.line) == (BootEnd.QEMU, (), 0)


def test_no_more_than_a_screenful_is_shown() -> None:
    long = BOOTED + "[    2.0] BUG: unable to handle page fault\n" + "[    2.1]  frame+0x1\n" * 500
    assert 10 <= len(find_end(long, Ended()).lines) <= 20


def test_a_warning_ends_no_boot() -> None:
    assert end(BOOTED + WARN + KTAP, status=0) is BootEnd.OK


def test_carriage_returns_of_a_serial_console_change_nothing() -> None:
    console = (BOOTED + NULL).replace("\n", "\r\n")
    found = find_end(console, Ended())
    assert found.end is BootEnd.OOPS
    assert not any("\r" in line for line in found.lines)

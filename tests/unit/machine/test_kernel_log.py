# SPDX-License-Identifier: GPL-2.0-only
"""The splats in the log of a boot.

The logs have messages of kernels, and the output of normal and hostile programs.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from orchestrator.machine.kernel_log import MOST_SPLATS, OTHERS, find_splats, merged, title_of
from orchestrator.machine.splat_kinds import KINDS, kind_of
from tests.splats import NONE, SPLATS

KLOG = Path(__file__).parents[3] / "orchestrator/workload/guest/lib/klog.c"
STAMPS = ("[    2.000101] ", "[   12.000101][   T77] ", "[99999.000101][    C0] ", "<4>[    2.000101] ")
WARN = "WARNING: mm/memory.c:2512 at vmf_insert_pfn_pud+0x90/0xa0, CPU#0: alignment/77"


def stamped(*messages: str) -> str:
    return "".join(f"[    2.{number:06}] {message}\n" for number, message in enumerate(messages))


def found(log: str) -> list[tuple[str, str, int]]:
    return [(splat.kind, splat.text, int(splat.place.rpartition(":")[2])) for splat in find_splats(log, "console.log")]


@pytest.mark.parametrize(("kind", "message"), SPLATS)
def test_every_kind_is_found_wherever_it_stands(kind: str, message: str) -> None:
    for stamp in (*STAMPS, "ok 1 half a line[    2.000101] ", "\x1b[0m[    2.000101] \x1b[31m", "[    2.000101] <3>"):
        log = f"Linux version 7.3\n[    0.000000] fine\n{stamp}{message}\n[    3.000000] later\n"
        assert found(log) == [(kind, message, 3)], stamp
        assert found(log.replace("\n", "\r\n")) == [(kind, message, 3)]


@pytest.mark.parametrize(("kind", "message"), SPLATS)
def test_every_kind_is_found_before_the_kernel_knows_the_time(kind: str, message: str) -> None:
    assert found(f"Linux version 7.3\n{message}\n") == [(kind, message, 2)]


@pytest.mark.parametrize(("kind", "message"), SPLATS)
def test_what_a_program_writes_is_not_the_kernels(kind: str, message: str) -> None:
    assert found(f"[    0.000000] fine\n{message}\n# {message}\n  {kind}: {message}\n") == []


@pytest.mark.parametrize("message", NONE)
def test_what_only_looks_like_a_splat_is_none(message: str) -> None:
    assert found(f"[    0.000000] fine\n[    2.000000] {message}\n") == []
    assert found(f"{message}\n") == []


def test_every_pattern_has_a_message_and_is_needed() -> None:
    used = {next(n for n, kind in enumerate(KINDS) if re.match(kind.pattern, message)) for _, message in SPLATS}
    assert used == set(range(len(KINDS)))


def test_every_kind_tells_the_kernels_file_that_prints_it() -> None:
    assert all(re.fullmatch(r"[\w./-]+\.[ch](, [\w./-]+\.[ch])*", kind.source) for kind in KINDS)


@pytest.mark.parametrize(("kind", "message"), SPLATS)
def test_the_program_in_the_guest_knows_the_same_kinds(kind: str, message: str) -> None:
    array = re.search(r"words\[\] = \{(.*?)\};", KLOG.read_text(), re.DOTALL)
    assert array
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', array[1])
    assert any(word in message for word in words), kind


@pytest.mark.parametrize("message", NONE)
def test_a_word_of_the_program_in_the_guest_is_in_no_normal_line_of_a_driver(message: str) -> None:
    array = re.search(r"words\[\] = \{(.*?)\};", KLOG.read_text(), re.DOTALL)
    assert array
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', array[1])
    assert not any(word in message for word in words if word not in ("WARNING: ", "BUG: ")), message


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (WARN, "WARNING: mm/memory.c:99 at vmf_insert_pfn_pud+0x1/0x2, CPU#3: init/1"),
        (WARN, "WARNING: CPU: 1 PID: 9 at mm/memory.c:99 vmf_insert_pfn_pud+0x1/0x2"),
        (WARN, "WARNING: CPU: 1 PID: 9 at mm/memory.c:99 vmf_insert_pfn_pud+0x1/0x2 [vfio]"),
        ("INFO: task a:88 blocked for more than 120 seconds.", "INFO: task a:7 blocked for more than 30 seconds."),
        (
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:77]",
            "watchdog: BUG: soft lockup - CPU#1 stuck for 48s! [a:9]",
        ),
        (
            "BUG: unable to handle page fault for address: ffffc90000000000",
            "BUG: unable to handle page fault for address: ffff888004c3d2c0",
        ),
        (
            "mm/memory.c:211: bad pud ffff888004c3d2c0(00000001c00000e7)",
            "mm/memory.c:99: bad pud (____ptrval____)(0000000180000067)",
        ),
        ("BUG: KASAN: x in foo.isra.0+0x1/0x2", "BUG: KASAN: x in foo.constprop.7+0x9/0x10"),
        ("Oops: 0000 [#1] SMP", "Oops: 0000 [#2] PREEMPT SMP"),
        ("BUG: Bad page state in process a  pfn:12345", "BUG: Bad page state in process a  pfn:abcde"),
    ],
)
def test_a_title_has_nothing_that_differs_from_boot_to_boot(first: str, other: str) -> None:
    assert title_of(first) == title_of(other)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (WARN, WARN.replace("memory.c", "huge_memory.c")),
        (WARN, WARN.replace("pfn_pud", "pfn_pmd")),
        ("BUG: KASAN: x in foo+0x1/0x2", "BUG: KASAN: x in bar+0x1/0x2"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu: INFO: rcu_sched self-detected stall on CPU"),
    ],
)
def test_titles_of_different_splats_differ(first: str, other: str) -> None:
    assert title_of(first) != title_of(other)


def test_a_repeated_splat_is_counted_at_its_first_line() -> None:
    (splat,) = find_splats(stamped("fine", WARN, "fine", WARN.replace("CPU#0", "CPU#1")), "console.log")
    assert (splat.count, splat.place, splat.text) == (2, "console.log:2", WARN)


def test_a_warn_is_one_splat_with_its_text_before_or_behind_its_header() -> None:
    trace = ("Modules linked in:", "Call Trace:", " <TASK>", " dump_stack_lvl+0x1/0x2", " foo+0x1/0x2")
    cut = "------------[ cut here ]------------"
    end = "---[ end trace 0000000000000000 ]---"
    for report in (
        (cut, WARN, *trace, end),
        (cut, "refcount_t: underflow; use-after-free.", WARN, *trace, end),
        (cut, "list_add corruption. prev is NULL.", WARN, *trace, end),
        (cut, WARN, "refcount_t: underflow; use-after-free.", *trace, end),
        (cut, "orch fault 1", WARN, *trace, end),
    ):
        assert [kind for kind, _, _ in found(stamped(*report))] == ["WARNING"], report


def test_an_oops_is_one_splat_whatever_headers_it_has() -> None:
    lines = (
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "#PF: supervisor read access in kernel mode",
        "PGD 0 P4D 0",
        "Oops: Oops: 0000 [#1] SMP NOPTI",
        "CPU: 0 UID: 0 PID: 77 Comm: alignment Not tainted 7.3.4",
        "Call Trace:",
        " foo+0x1/0x2",
        "---[ end trace 0000000000000000 ]---",
    )
    assert [text for _, text, _ in found(stamped(*lines))] == [lines[0]]
    assert len(found(stamped(*lines, *["fine"] * 20, "Oops: 0002 [#2] SMP"))) == 2


@pytest.mark.parametrize("other", [message for kind, message in SPLATS if kind not in ("Oops", "refcount", "stack")])
def test_no_splat_hides_another_that_follows_at_once(other: str) -> None:
    if kind_of(other) in ("list corruption", "vmalloc", "usercopy"):
        other = f"fine\n[    3.000000] {other}"
    for first in (
        "WARNING: at f+0x1/0x2",
        "BUG: Bad page cache in process a",
        "INFO: trying to register non-static key",
    ):
        assert len(found(stamped(first, other))) == 2 or title_of(first) == title_of(other)


def test_the_first_line_of_a_report_alone_is_a_splat() -> None:
    cut = "------------[ cut here ]------------"
    assert [kind for kind, _, _ in found(stamped("fine", cut))] == ["WARNING"]
    assert found(stamped(cut, "orch fault 1", "a", "b", "c", "d")) == [("WARNING", "orch fault 1", 1)]
    assert found(stamped(cut, "refcount_t: underflow; use-after-free."))[0][0] == "refcount"
    assert len(found(stamped(cut, cut.replace("-", "-"), WARN))) == 2


def test_a_call_trace_without_a_header_is_a_splat_and_names_who_asked_for_it() -> None:
    trace = ("Call Trace:", " <TASK>", " dump_stack_lvl+0x1/0x2", " ? show_stack+0x1/0x2", " vfio_pci_mmap+0x1a/0x200")
    assert found(stamped("fine", *trace)) == [("call trace", "Call Trace: at vfio_pci_mmap", 2)]
    assert found(stamped("Call trace:", " foo+0x1/0x2 [vfio]"))[0][1] == "Call trace: at foo"
    assert found(stamped("Call Trace:"))[0][1] == "Call Trace:"


@pytest.mark.parametrize(
    "header",
    [
        "sysrq: Show Blocked State",
        "task:alignment       state:D stack:0     pid:88    tgid:88    ppid:1",
        "alignment invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "FAULT_INJECTION: forcing a failure.",
        "NMI backtrace for cpu 0",
    ],
)
def test_a_call_trace_that_was_asked_for_is_none(header: str) -> None:
    assert found(stamped(header, "CPU: 0 PID: 88", "Call Trace:", " foo+0x1/0x2")) == []


def test_lines_of_two_logs_are_reported_once_and_the_console_counts_first() -> None:
    console, left = find_splats(stamped(WARN), "console.log"), find_splats(stamped("a", WARN, "Oops: 0"), "kernel.log")
    assert [splat.place for splat in merged((console, left))] == ["console.log:1", "kernel.log:3"]


def test_two_messages_in_one_line_are_two() -> None:
    line = f"[    2.000000] fine[    2.000001] {WARN}\n"
    assert found(line) == [("WARNING", WARN, 1)]
    assert len(found(f"[    2.000000] Oops: 0[    2.000001] {WARN}\n")) == 2


def test_lines_are_counted_as_editors_do() -> None:
    assert found(f"[    1.000000] a\x0bb\x1cc\x85d\u2028e\n[    2.000000] {WARN}\n") == [("WARNING", WARN, 2)]


def test_what_is_kept_of_a_flood_is_bounded() -> None:
    names = ("".join(chr(97 + number // 26**place % 26) for place in range(4)) for number in range(5000))
    splats = find_splats(stamped(*(f"WARNING: {name}{'x' * 10_000}" for name in names)), "console.log")
    assert len(splats) == MOST_SPLATS + 1
    assert (splats[-1].title, splats[-1].count, splats[-1].place) == (OTHERS, 4800, "console.log:201")
    assert max(len(splat.text) for splat in splats) <= 400
    assert max(len(splat.title) for splat in splats) <= 160


@pytest.mark.parametrize(
    "text",
    [
        "[    1.000000] " + " " * 11_000_000,
        "[" * 11_000_000,
        "[ " * 5_500_000,
        "[" + "1" * 11_000_000,
        "[" + " " * 11_000_000,
        "[    1.000000] " + "a" * 11_000_000,
        "[    1.000000] " + "a:1" * 4_000_000,
        "[    1.000000] WARNING: " + "a/b:1 at " * 1_000_000,
        "[    1.000000] " * 200_000,
        "\x1b[" * 5_000_000,
        "[    1.000000] pci 0000:00:1f.2: BAR 5 [mem 0xfebff000-0xfebfffff]\n" * 200_000,
        "\x00" * 11_000_000,
    ],
    ids=range(12),
)
def test_time_is_linear_whatever_is_written(text: str) -> None:
    began = time.process_time()
    find_splats(text, "console.log")
    assert time.process_time() - began < 10

# SPDX-License-Identifier: GPL-2.0-only
"""The headers with which a kernel reports its own problems.

Each has the kernel file that prints it.  They are from the sources of Linux 5.10 to 7.3, and were compared with the
kernel's own list in tools/testing/selftests/rcutorture/bin/console-badness.sh.  Every pattern matches at the start of
the message, after printk's timestamp, so that a driver's name or a sentence about bugs does not match.  Matching takes
linear time: no pattern has an unbounded repetition, except of characters that cannot start the rest of the pattern, and
messages are shortened before they are matched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SplatKind:
    """A kind of splat.

    `pattern` matches the start of the message, and `source` is the kernel file that prints it.
    """

    name: str
    pattern: str
    source: str


PANIC = "panic"

KINDS = (
    SplatKind("KASAN", r"(?:BUG: )?KASAN: ", "mm/kasan/report.c"),
    SplatKind("KFENCE", r"BUG: KFENCE: ", "mm/kfence/report.c"),
    SplatKind("KCSAN", r"BUG: KCSAN: ", "kernel/kcsan/report.c"),
    SplatKind("KMSAN", r"BUG: KMSAN: ", "mm/kmsan/report.c"),
    SplatKind("UBSAN", r"UBSAN: ", "lib/ubsan.c"),
    SplatKind(
        "kmemleak",
        r"kmemleak: (?:\d+ new suspected memory leaks|unreferenced object)|unreferenced object.{0,20} 0x",
        "mm/kmemleak.c",
    ),
    SplatKind(
        "lockdep",
        r"WARNING: (?:possible (?:recursive locking|circular locking dependency|irq lock inversion dependency) detected"
        r"|inconsistent lock state|suspicious RCU usage|bad unlock balance detected|bad contention detected"
        r"|held lock freed|lock held when returning to user space|Nested lock was not taken|chain_key collision"
        r"|.{1,20}-safe -> .{1,20}-unsafe lock order detected|.{1,40} still has locks held)",
        "kernel/locking/lockdep.c",
    ),
    SplatKind("lockdep", r"\[ (?:BUG|INFO): .{1,80} \]", "kernel/locking/lockdep.c"),
    SplatKind("lockdep", r"INFO: trying to register non-static key", "kernel/locking/lockdep.c"),
    SplatKind(
        "lockdep",
        r"BUG: (?:MAX_(?:LOCKDEP_\w+|STACK_TRACE_ENTRIES|LOCK_DEPTH) too low|looking up invalid subclass"
        r"|key \S+ has not been registered)",
        "kernel/locking/lockdep.c",
    ),
    SplatKind(
        "RCU stall",
        r"(?:rcu: )?INFO: \S{1,40} (?:self-)?detected (?:expedited )?stalls?\b",
        "kernel/rcu/tree_stall.h, tree_exp.h, tasks.h",
    ),
    SplatKind(
        "RCU stall", r"(?:rcu: )?\S{1,40} kthread (?:starved for|timer wakeup didn't)", "kernel/rcu/tree_stall.h"
    ),
    SplatKind("RCU stall", r"(?:rcu: )?INFO: Stall ended before state dump start", "kernel/rcu/tree_stall.h"),
    SplatKind(
        "hung task",
        r"INFO: (?:The )?task .{1,60}(?: blocked\b.{0,40}| for writeback completion) for more than \d",
        "kernel/hung_task.c, fs/fs-writeback.c",
    ),
    SplatKind("lockup", r"(?:watchdog: )?BUG: (?:soft|workqueue) lockup", "kernel/watchdog.c, kernel/workqueue.c"),
    SplatKind(
        "lockup",
        r"(?:(?:NMI )?watchdog: )?(?:CPU ?\d+:? )?(?:Watchdog |self-)?detected [Hh]ard LOCKUP",
        "kernel/watchdog.c",
    ),
    SplatKind("lockup", r"(?:smp: )?csd: Detected non-responsive CSD lock", "kernel/smp.c"),
    SplatKind("atomic", r"BUG: (?:scheduling |sleeping function |assuming )", "kernel/sched/core.c"),
    SplatKind("atomic", r"bad: scheduling from the idle thread|huh, entered ", "kernel/sched/idle.c, kernel/softirq.c"),
    SplatKind("bad page", r"BUG: (?:Bad (?:page|rss)|non-zero pgtables_bytes)", "mm/memory.c, kernel/fork.c"),
    SplatKind("bad page", r"\S{1,80}:\d+: bad (?:pgd|p4d|pud|pmd|pte)\b", "mm/pgtable-generic.c"),
    SplatKind("bad page", r"\w{1,40}: (?:Bad|Unused) swap (?:file|offset) entry", "mm/swapfile.c"),
    SplatKind("bad page", r"page dumped because: ", "mm/debug.c"),
    SplatKind("bad page", r"pagealloc: (?:memory corruption|single bit error)", "mm/page_poison.c"),
    SplatKind("slab", r"BUG \S{1,60} \(|[Ss]lab (?:corruption|error)", "mm/slub.c"),
    SplatKind("Oops", r"BUG: (?:kernel NULL pointer|unable to handle|Unable to handle)", "arch/x86/mm/fault.c"),
    SplatKind("Oops", r"Oops\b", "arch/x86/kernel/dumpstack.c"),
    SplatKind(
        "Oops",
        r"(?:traps: )?(?:PANIC: (?:double fault|early exception)|general protection fault[,:]|invalid opcode:"
        r"|stack segment:|double fault:|divide error:|invalid TSS:|segment not present:|alignment check:|int3:)",
        "arch/x86/kernel/traps.c",
    ),
    SplatKind("Oops", r"kernel tried to (?:execute|access)", "arch/x86/mm/fault.c"),
    SplatKind("Oops", r".{1,24}: Corrupted page table at address", "arch/x86/mm/fault.c"),
    SplatKind("Oops", r"Unable to handle kernel|Fixing recursive fault", "arch/arm64/mm/fault.c, kernel/exit.c"),
    SplatKind("Oops", r"Internal error: |Bad mode in|SError Interrupt|Insufficient stack", "arch/arm64/kernel/traps.c"),
    SplatKind(PANIC, r"Kernel panic - not syncing", "kernel/panic.c"),
    SplatKind("BUG", r"kernel BUG at |(?:\w{1,20}: )?BUG: |BUG at \S", "lib/bug.c, include/asm-generic/bug.h"),
    SplatKind("BUG", r"PAGETABLE BUG #", "arch/x86/mm/init_64.c"),
    SplatKind("WARNING", r"WARNING: |Badness at ", "kernel/panic.c"),
    SplatKind("refcount", r"refcount_t: ", "lib/refcount.c"),
    SplatKind("list corruption", r"list_(?:add|del)(?:_entry_valid)? corruption", "lib/list_debug.c"),
    SplatKind("usercopy", r"usercopy: Kernel memory |Kernel memory (?:exposure|overwrite) attempt", "mm/usercopy.c"),
    SplatKind("CFI", r"CFI failure ", "kernel/cfi.c"),
    SplatKind("stack", r"(?:stack-protector: )?Kernel stack is corrupted|corrupted stack end", "kernel/panic.c"),
    SplatKind("vmalloc", r"Trying to vfree\(\)", "mm/vmalloc.c"),
    SplatKind("memory", r".{1,24}: (?:page allocation failure: order:|vmalloc error: size )", "mm/page_alloc.c"),
    SplatKind("memory", r"Out of memory(?: \(.{1,40}\))?: Kill", "mm/oom_kill.c"),
    SplatKind("W+X", r"(?:[\w/]{1,20}: )?Checked W\+X mappings: FAILED", "arch/x86/mm/dump_pagetables.c, mm/ptdump.c"),
    SplatKind("IRQ", r"irq (?:event )?\d+: (?:nobody cared|bogus return value)", "kernel/irq/spurious.c"),
    SplatKind("NMI", r"Uhhuh\. NMI received", "arch/x86/kernel/nmi.c"),
    SplatKind("machine check", r"(?:mce: )?\[Hardware Error\]: ", "arch/x86/kernel/cpu/mce/core.c"),
    SplatKind(
        "IOMMU",
        r"DMAR: (?:DRHD: handling fault|\[(?:DMA|INTR-REMAP)|VT-d detected)",
        "drivers/iommu/intel/dmar.c",
    ),
    SplatKind("IOMMU", r".{0,60}AMD-Vi: Event logged \[", "drivers/iommu/amd/iommu.c"),
    SplatKind(
        "IOMMU",
        r"arm-smmu\S{0,10} \S{1,40}: \s{0,4}(?:event 0x\w+ received|event: |Unhandled context fault)",
        "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c",
    ),
    SplatKind("network", r"unregister_netdevice: waiting for|RTNL: assertion failed", "net/core/dev.c"),
    SplatKind("file system", r"VFS: Busy inodes after unmount", "fs/super.c"),
    SplatKind("torture", r"\S{1,20}-torture:.*(?:!!!|\?\?\? Writer stall)", "kernel/rcu/rcutorture.c"),
    SplatKind("lost messages", r"\*\* \d+ printk messages dropped", "kernel/printk/printk.c"),
)
"""The kinds in the order in which they are tried: specific ones before general ones."""

HARMLESS = (
    SplatKind("boot option", r"WARNING: 'bootconfig' found on the kernel command line", "init/main.c"),
    SplatKind("idle", r"WARNING: polling idle and HT enabled", "arch/x86/kernel/process.c"),
    SplatKind("MTRR", r"WARNING: (?:BIOS bug|strange, CPU MTRRs)", "arch/x86/kernel/cpu/mtrr/cleanup.c"),
    SplatKind("boot loader", r"WARNING: (?:Ancient bootloader|Forcing PAE|PAE disabled)", "arch/x86/boot/main.c"),
    SplatKind("IO-APIC", r"WARNING: bogus zero IO-APIC", "arch/x86/kernel/apic/io_apic.c"),
    SplatKind("mitigation", r"WARNING: (?:Spectre|BTB|LFENCE|IBRS|Unprivileged eBPF)", "arch/x86/kernel/cpu/bugs.c"),
)
"""Messages that start like a splat but are not.  They are about the firmware, the command line or the processor."""

TRACED_ON_REQUEST = (
    SplatKind("sysrq", r"sysrq: ", "drivers/tty/sysrq.c"),
    SplatKind("task list", r"task:.{1,20} state:", "kernel/sched/core.c"),
    SplatKind("OOM", r".{1,24} invoked oom-killer: ", "mm/oom_kill.c"),
    SplatKind("fault injection", r"FAULT_INJECTION: forcing a failure", "lib/fault-inject.c"),
    SplatKind("backtrace", r"(?:Sending NMI from|NMI backtrace for)", "lib/nmi_backtrace.c"),
)
"""Messages that can be followed by a call trace although nothing is wrong."""

_MATCHER = re.compile("|".join(f"(?P<k{number}>{kind.pattern})" for number, kind in enumerate(KINDS)))
_HARMLESS = re.compile("|".join(kind.pattern for kind in HARMLESS))
_ON_REQUEST = re.compile("|".join(kind.pattern for kind in TRACED_ON_REQUEST))


def kind_of(message: str) -> str:
    """Return the name of the kind of splat that `message` starts.

    Returns "" if it starts none.  `message` is a line of the kernel without its timestamp.
    """
    found = _MATCHER.match(message)
    if found is None or _HARMLESS.match(message):
        return ""
    return KINDS[int((found.lastgroup or "k0")[1:])].name


def requests_trace(message: str) -> bool:
    """Return whether a call trace can follow `message` although nothing is wrong."""
    return _ON_REQUEST.match(message) is not None

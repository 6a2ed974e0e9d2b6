# SPDX-License-Identifier: GPL-2.0-only
"""A shell in a guest: QEMU's arguments for its terminal and for gdb, and the script that starts it.

The shell has a serial port of its own, which QEMU connects to a socket.  The kernel's console stays a file, as in a
run, so that its messages do not interrupt what the user types.  Only the PC has a second port that every kernel drives:
the machine `virt` of QEMU 7.2 has one port, and most kernels have no driver for a virtio console.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from orchestrator.machine.model import GUEST_SHARE

SCRIPT_FILE = "shell.sh"
SIZE_FILE = "terminal.size"
"""The rows and columns of the user's terminal.  orch writes it, and the guest reads it while the shell runs."""
BANNER_FILE = "banner"
READY = b"\x1eorch shell\x1e"
"""The guest writes this to the terminal before the shell."""
OUTPUT_FILE = "shell.log"
"""The output of a command in a guest without a terminal."""
TERMINALS = {"x86_64": "/dev/ttyS1"}
"""The terminal of the shell in guests of each architecture that has one."""
NO_TERMINAL = 125
"""The exit status of the script if the kernel has no such terminal."""

_HEAD = f"""\
#!/bin/sh
# Runs in the guest: starts the shell on the port that QEMU connects to the user's terminal.
terminal=@TERMINAL@
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /root
cd {GUEST_SHARE}
export HOME=/root
"""
_CONNECT = f"""\
# A terminal that no process has open forgets its size.
exec 9<> $terminal || exit {NO_TERMINAL}
stty -F $terminal 115200 raw -echo || exit {NO_TERMINAL}
printf '\\036orch shell\\036' > $terminal
"""
_TO_FILE = f"""\
sh -c @COMMAND@ < /dev/null > {OUTPUT_FILE} 2>&1
exit $?
"""
_COMMAND = """\
sh -c @COMMAND@ < /dev/null > $terminal 2>&1
status=$?
# stty returns when all that was written before has been sent.
stty -F $terminal sane
exit $status
"""
_INTERACTIVE = f"""\
stty -F $terminal sane
# orch writes the size of the user's terminal as soon as it has read the mark, and again whenever it changes.
tenths=0
while [ ! -s {SIZE_FILE} ] && [ $tenths -lt 50 ]; do
	tenths=$((tenths + 1))
	sleep 0.1
done
size() {{ read -r now < {SIZE_FILE} && [ "$now" != "$before" ] && stty -F $terminal $now && before=$now; }}
before=
size
while sleep 1; do size; done 2> /dev/null &
cat {BANNER_FILE} > $terminal
# Which driver a device has now, and not at the start of the run.
for device in @DEVICES@; do
	name=${{device%%=*}} address=${{device#*=}}
	driver=$(readlink /sys/bus/pci/devices/$address/driver) && driver="driver ${{driver##*/}}" || driver='no driver'
	echo "$name is $address: $driver" > $terminal
done
export TERM=@TERM@ PS1=@PROMPT@
setsid -c sh -i < $terminal > $terminal 2>&1
status=$?
stty -F $terminal sane
exit $status
"""


def terminal_arguments(socket: Path) -> tuple[str, ...]:
    """Return QEMU's arguments for the terminal of a PC, whose other end is `socket`."""
    chardev = f"socket,id=orch-shell,path={_escaped(socket)},server=on,wait=off"
    return ("-chardev", chardev, "-device", "isa-serial,chardev=orch-shell")


def gdb_arguments(place: Path | int, *, stopped: bool) -> tuple[str, ...]:
    """Return QEMU's arguments for gdb at a socket or at a port of this machine only.

    `stopped` is whether the machine waits for gdb's `continue` before its first instruction.
    """
    where = f"host=127.0.0.1,port={place}" if isinstance(place, int) else f"path={_escaped(place)}"
    chardev = ("-chardev", f"socket,id=orch-gdb,{where},server=on,wait=off", "-gdb", "chardev:orch-gdb")
    return (*chardev, "-S") if stopped else chardev


def shell_script(prompt: str, term: str, devices: Mapping[str, str]) -> str:
    """Return the script for an interactive shell.

    `devices` are the addresses in the guest, by name.
    """
    pairs = " ".join(shlex.quote(f"{name}={address}") for name, address in devices.items())
    script = _INTERACTIVE.replace("@DEVICES@", pairs).replace("@TERM@", shlex.quote(term))
    head = (_HEAD + _CONNECT).replace("@TERMINAL@", TERMINALS["x86_64"])
    return head + script.replace("@PROMPT@", shlex.quote(prompt))


def command_script(command: str, arch: str) -> str:
    """Return the script for one command, whose exit status is that of the script.

    Its output goes to the terminal, or to `OUTPUT_FILE` in a guest without one.
    """
    terminal = TERMINALS.get(arch, "")
    head, body = (_HEAD + _CONNECT, _COMMAND) if terminal else (_HEAD, _TO_FILE)
    return head.replace("@TERMINAL@", terminal) + body.replace("@COMMAND@", shlex.quote(command))


def _escaped(path: Path) -> str:
    """Return a path as a value of one of QEMU's options, in which a comma is written twice."""
    return str(path).replace(",", ",,")

# SPDX-License-Identifier: GPL-2.0-only
"""The script with which the guest runs a suite or command.

This module also defines the files that the script writes to the share.  Output and status are written to separate
files, because the exit status of a virtual machine is not reliable.  The script runs in its own mount namespace, so
that its caller still has busybox, whatever the host's programs do.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from orchestrator.machine.model import GUEST_PROGRAM, GUEST_SHARE
from orchestrator.scenario.model import SelftestsWorkload, SuiteWorkload

SCRIPT_FILE = "suite.sh"
OUTPUT_FILE = "output.log"
"""The program's output on stdout and stderr, in the order in which it was written."""
PROGRAM_STATUS_FILE = "program.status"
"""The program's exit status; missing if the program did not end."""
PROBLEM_FILE = "problem"
"""One sentence about the reason, if the program could not be started."""

_WORK = "/tmp/work"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_HEAD = f"""\
#!/bin/sh
# Runs in the guest, in a mount namespace of its own: the host's programs are bound over the guest's busybox.
fail() {{ echo "orch: $*"; echo "$*" > {GUEST_SHARE}/{PROBLEM_FILE}; exit 2; }}
"""
_SCRATCH = """\
mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /root || fail 'cannot make a writable directory'
"""
_WORKING_DIRECTORY = f"""\
mkdir -p {_WORK} && cp -a {GUEST_PROGRAM}/. {_WORK} && cd {_WORK} || fail 'cannot lay out the working directory'
"""
_BIND = """\
_orch_device=/sys/bus/pci/devices/$ORCH_DEVICE
[ -e "$_orch_device" ] || fail "there is no PCI device $ORCH_DEVICE"
echo vfio-pci > "$_orch_device/driver_override"
[ ! -e "$_orch_device/driver" ] || echo "$ORCH_DEVICE" > "$_orch_device/driver/unbind"
echo "$ORCH_DEVICE" > /sys/bus/pci/drivers_probe
[ "$(basename "$(readlink "$_orch_device/driver")")" = vfio-pci ] || fail "vfio-pci does not take $ORCH_DEVICE"
"""
_OUTPUT = f"{_WORK}.output"
_HOLDERS = f"""\
# The processes that hold the output or the device, by the links in /proc/<pid>/fd; tee itself is none of them.
# One sed reads the thousands of lines, as a shell takes seconds for them: it keeps each process, and prints it for each
# link that counts.
_orch_holders() {{
	ls -l /proc/[0-9]*/fd 2> /dev/null |
	sed -n -e '\\#^/proc/[0-9]*/fd:$#{{s#^/proc/##;s#/fd:$##;h;d;}}' -e '\\# -> {_OUTPUT}#{{g;p;d;}}'@HELD@ |
	sort -u | grep -vx "$_orch_tee"
}}
"""
_HELD = r""" -e '\# -> /dev/vfio/#{g;p;d;}' -e '\# -> anon_inode:\[vfio#{g;p;d;}'"""
_RUN = f"""\
mkfifo {_OUTPUT} || fail 'cannot make a pipe'
tee {GUEST_SHARE}/{OUTPUT_FILE} < {_OUTPUT} &
_orch_tee=$!
# The shell in between is the one that a program ends which kills its parent; its own words are none of the output.
(_orch_sh @LINE@ {_OUTPUT} < /dev/null; exit $?) 2> /dev/null
echo $? > {GUEST_SHARE}/{PROGRAM_STATUS_FILE}
# The program has ended.  What it left in the background has two seconds to end as well: tee waits for all that hold the
# output, and the kernel for those that hold the device.
_orch_round=0
while _orch_left=$(_orch_holders); [ -n "$_orch_left" ]; do
	_orch_round=$((_orch_round + 1))
	[ $_orch_round -ne 10 ] || echo "orch: ends what the program left in the background:" $_orch_left
	[ $_orch_round -lt 10 ] || kill -9 $_orch_left
	sleep 0.2
done
wait $_orch_tee
"""
_GIVE_BACK = """\
echo "$ORCH_DEVICE" > "$_orch_device/driver/unbind"
echo > "$_orch_device/driver_override"
echo "$ORCH_DEVICE" > /sys/bus/pci/drivers_probe
"""


def guest_command() -> str:
    """Return the shell line that runs the script in the guest."""
    return f"unshare -m sh {GUEST_SHARE}/{SCRIPT_FILE}"


def guest_script(
    workload: SuiteWorkload, address: str, binds: Iterable[tuple[str, str]], tests: Iterable[str] = ()
) -> str:
    """Return the script that runs `workload`.

    `address` is the PCI address of its device in the guest, "" for none.  `binds` are (directory, mount point) pairs.
    `tests` are the names of the selftests to run, as listed by their runner.  The script exits with 0 if the program
    ran to its end, whatever its result.  The user's environment variables are set for the setup and the program only,
    so that they cannot affect the script itself.
    """
    line = runner_line(workload, tests) if isinstance(workload, SelftestsWorkload) else workload.command
    bound = (f"mount --bind {source} {target} || fail 'cannot bind {source} to {target}'\n" for source, target in binds)
    return "".join(
        (
            _HEAD,
            _SCRATCH,
            *bound,
            *_exports(_own_variables(workload, address)),
            _WORKING_DIRECTORY,
            _BIND if address else "",
            # The program runs in its own session: it may kill its process group, and this script must continue.
            "_orch_setsid=$(command -v setsid) || fail 'there is no program setsid'\n",
            '_orch_sh() (\nset -- "$1" "$_orch_setsid" "${2:-}"\n[ -z "$3" ] || exec > "$3" 2>&1\n',
            *_exports(workload.environment),
            'exec "$2" /bin/sh -c "$1"\n)\n',
            *_setup(workload.setup),
            _HOLDERS.replace("@HELD@", _HELD if address else ""),
            _RUN.replace("@LINE@", shlex.quote(line)),
            _GIVE_BACK if address else "",
            "exit 0\n",
        )
    )


def runner_line(workload: SelftestsWorkload, tests: Iterable[str]) -> str:
    """Return the command line of the selftests' own runner for `tests`."""
    argv = ["./run_kselftest.sh"]
    if workload.test_timeout is not None:
        argv += ["-o", str(workload.test_timeout)]
    return shlex.join([*argv, *(argument for test in tests for argument in ("-t", test))])


def chosen_tests(listed: str, only: Iterable[str]) -> tuple[str, ...]:
    """Return the tests of kselftest-list.txt, as target:program, in the order in which the runner runs them.

    `only` has names of programs; empty means all.  Raises LookupError with the name of a program that is not listed.
    """
    tests = listed.split()
    wanted = tuple(only)
    programs = {test.partition(":")[2] for test in tests}
    missing = [name for name in wanted if name not in programs]
    if missing:
        raise LookupError(missing[0])
    chosen = [test for test in tests if not wanted or test.partition(":")[2] in wanted]
    return tuple(sorted(chosen, key=lambda test: test.partition(":")[0]))


def _own_variables(workload: SuiteWorkload, address: str) -> Iterable[tuple[str, str]]:
    own = {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C", "ORCH_RESULTS": GUEST_SHARE}
    if address:
        own |= {"ORCH_DEVICE": address}
    if address and isinstance(workload, SelftestsWorkload):
        # tools/testing/selftests/vfio/lib/libvfio.c
        own |= {"VFIO_SELFTESTS_BDF": address}
    return own.items()


def _exports(variables: Iterable[tuple[str, str]]) -> Iterable[str]:
    return (f"export {name}={shlex.quote(value)}\n" for name, value in variables)


def _setup(lines: Iterable[str]) -> Iterable[str]:
    return (f"_orch_sh {shlex.quote(line)} || fail {shlex.quote(f'the setup failed: {line}')}\n" for line in lines)

# SPDX-License-Identifier: GPL-2.0-only
"""The small process between orch and a command; it ends every process of the command.

It runs on the host of the command, this machine or one behind SSH, as ``python3 -I -S``.  It uses the standard library
only, nothing newer than Python 3.8, and few imports, since every command waits for them.

    stdin   one line of JSON, the request; then only heartbeats.  Its end means that orch has ended: kill everything
    stdout  the command's stdout and stderr, which inherit it, so that no byte is copied
    stderr  one line, the report: `MARK` and JSON

It is a child subreaper: when a process ends, its children become the supervisor's own, even after setsid or a double
fork.  Hence "the supervisor has no child" is the same as "no process of the command is left", and it is enough to kill
children until there are none.  Another process cannot get a child's process id before the supervisor reaps it, so that
only the right process is killed.

A tree that must end gets SIGTERM first, and SIGKILL after the grace period.  In that time make deletes the targets that
it was writing; a partial object file would damage the next incremental build.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing alone takes 5 ms to import
    from typing import NoReturn

MARK = b"orch-report:"
PYTHON = ["python3", "-I", "-S"]
"""The first arguments of orch's own programs (`host.agent`).  They are run by the supervisor's own interpreter, which
the inventory names and which need not be called python3."""
GIVE_UP = 8.0
"""Seconds after SIGKILL at which a process counts as unkillable, for example if it hangs in a driver."""
STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
HUNG_UP = "orch hung up"
FOREVER = 1e6
"""Seconds; `select` refuses much more."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Request:
    """The request: the fields of the JSON line, which `host.supervised` writes.

    `timeout` is in seconds, None for no limit.  `patience` is the time in seconds without a heartbeat after which orch
    counts as unreachable; None if its end always ends stdin.  `grace` is in seconds, too.  A command that is `held`
    runs until orch hangs up, which is then its regular end.
    """

    def __init__(self, line: bytes) -> None:
        fields = json.loads(line)
        self.argv: list[str] = fields["argv"]
        self.cwd: str | None = fields["cwd"]
        self.env: dict[str, str] = {**(fields["inherited"] or os.environ), **fields["env"]}
        self.stdin: str = fields["stdin"]
        self.timeout: float | None = fields["timeout"]
        self.patience: float | None = fields["patience"]
        self.grace: float = fields["grace"]
        self.held: bool = fields["held"]


class Children:
    """The remaining processes of the command, and its exit status.

    `main` is the process that was started; `status` is its exit status, None while it runs.
    """

    def __init__(self, main: int) -> None:
        self.main = main
        self.status: int | None = None

    def reap(self) -> bool:
        """Collect ended processes; return whether any process is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.main:
                self.status = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def end(self, grace: float, wake: int) -> list[int]:
        """End every process; return those that cannot be killed.

        SIGTERM is sent first, SIGKILL after `grace` seconds.
        """
        begin = time.monotonic()
        asked: set[int] = set()
        while self.reap():
            seconds = time.monotonic() - begin
            left = children_of(os.getpid())
            if seconds > grace + GIVE_UP:
                return left
            if seconds >= grace:
                send(left, signal.SIGKILL)
            else:
                send(set(left) - asked, signal.SIGTERM)
                asked.update(left)
            signals(wake, 0.02)
        return []


def children_of(parent: int) -> list[int]:
    """Return the direct children of `parent`.

    Read from /proc/*/stat, since a kernel may lack the `children` file.
    """
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(name) == parent]  # noqa: PTH208


def parent_of(pid: str) -> int | None:
    """Return the parent's process id, or None if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib takes 5 ms to import
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return None


def send(pids: set[int] | list[int], number: int) -> None:
    """Send a signal to each process.

    A process of another user is skipped; `Children.end` will report it.
    """
    for pid in pids:
        try:  # noqa: SIM105 - contextlib takes time to import
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def prctl(option: int, value: int) -> None:
    """Call prctl(2), which Python does not offer.

    All supported kernels have both options.
    """
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def signals_as_bytes() -> int:
    """Return a descriptor that receives SIGCHLD and stop requests, for use with `select`."""
    wake, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *STOPPING):
        signal.signal(number, lambda *_: None)
    return wake


def signals(wake: int, seconds: float) -> bytes:
    """Return the numbers of the signals that arrived within `seconds`, else b""."""
    return os.read(wake, 4096) if select.select([wake], [], [], seconds)[0] else b""


def start(request: Request) -> int:
    """Start the command in a session of its own and return its process id.

    Raises OSError with a sentence.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(request, write)
    os.close(write)
    with os.fdopen(read, encoding="utf-8", errors="replace") as pipe:
        problem = pipe.read()
    if problem:
        os.waitpid(pid, 0)
        raise OSError(problem)
    return pid


def become(request: Request, problems: int) -> NoReturn:
    """Turn this forked process into the command.

    If that fails, the reason is written to the descriptor `problems`.
    """
    what = "enter the directory"
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, and a command would inherit that
        os.dup2(standard_input(request.stdin), 0)
        os.dup2(1, 2)
        os.chdir(request.cwd or ".")
        what = "start"
        argv = command(request.argv)
        os.execvpe(argv[0], argv, request.env)
    except (OSError, ValueError) as error:
        subject = request.argv[0] if what == "start" else request.cwd
        os.write(problems, f"cannot {what} {subject}: {getattr(error, 'strerror', None) or error}".encode())
    finally:
        os._exit(127)


def command(argv: list[str]) -> list[str]:
    """Return `argv`, with the interpreter's path if it is one of orch's own programs.

    Python finds its library by that path.  `sys.executable` is "" if Python cannot determine it (its documentation).
    """
    own = argv[: len(PYTHON)] == PYTHON and sys.executable
    return [sys.executable, *argv[1:]] if own else argv


def standard_input(text: str) -> int:
    """Return a descriptor that reads `text` and ends.

    It is a file, because a pipe would need a writer.
    """
    if not text:
        return os.open(os.devnull, os.O_RDONLY)
    file = os.memfd_create("stdin")
    with os.fdopen(os.dup(file), "wb") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
    os.lseek(file, 0, os.SEEK_SET)
    return file


def watch(children: Children, request: Request, wake: int) -> str:
    """Wait for the end and return its reason.

    The reason is "exit", "timeout", or one outside the command.
    """
    start = last_beat = time.monotonic()
    timeout = FOREVER if request.timeout is None else request.timeout
    patience = FOREVER if request.patience is None else request.patience
    while True:
        children.reap()
        now = time.monotonic()
        if children.status is not None:
            return "exit"
        if now - start >= timeout:
            return "timeout"
        if now - last_beat >= patience:
            return "no heartbeat arrived from orch"
        ready = select.select([0, wake], [], [], min(start + timeout, last_beat + patience) - now)[0]
        if wake in ready and STOPPING.intersection(os.read(wake, 4096)):
            return "its supervisor was asked to stop"
        if 0 in ready:
            if not os.read(0, 4096):
                return HUNG_UP
            last_beat = now


def supervise(request: Request, wake: int) -> dict[str, object]:
    """Run the command to its end, kill all its processes, and return the report."""
    begin = time.monotonic()
    try:
        children = Children(start(request))
    except OSError as error:
        return {"error": str(error)}
    reason = watch(children, request, wake)
    left = children.end(0 if reason == "exit" else request.grace, wake)
    seconds = time.monotonic() - begin
    if reason not in ("exit", "timeout") and not (request.held and reason == HUNG_UP):
        return {"error": f"{request.argv[0]} was ended, because {reason}"}
    return {"status": children.status, "timed_out": reason == "timeout", "left": left, "seconds": seconds}


def main() -> None:
    """Read a request, run it and report; no request, no report."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake = signals_as_bytes()
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a process that orch forked may hold the other end of stdin open
    line = sys.stdin.buffer.readline()
    if line:
        report = supervise(Request(line), wake)
        try:  # noqa: SIM105
            os.write(2, MARK + json.dumps(report).encode() + b"\n")
        except OSError:
            pass
    os._exit(0)  # saves the time of Python's cleanup


if __name__ == "__main__":
    main()

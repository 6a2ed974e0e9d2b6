# SPDX-License-Identifier: GPL-2.0-only
"""The process that forks a supervisor for every command on this machine.

A new Python takes 20 ms to start, in an emulated guest half a second; a fork takes one.  An orch starts hundreds of
commands.

    python3 -I -S fork_server.py REQUESTS ORCH

Both arguments are inherited descriptors.  REQUESTS is a SOCK_SEQPACKET socket; a message is one byte and the
descriptors that `SENT` names.  The answer is one byte and a pidfd of the supervisor, on the socket that came along.
ORCH is a pidfd of orch: a process that orch forked may hold the other end of REQUESTS open.

When orch has ended, this process ends, and each supervisor gets SIGTERM (`supervisor.main`).
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":  # Python was started without site-packages; last, so that nothing hides the standard library
    sys.path.append(str(Path(__file__).parents[2]))

from orchestrator.host import supervisor

SENT = ("stdin", "stdout", "stderr", "directory", "answer")


def serve(requests: socket.socket, orch: int) -> None:
    """Fork supervisors until orch has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel then reaps the supervisors
    while orch not in select.select([requests.fileno(), orch], [], [])[0]:
        sent = socket.recv_fds(requests, 1, len(SENT), socket.MSG_CMSG_CLOEXEC)[1]
        if not sent:
            return
        pid = os.fork()
        if pid == 0:
            become_supervisor(sent, [requests.fileno(), orch])
        with socket.socket(fileno=sent.pop()) as answer:
            report(pid, answer)
        for descriptor in sent:
            os.close(descriptor)


def become_supervisor(sent: list[int], others: list[int]) -> NoReturn:
    """Turn this forked process into a supervisor that has the descriptors `sent`, and not `others`."""
    try:
        os.setsid()
        os.fchdir(sent[SENT.index("directory")])
        for number, descriptor in enumerate(sent[:3]):
            os.dup2(descriptor, number)
        for descriptor in [*sent, *others]:
            os.close(descriptor)
        supervisor.main()
    finally:
        os._exit(1)


def report(pid: int, answer: socket.socket) -> None:
    """Send a pidfd of the supervisor.

    It cannot have ended by itself: it waits for its request, which comes after the answer.
    """
    try:
        pidfd = os.pidfd_open(pid)
        try:
            socket.send_fds(answer, [b"\0"], [pidfd])
        finally:
            os.close(pidfd)
    except OSError:  # it was killed, or orch was; orch finds the answer missing
        return


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))

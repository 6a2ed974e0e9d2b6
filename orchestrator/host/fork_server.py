# SPDX-License-Identifier: GPL-2.0-only
"""The process that forks a supervisor for every command on this machine.

A new Python takes 20 ms to start, in an emulated guest half a second; a fork takes one.  An orch starts hundreds of
commands.

    python3 -I -S fork_server.py REQUESTS ORCH

Both arguments are inherited descriptors.  REQUESTS is a SOCK_SEQPACKET socket; a message is one byte and the
descriptors that `SENT` names.  The answer goes to the socket that came along: a byte 0 and a pidfd of the supervisor,
or the number of an error (errno).  ORCH is a pidfd of orch: a process that orch forked may hold the other end of
REQUESTS open.

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
    poll = select.poll()  # a descriptor may be 1024 or more, which select cannot take
    poll.register(requests.fileno(), select.POLLIN)
    poll.register(orch, select.POLLIN)
    while orch not in dict(poll.poll()):
        sent = socket.recv_fds(requests, 1, len(SENT), socket.MSG_CMSG_CLOEXEC)[1]
        if not sent:
            return
        with socket.socket(fileno=sent[-1]) as answer:
            fork_one(sent, [requests.fileno(), orch], answer)
        for descriptor in sent[:-1]:
            os.close(descriptor)


def fork_one(sent: list[int], others: list[int], answer: socket.socket) -> None:
    """Fork a supervisor, and send a pidfd of it, or the number of the error.

    It cannot have ended by itself: it waits for its request, which comes after the answer.
    """
    try:
        pid = os.fork()
        if pid == 0:
            become_supervisor(sent, others)
        pidfd = os.pidfd_open(pid)
    except OSError as error:  # as when there are too many processes; those that run go on
        reply(answer, bytes([error.errno or 0]))
        return
    reply(answer, b"\0", pidfd)
    os.close(pidfd)


def reply(answer: socket.socket, number: bytes, *descriptors: int) -> None:
    """Send an answer; orch may have ended, or been interrupted."""
    try:  # noqa: SIM105 -- contextlib takes time to import
        socket.send_fds(answer, [number], descriptors)
    except OSError:
        pass


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


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))

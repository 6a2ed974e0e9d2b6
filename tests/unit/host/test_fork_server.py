# SPDX-License-Identifier: GPL-2.0-only
"""The fork server, if this machine has no room for another process.

How it forks supervisors, and how it ends, is in test_local.py.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.host import fork_client, fork_server


@pytest.fixture
def sigchld() -> Iterator[None]:
    """Put back how this process treats its children: the server lets the kernel reap them."""
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("sigchld")
@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_fork_that_fails_is_the_error_of_one_command_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse() -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fork", refuse)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = object.__new__(fork_client._Server)
    server._requests = ours

    def ask() -> list[int | None]:
        found = []
        with open(os.devnull) as null:  # noqa: PTH123
            for _ in range(3):
                with pytest.raises(OSError, match=os.strerror(number)) as caught:
                    server.ask((null.fileno(), null.fileno(), null.fileno()))
                found.append(caught.value.errno)
        ours.close()
        return found

    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    orch = os.pidfd_open(os.getpid())
    with ThreadPoolExecutor(1) as pool, theirs:
        asked = pool.submit(ask)
        fork_server.serve(theirs, orch)
        assert asked.result() == [number] * 3
    os.close(orch)
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2  # noqa: PTH208 -- both ends of the socket are closed

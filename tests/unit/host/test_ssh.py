# SPDX-License-Identifier: GPL-2.0-only
"""A host over SSH: the contract with a real sshd on loopback, and bad connections."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import paramiko
import psutil
import pytest

from orchestrator.errors import CommandError, Interrupted
from orchestrator.host import ssh, ssh_connection
from orchestrator.host.address import Address
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.host.ssh import SshHost
from tests.unit.host.test_contract import MARK, TREE, RealHostContract, marked, sh, wait_until

SSHD = Path("/usr/sbin/sshd")
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub {directory}/chatty
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv SHLVL=1
"""
"""With SHLVL, bash takes sshd's command for a nested shell and leaves out ~/.bashrc, which may do anything."""


GREETING = 'echo Welcome to lab1; printf unfinished; eval \\"$SSH_ORIGINAL_COMMAND\\"'
CLOSED = "echo This account is currently not available.; exit 1"


SSH_MSG_CHANNEL_EOF = 96
"""RFC 4250, 4.1.2."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def make_key(path: Path, passphrase: str = "") -> None:
    argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path))
    assert LocalHost().run(Command(argv)).ok


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The address of an sshd with keys of its own.

    The sshd ends with the tests in this file.
    """
    assert SSHD.exists(), f"no {SSHD}; run make setup"
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    directory, port, host = tmp_path_factory.mktemp("sshd"), free_port(), LocalHost()
    make_key(directory / "host_key")
    make_key(directory / "user_key")
    forced = {"greeted_key": GREETING, "closed_key": CLOSED, "silent_key": "sleep 30"}
    for name in forced:
        make_key(directory / name)
    # Commands of a login shell before the actual command, as in ~/.bashrc, depend on the key here.
    lines = (f'command="{what}" {(directory / name).with_suffix(".pub").read_text()}' for name, what in forced.items())
    (directory / "chatty").write_text("".join(lines))
    (directory / "config").write_text(CONFIG.format(port=port, directory=directory))
    public = (directory / "host_key.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    argv = (str(SSHD), "-D", "-e", "-f", str(directory / "config"))
    with ThreadPoolExecutor() as pool:
        server = pool.submit(host.run, Command(argv, log=directory / "log"))
        try:
            assert wait_until(lambda: answers(port), 10), (directory / "log").read_text()
            known_hosts = directory / "known_hosts"
            yield Address("127.0.0.1", getpass.getuser(), port, directory / "user_key", known_hosts, sys.executable)
        finally:
            host.stop_all()
    assert isinstance(server.exception(), Interrupted)


def refused(address: Address) -> str:
    """Return the one-sentence error of a host at `address`.

    Fails if it takes long, as a prompt would.
    """
    started = time.monotonic()
    with pytest.raises(CommandError) as caught:
        SshHost(address).run(Command(("true",)))
    assert time.monotonic() - started < 5
    assert "\n" not in str(caught.value)
    return str(caught.value)


def unknown(address: Address, known: Path) -> str:
    login = f"ssh -p {address.port} -o UserKnownHostsFile={known} {address.user}@127.0.0.1"
    return f"127.0.0.1: its host key is not in {known}; log in once with `{login}` and compare the fingerprint"


def keyed(address: Address, name: str) -> Address:
    """Return `address` with another of its keys."""
    assert address.key
    return replace(address, key=address.key.with_name(name))


class TestSshHost(RealHostContract):
    @pytest.fixture
    def host(self, address: Address) -> Iterator[SshHost]:
        host = SshHost(address)
        host.grace = 0.5
        yield host
        host.close()

    def test_a_lost_connection_is_an_error_and_ends_the_command(self, host: SshHost, mark: str) -> None:
        def on_line(line: str) -> None:
            for process in psutil.Process(int(line)).parents():
                if process.name().startswith("sshd"):
                    process.kill()
                    return

        with pytest.raises(CommandError, match=r"^127\.0\.0\.1: lost sh: .*connection lost"):
            host.run(Command(sh("setsid sleep 1000 & echo $$; sleep 1000"), env={MARK: mark}, on_line=on_line))
        assert wait_until(lambda: marked(mark) == [], 5), marked(mark)
        assert host.run(Command(("echo", "again"))).output == "again\n"

    def test_a_closed_connection_ends_the_command(self, host: SshHost, mark: str) -> None:
        with pytest.raises(CommandError, match="lost sh"):
            host.run(Command(sh(TREE), env={MARK: mark}, on_line=lambda _: host.close()))
        assert wait_until(lambda: marked(mark) == [], 5), marked(mark)

    def test_a_host_that_hears_nothing_ends_the_command(self, host: SshHost, mark: str) -> None:
        host.patience = 0.5
        with pytest.raises(CommandError, match="sleep was ended, because no heartbeat arrived from orch"):
            host.run(Command(("sleep", "1000"), env={MARK: mark}))
        assert marked(mark) == []

    def test_heartbeats_keep_a_silent_command_alive(self, host: SshHost, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ssh, "BEAT", 0.2)
        host.patience = 0.8
        assert host.run(Command(("sleep", "1.2"))).ok

    def test_an_unknown_host_key_is_refused(self, address: Address, tmp_path: Path) -> None:
        (tmp_path / "known").touch()
        known = tmp_path / "known"
        assert refused(replace(address, known_hosts=known)) == unknown(address, known)

    def test_another_host_key_is_refused(self, address: Address, tmp_path: Path) -> None:
        make_key(tmp_path / "other")
        public = (tmp_path / "other.pub").read_text()
        (tmp_path / "known").write_text(f"[127.0.0.1]:{address.port} {public}")
        assert "its host key is not the one in" in refused(replace(address, known_hosts=tmp_path / "known"))

    def test_a_missing_known_hosts_file_is_refused(self, address: Address) -> None:
        known = Path("/no/such")
        assert refused(replace(address, known_hosts=known)) == unknown(address, known)

    def test_a_missing_key_is_refused(self, address: Address) -> None:
        assert "No such file or directory: '/no/such'" in refused(replace(address, key=Path("/no/such")))

    def test_a_key_that_the_host_does_not_know_is_refused(self, address: Address, tmp_path: Path) -> None:
        make_key(tmp_path / "key")
        assert "Authentication failed" in refused(replace(address, key=tmp_path / "key"))

    def test_a_key_with_a_passphrase_is_refused_without_asking(self, address: Address, tmp_path: Path) -> None:
        make_key(tmp_path / "key", "secret words")
        assert "encrypted" in refused(replace(address, key=tmp_path / "key"))

    def test_a_port_without_a_listener_is_refused(self, address: Address) -> None:
        assert "Unable to connect" in refused(replace(address, port=free_port()))

    @pytest.mark.parametrize("name", ["tree/../../out", "tree/link/out", "/../out"])
    def test_a_host_cannot_write_outside_of_the_copy(
        self, host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        link = tarfile.TarInfo("tree/link")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        with tarfile.open(tmp_path / "evil.tar", "w") as tar:
            tar.addfile(link)
            tar.addfile(tarfile.TarInfo(name))
        monkeypatch.setattr(ssh, "PACK", ("cat",))
        with pytest.raises(CommandError, match="outside"):
            host.get(tmp_path / "evil.tar", tmp_path / "safe" / "here")
        assert list(tmp_path.rglob("out")) == []

    @pytest.mark.parametrize(
        ("size", "unpack"), [(8_000_000, "sleep 30"), (0, "cat >/dev/null; sleep 30")], ids=["reading", "ending"]
    )
    def test_stop_all_ends_a_copy_whose_other_end_is_stuck(
        self, host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, unpack: str
    ) -> None:
        (tmp_path / "file").write_bytes(bytes(size))
        monkeypatch.setattr(ssh, "UNPACK", ("sh", "-c", unpack))
        with ThreadPoolExecutor() as pool:
            copy = pool.submit(host.put, tmp_path / "file", tmp_path / "there")
            assert not wait_until(copy.done, 0.4)
            host.stop_all()
            with pytest.raises(Interrupted):
                copy.result(timeout=3)

    def test_a_tar_that_complains_of_every_file_is_heard(
        self, host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(bytes(8_000_000))
        complaints = "yes 'tar: x: Cannot write: No space left on device' | head -c 8000000 >&2; cat >/dev/null; exit 2"
        monkeypatch.setattr(ssh, "UNPACK", ("sh", "-c", complaints))
        with ThreadPoolExecutor() as pool:
            copy = pool.submit(host.put, tmp_path / "file", tmp_path / "there")
            try:
                with pytest.raises(CommandError, match="No space left on device"):
                    copy.result(timeout=20)
            finally:
                host.stop_all()

    def test_more_commands_run_at_once_than_sshd_allows_on_a_connection(self, host: SshHost, tmp_path: Path) -> None:
        def one(number: int) -> str:
            wait = 'touch "$1/$2"; until [ "$(ls "$1" | wc -l)" = 24 ]; do sleep 0.2; done; echo "$2"'
            return host.run(Command(sh(wait, str(tmp_path), str(number)), timeout=60)).output

        with ThreadPoolExecutor(24) as pool:
            assert list(pool.map(one, range(24))) == [f"{number}\n" for number in range(24)]

    def test_a_host_that_allows_fewer_sessions_gets_more_connections(
        self, host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ssh_connection, "SESSIONS", 1000)
        self.test_more_commands_run_at_once_than_sshd_allows_on_a_connection(host, tmp_path)

    def test_the_end_of_a_command_does_not_end_the_connection_of_others(
        self, host: SshHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """paramiko can send the end of stdin after the close of a channel.

        It always does if such messages are late.
        """
        send = paramiko.Transport._send_user_message

        def late(transport: paramiko.Transport, message: paramiko.Message) -> None:
            if message.asbytes()[0] == SSH_MSG_CHANNEL_EOF and threading.current_thread() is not transport:
                time.sleep(0.3)
            send(transport, message)

        monkeypatch.setattr(paramiko.Transport, "_send_user_message", late)
        (tmp_path / "file").write_text("text")
        with ThreadPoolExecutor() as pool:
            long = pool.submit(host.run, Command(sh("sleep 2.5; echo long")))
            assert not wait_until(long.done, 0.3)
            assert host.run(Command(("true",))).ok
            assert host.run(Command(("sleep", "5"), timeout=0.2)).timed_out
            host.get(tmp_path / "file", tmp_path / "there")
            assert long.result().output == "long\n"


@pytest.fixture
def greeted(address: Address) -> Iterator[SshHost]:
    host = SshHost(keyed(address, "greeted_key"))
    yield host
    host.close()


def test_what_a_login_shell_prints_is_no_part_of_a_commands_output(greeted: SshHost) -> None:
    lines: list[str] = []
    assert greeted.run(Command(("echo", "12"), on_line=lines.append, timeout=10)).output == "12\n"
    assert lines == ["12"]


def test_what_a_login_shell_prints_is_no_part_of_a_copy(greeted: SshHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    greeted.put(tmp_path / "file", tmp_path / "there")
    greeted.get(tmp_path / "there", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "text"


def test_a_login_shell_that_runs_nothing_is_refused_in_its_own_words(address: Address) -> None:
    sentence = "127.0.0.1: its login shell does not begin a command: This account is currently not available."
    assert refused(keyed(address, "closed_key")) == sentence


def test_a_login_shell_that_never_begins_a_command_can_be_stopped(address: Address) -> None:
    host = SshHost(keyed(address, "silent_key"))
    with ThreadPoolExecutor() as pool, contextlib.closing(host):
        command = pool.submit(host.run, Command(("true",)))
        assert not wait_until(command.done, 0.4)
        host.stop_all()
        with pytest.raises(Interrupted):
            command.result(timeout=3)


def test_a_login_shell_that_never_begins_a_command_is_given_up(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_connection, "SILENCE", 0.4)
    assert "its login shell does not begin a command" in refused(keyed(address, "silent_key"))

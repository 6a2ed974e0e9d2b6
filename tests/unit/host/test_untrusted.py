# SPDX-License-Identifier: GPL-2.0-only
"""The reader of untrusted files, with every possible kind of file, in bounded time."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.agent.inodes import shown
from orchestrator.host.untrusted import (
    OddFileError,
    copy_untrusted,
    read_beginning,
    read_untrusted,
    replace_untrusted,
    text_of,
)

PACKAGE = Path(__file__).resolve().parents[3] / "orchestrator"
SECRET = "root:secret"
Maker = Callable[[Path], object]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def make_secret(path: Path) -> None:
    (path.parent.parent / "secret").write_text(SECRET)
    path.symlink_to("../secret")


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


ODD: dict[str, tuple[Maker, str]] = {
    "link to /dev/zero": (lambda path: path.symlink_to("/dev/zero"), "is a symbolic link, not a file"),
    "link to a secret": (make_secret, "is a symbolic link, not a file"),
    "link to nothing": (lambda path: path.symlink_to("nowhere"), "is a symbolic link, not a file"),
    "link to itself": (lambda path: path.symlink_to(path.name), "is a symbolic link, not a file"),
    "link to a directory": (lambda path: path.symlink_to("/etc"), "is a symbolic link, not a file"),
    "FIFO": (os.mkfifo, "is a FIFO, not a file"),
    "socket": (make_socket, "is a socket, not a file"),
    "directory": (Path.mkdir, "is a directory, not a file"),
    "sparse file of 1 TB": (make_sparse, "is larger than 64 KiB"),
    "file of a byte too many": (lambda path: path.write_bytes(b"x" * 65537), "is larger than 64 KiB"),
}
if os.geteuid() == 0:
    ODD["zero"] = (lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)), "is a character device, not a file")
    ODD["disk"] = (lambda path: os.mknod(path, 0o060666, os.makedev(254, 0)), "is a block device, not a file")


@pytest.mark.parametrize("what", ODD)
def test_what_is_not_a_file_is_named(tmp_path: Path, what: str) -> None:
    share = tmp_path / "share"
    share.mkdir()
    make, sentence = ODD[what]
    make(share / "status")
    with pytest.raises(OddFileError, match=f"^status {sentence}$"):
        read_untrusted(share, "status", 65536)
    with pytest.raises(OddFileError, match=f"^status {sentence}$"):
        copy_untrusted(share, "status", tmp_path / "copy", 65536)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("link", ["../other", "/etc", "."])
def test_a_directory_on_the_way_must_not_be_a_link(tmp_path: Path, link: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/passwd").write_text(SECRET)
    share = tmp_path / "share"
    share.mkdir()
    (share / "passwd").write_text(SECRET)
    (share / "deep").symlink_to(link)
    with pytest.raises(OddFileError, match="is below a symbolic link"):
        read_untrusted(share, "deep/passwd", 100)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", ""), (b"0\n", "0\n"), (b"\xc2\xb2", "\u00b2"), (b"\xff\xfe", "\ufffd\ufffd"), (b"a\0b", "a\ufffdb")],
)
def test_a_file_is_read_and_decoded_whatever_its_bytes_are(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").write_bytes(content)
    read = read_untrusted(tmp_path, "a/b", 100)
    assert read == content
    assert text_of(content) == text
    assert copy_untrusted(tmp_path, "a/b", tmp_path / "copy", 100)
    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "..", "", ".", "a/..", "/etc/hostname"])
def test_a_name_cannot_lead_out_of_the_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "run/a").mkdir(parents=True)
    with pytest.raises(OddFileError, match="is not a name below its directory"):
        read_untrusted(tmp_path / "run", name, 100)


def test_what_is_missing_is_none(tmp_path: Path) -> None:
    assert read_untrusted(tmp_path, "a", 100) is None
    assert read_untrusted(tmp_path, "a/b", 100) is None
    assert not copy_untrusted(tmp_path, "a", tmp_path / "copy", 100)


def test_the_beginning_of_a_large_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_beginning(tmp_path, "a", 3) == (b"123", False)
    assert read_beginning(tmp_path, "a", 5) == (b"12345", True)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\udcff\udcfe", "n" * 255, "\u202e", "\x9b31m"])
def test_a_name_in_a_message_is_printable_and_short(name: str) -> None:
    assert shown(name).isascii()
    assert shown(name).isprintable()
    assert len(shown(name)) < 130


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "missing", "missing/b", "fifo/b"):
        for _ in range(20):
            with pytest.raises(OddFileError) if name.startswith("fifo") else pytest.MonkeyPatch.context():
                read_untrusted(tmp_path, name, 1)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# The packages and modules that handle files of a guest.  Of orch's own files they may read these.
READERS = (
    *("run/boot_job.py", "run/suite_job.py", "machine/boot.py", "machine/share.py", "machine/boothost/ssh.py"),
    *("result/store/load.py", "result/store/excerpt.py", "result/store/origin.py"),
)
OPENS = {"read_text", "read_bytes", "open", "readlink", "copyfile", "copy", "copy2", "copytree", "iterdir", "exists"}
OWN = {
    "build.config.read_text": "the configuration in the cache",
    "(build.directory / PROVENANCE).read_text": "the same, written by orch itself",
    "console.read_text": "the console log, which orch writes itself",
    "console.exists": "the same",
    "settings.exists": "virtme-ng's configuration, which orch writes itself",
    "path.read_bytes": "in `contents`: the share before a guest has it",
    "share.iterdir": "the same",
    "shutil.copytree": "the user's own files, on their way to the guest",
    "shutil.copy2": "the same",
    "self._ground.open": "no file",
}


def opens(source: str) -> set[str]:
    """Return the calls in a module that open or follow a path."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    named = (call for call in calls if isinstance(call, ast.Attribute) and call.attr in OPENS)
    return {ast.unparse(call) for call in named}


@pytest.mark.parametrize("name", READERS)
def test_files_of_a_guest_are_read_by_the_one_reader(name: str) -> None:
    found = opens((PACKAGE / name).read_text())
    unknown = {call for call in found if call not in OWN}
    assert not unknown, f"{name} uses {unknown}; what a guest wrote is read by host.untrusted"


def test_the_check_for_readers_sees_them() -> None:
    source = "(share / 'x').read_text()\nopen(p)\npath.open()\nshutil.copyfile(a, b)\nos.readlink(a)\n"
    assert opens(source) == {"(share / 'x').read_text", "path.open", "shutil.copyfile", "os.readlink"}


@pytest.mark.parametrize("kind", ["nothing", "file", "link", "broken link", "fifo"])
def test_a_new_file_replaces_what_another_party_put_there(tmp_path: Path, kind: str) -> None:
    share, precious = tmp_path / "share", tmp_path / "precious"
    share.mkdir()
    precious.write_text("precious")
    path = share / "size"
    if kind == "file":
        path.write_text("long content that was there")
    elif kind.endswith("link"):
        path.symlink_to(precious if kind == "link" else tmp_path / "none")
    elif kind == "fifo":
        os.mkfifo(path)
    replace_untrusted(share, "size", b"new")
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()
    assert precious.read_text() == "precious"
    assert not (tmp_path / "none").exists()


def test_a_directory_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "size").mkdir()
    with pytest.raises(OSError, match=r".+"):
        replace_untrusted(tmp_path, "size", b"new")

# SPDX-License-Identifier: GPL-2.0-only
"""A boot's share: its limits, how it is made harmless, and how it is read."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from orchestrator.agent import quota
from orchestrator.agent.harmless import make_harmless
from orchestrator.agent.quota import DEEPEST, Quota, excess, nameless, watched
from orchestrator.errors import CommandError, InfrastructureError, Interrupted
from orchestrator.machine import share as share_module
from orchestrator.machine.console import FLOOD_BYTES, LINE_BYTES
from orchestrator.machine.share import Limits, Share, shared_with_guest, tidy
from tests.unit.host.test_untrusted import make_socket, make_sparse

LARGE = Quota(1 << 30, 20_000)
SMALL = Quota(1 << 20, 100)
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that looks more often than ours."""
    monkeypatch.setattr(quota, "_PERIOD", 0.03)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    place = tmp_path / "guest"
    place.mkdir()
    return place


def make_deep(path: Path, levels: int = 1500) -> None:
    """Create nested directories, deeper than any limit.

    The limits are those of a path, of recursion in Python and of open files.
    """
    here = os.open(path.parent, os.O_RDONLY)
    for level in range(levels):
        name = path.name if level == 0 else "d" * 200
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("end", os.O_CREAT, dir_fd=here))
    os.close(here)


def with_mode(mode: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_text("x")
        path.chmod(mode)

    return make


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def with_capability(path: Path) -> None:
    path.write_text("x")
    # VFS_CAP_REVISION_2 with CAP_SETUID (include/uapi/linux/capability.h).
    os.setxattr(path, "security.capability", bytes.fromhex("010000028000000000000000" + "0" * 16))


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (link("/etc/shadow"), "guest/x was a symbolic link to '/etc/shadow'"),
    "link with an escape": (link("\x1b[2J\n"), "guest/x was a symbolic link to '\\x1b[2J\\n'"),
    "FIFO": (os.mkfifo, "guest/x was a FIFO"),
    "socket": (make_socket, "guest/x was a socket"),
    "set-user-ID": (with_mode(0o4755), "guest/x had the mode 4755"),
    "set-group-ID": (with_mode(0o2755), "guest/x had the mode 2755"),
    "too deep": (make_deep, "is too deep, and is removed"),
    "sparse": (make_sparse, "guest held more than 1,024 MiB, and all but orch's own files is removed"),
}
if IS_ROOT:
    ODD["device"] = (lambda path: os.mknod(path, 0o020666, os.makedev(1, 5)), "guest/x was a character device")
    ODD["disk"] = (lambda path: os.mknod(path, 0o060666, os.makedev(254, 0)), "guest/x was a block device")
    ODD["capabilities"] = (with_capability, "guest/x had file capabilities")


@pytest.mark.parametrize("what", ODD)
def test_what_a_guest_must_not_leave_is_named_and_harmless_afterwards(share: Path, what: str) -> None:
    make, sentence = ODD[what]
    make(share / "x")
    (share / "status").write_text("0")
    odd = make_harmless(share, LARGE, ("status",))
    assert len(odd) == 1
    assert sentence in odd[0]
    assert is_harmless(share)
    assert (share / "status").read_text() == "0"
    assert make_harmless(share, LARGE, ("status",)) == ()


def is_harmless(place: Path) -> bool:
    """Return whether everything below is harmless.

    Harmless is our own file or directory that has no special bits and can be removed.
    """
    for path in (place, *place.rglob("*")):
        status = path.lstat()
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode), path
        assert not status.st_mode & 0o7022, path
        assert status.st_mode & 0o600 == 0o600
        assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
        assert "security.capability" not in os.listxattr(path)
    shutil.copytree(place, place.with_name("copy"))
    return True


@pytest.mark.parametrize(
    "name",
    [b"a\nb", b"\x1b[31mred", b"\xff\xfe", b"n" * 255, b"-rf", b"$(id)", b" ", b"...", "\u202egpj".encode(), b"\x01"],
)
def test_hostile_names_do_no_harm_and_are_kept(share: Path, name: bytes) -> None:
    (share / os.fsdecode(name)).write_text("kept")
    assert make_harmless(share, LARGE, ()) == ()
    assert (share / os.fsdecode(name)).read_text() == "kept"
    (share / os.fsdecode(name)).unlink()
    (share / os.fsdecode(name)).symlink_to("/etc/shadow")
    (sentence,) = make_harmless(share, LARGE, ())
    assert sentence.isascii()
    assert sentence.isprintable()


def test_directories_of_others_with_odd_modes_can_be_read_and_removed(share: Path) -> None:
    for mode in (0, 0o1777, 0o2777, 0o7777, 0o444):
        directory = share / f"{mode:o}"
        directory.mkdir()
        (directory / "file").write_text("x")
        (directory / "file").chmod(0)
        if IS_ROOT:
            os.chown(directory / "file", 1000, 1000)
            os.chown(directory, 1000, 1000)
        directory.chmod(mode)
    assert make_harmless(share, LARGE, ()) == ()
    assert is_harmless(share)


def test_a_deep_tree_is_removed_and_what_stands_beside_it_is_kept(share: Path) -> None:
    make_deep(share / "deep")
    (share / "fine").mkdir()
    (share / "fine/file").write_text("x")
    (sentence,) = make_harmless(share, LARGE, ())
    assert sentence.endswith("is too deep, and is removed")
    assert (share / "fine/file").read_text() == "x"
    subprocess.run(["rm", "-rf", str(share)], check=True)


def test_many_odd_things_are_one_short_message(share: Path) -> None:
    for number in range(200):
        (share / f"{number}").symlink_to("/dev/zero")
    odd = make_harmless(share, LARGE, ())
    assert len(odd) == 4
    assert odd[3] == "and so on, 197 more"


def test_more_than_the_quota_goes_but_for_what_orch_reads(share: Path) -> None:
    (share / "status").write_text("0\n")
    (share / "output.log").write_bytes(b"x" * (2 << 20))
    (share / "fifo").mkdir()
    os.mkfifo(share / "fifo/fifo")
    assert make_harmless(share, SMALL, ("status", "output.log", "fifo")) == (
        "guest held more than 1 MiB, and all but orch's own files is removed",
    )
    assert sorted(path.name for path in share.iterdir()) == ["output.log", "status"]
    assert (share / "status").read_text() == "0\n"
    assert (share / "output.log").stat().st_size == (1 << 20) // 12
    assert is_harmless(share)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda share: (share / "a").write_bytes(b"x" * ((1 << 20) + 1)), "more than 1 MiB"),
        (lambda share: make_sparse(share / "a"), "more than 1 MiB"),
        (lambda share: [(share / f"{number}").touch() for number in range(101)], "more than 100 files"),
        (lambda share: [(share / f"{number}").mkdir() for number in range(101)], "more than 100 files"),
        (lambda share: make_deep(share / "a", DEEPEST + 2), "directories more than 64 levels deep"),
        (lambda share: (share / "a").symlink_to("/"), ""),
        (lambda share: os.mkfifo(share / "a"), ""),
        (lambda share: (share / "a").write_bytes(b"x" * 4096), ""),
    ],
)
def test_the_quota_counts_bytes_names_and_levels(share: Path, make: Callable[[Path], object], reason: str) -> None:
    make(share)
    assert excess(share, SMALL) == reason


def test_a_file_with_many_names_counts_once(share: Path) -> None:
    (share / "a").write_bytes(b"x" * 600_000)
    for number in range(10):
        (share / f"{number}").hardlink_to(share / "a")
    assert excess(share, SMALL) == ""


def test_the_watch_reports_while_the_guest_writes(share: Path, watchful: None) -> None:
    over, reasons = Event(), []

    def report(reason: str) -> None:
        reasons.append(reason)
        over.set()

    with watched(share, SMALL, report):
        (share / "a").write_bytes(b"x" * (2 << 20))
        assert over.wait(10)
        time.sleep(0.2)
    assert reasons == ["more than 1 MiB"]


def test_the_watch_bears_a_directory_that_changes_meanwhile(share: Path, watchful: None) -> None:
    reasons: list[str] = []
    with watched(share, SMALL, reasons.append):
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            (share / "a").mkdir()
            (share / "a/b").touch()
            shutil.rmtree(share / "a")
            with suppress(FileNotFoundError):
                (share / "c").symlink_to("/")
                (share / "c").unlink()
    assert reasons == []


def test_the_quota_is_at_most_half_of_the_free_disk(share: Path) -> None:
    free = shutil.disk_usage(share).free
    assert Quota(1 << 60, 10).on(share).size == pytest.approx(free // 2, rel=0.1)
    assert Quota(1000, 10).on(share) == Quota(1000, 10)


def test_a_guest_is_ended_when_its_console_has_no_end() -> None:
    limits = Limits()
    for _ in range(FLOOD_BYTES // (65535 + LINE_BYTES)):
        limits.console("x" * 65535)
    assert not limits.over.is_set()
    limits.console("x" * 65535)
    assert limits.over.is_set()
    assert limits.flooded


def test_orchs_own_scripts_are_as_they_were(share: Path) -> None:
    own = {name: name.encode() for name in ("run.sh", "suite.sh", "same.sh", "gone.sh", "directory.sh", "longer.sh")}
    for name, content in own.items():
        (share / name).write_bytes(content)
    (share / "run.sh").write_text("true")
    (share / "suite.sh").unlink()
    (share / "suite.sh").symlink_to("/etc/passwd")
    (share / "gone.sh").unlink()
    (share / "directory.sh").unlink()
    (share / "directory.sh").mkdir()
    (share / "longer.sh").write_text("longer.sh and more")
    odd = tidy(share, LARGE, own, ())
    changed = {sentence for sentence in odd if sentence.endswith(" was changed")}
    assert changed == {f"guest/{name} was changed" for name in own if name != "same.sh"}
    assert {name: (share / name).read_bytes() for name in own} == own


def test_a_guest_that_breaks_orchs_own_work_is_blamed_for_it(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_module, "QUOTA", SMALL)
    with (
        pytest.raises(InfrastructureError, match=r"^guest held more than 1 MiB, .*removed$"),
        shared_with_guest(share, ()),
    ):
        (share / "a").write_bytes(b"x" * (2 << 20))
        raise CommandError("console.log: cannot write the log: No space left on device")
    assert not (share / "a").exists()


@pytest.mark.parametrize("error", [CommandError("lost"), Interrupted("stopped")])
def test_another_error_stays_as_it_is(share: Path, error: InfrastructureError) -> None:
    with pytest.raises(type(error), match=str(error)), shared_with_guest(share, ()):
        if isinstance(error, Interrupted):
            (share / "a").symlink_to("/etc")
        raise error
    assert is_harmless(share)


@pytest.mark.parametrize(
    ("content", "number", "odd"),
    [
        (b"0\n", 0, False),
        (b" 255 ", 255, False),
        (b"", None, False),
        (b"\n", None, False),
        (b"256", None, True),
        (b"-1", None, True),
        (b"+1", None, True),
        (b"1.0", None, True),
        (b"1_0", None, True),
        (b"0x10", None, True),
        (b"1e400", None, True),
        (b"NaN", None, True),
        (b"inf", None, True),
        (b"\xc2\xb2", None, True),  # superscript two
        (b"\xd9\xa3", None, True),  # Arabic-Indic three
        (b"\xe2\x91\xa0", None, True),  # circled one
        (b"9" * 400, None, True),
        (b"9" * 5000, None, True),
        (b"half", None, True),
        (b"1\n2\n", None, True),
        (b"\0", None, True),
        (b"\xff", None, True),
    ],
)
def test_a_number_is_of_ascii_digits_and_in_its_range(
    share: Path, content: bytes, number: int | None, odd: bool
) -> None:
    (share / "status").write_bytes(content)
    left = Share(share)
    assert left.number("status", 255) == number
    assert bool(left.odd) is odd
    for sentence in left.odd:
        assert sentence.startswith("guest/status is not a number from 0 to 255: ")
        assert sentence.isascii()
        assert len(sentence) < 300


def test_a_text_that_is_too_large_is_read_in_part_and_reported(share: Path) -> None:
    (share / "problem").write_bytes(b"x" * 70_000)
    left = Share(share)
    assert left.text("problem") == "x" * 65536
    assert left.text("nothing") == ""
    assert left.odd == ("guest/problem is larger than 64 KiB, and only its beginning is read",)


def test_a_file_that_is_removed_while_it_is_written_counts(share: Path, tmp_path: Path, watchful: None) -> None:
    shutil.copy("/bin/sh", tmp_path / "qemu-system-test")  # the name is what /proc/<pid>/comm has
    script = f"exec 3>{share}/x; rm {share}/x; head -c 2000000 /dev/zero >&3; echo; read word"
    over, reasons = Event(), []

    def report(reason: str) -> None:
        reasons.append(reason)
        over.set()

    pipe = subprocess.PIPE
    with subprocess.Popen([tmp_path / "qemu-system-test", "-c", script], stdin=pipe, stdout=pipe) as guest:
        assert guest.stdout
        guest.stdout.readline()
        assert excess(share, SMALL) == ""
        assert nameless(share) >= 2_000_000
        assert nameless(tmp_path / "other") == 0
        with watched(share, SMALL, report):
            assert over.wait(20)
        guest.communicate(b"end\n")
    assert reasons == ["more than 1 MiB in files without a name"]
    assert nameless(share) == 0

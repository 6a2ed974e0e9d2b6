# SPDX-License-Identifier: GPL-2.0-only
"""A full disk, and locks between processes, as a program experiences them."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from orchestrator.errors import (
    CommandError,
    DiskFullError,
    InfrastructureError,
    Interrupted,
    KernelBuildError,
    PatchError,
)
from orchestrator.host.base import Completed, check
from orchestrator.host.disk import removed_on_failure, report_full_disk, sync_disk
from orchestrator.host.full import failure, tells_full_disk
from orchestrator.host.local import LocalHost
from orchestrator.host.lock import alone, holders, shared


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/x"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "/x"),
        failure("cloning failed: cp -al … exit status 1", "cp: cannot create: No space left on device"),
        failure("/x: cannot be written", OSError(errno.ENOSPC, "No space left on device"), InfrastructureError),
        failure("patch x does not apply", "error: unable to write file x: Disk quota exceeded", PatchError),
    ],
)
def test_a_full_disk_is_one_sentence_however_it_shows(tmp_path: Path, error: Exception) -> None:
    sentence = r"^building it: no space was left on the disk of \S+ \(\d+ MiB free now\); make room"
    with (
        pytest.raises(InfrastructureError, match=sentence) as caught,
        report_full_disk(tmp_path / "not/yet", "building it"),
    ):
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 3


def test_the_disk_that_is_named_is_the_one_that_is_full(tmp_path: Path) -> None:
    full = Path("/proc")  # it has no free space
    with (
        pytest.raises(
            InfrastructureError, match=r"^booting it: no space was left on the disk of /proc \(0 MiB free now\)"
        ),
        report_full_disk(tmp_path, "booting it", full),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_flushed_is_an_error(tmp_path: Path) -> None:
    sync_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_disk(tmp_path / "gone")


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "Permission denied"), KernelBuildError("error: x"), KeyError()]
)
def test_other_errors_stay_what_they_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, report_full_disk(tmp_path, "building it"):
        raise error
    assert caught.value is error


def test_an_error_is_that_of_a_full_disk_only_if_its_cause_says_so() -> None:
    with pytest.raises(DiskFullError, match=r"^copying failed: cp a b … exit status 1\ncp: No space left on device$"):
        check(Completed(("cp", "a", "b"), 1, "cp: No space left on device\n", 0.1), "copying")
    assert type(failure("x", "cp: cannot stat 'a'")) is CommandError
    assert type(failure("x", OSError(errno.EACCES, "Permission denied"), PatchError)) is PatchError


def test_source_lines_that_speak_of_a_full_disk_are_not_one() -> None:
    assert tells_full_disk("x\nas: a.o: No space left on device\ny")
    assert tells_full_disk("fatal: sha1 file '/c/objects/pack/tmp_pack_unEEXC' write error. Out of diskspace")
    assert not tells_full_disk('   12 | puts("No space left on device");')


def test_what_is_half_there_is_removed_after_a_failure_and_stays_after_an_interrupt(tmp_path: Path) -> None:
    partial = tmp_path / "a.partial"
    partial.mkdir()
    with pytest.raises(Interrupted), removed_on_failure(LocalHost(), partial):
        raise Interrupted("stop")
    assert partial.exists()
    with pytest.raises(InfrastructureError), removed_on_failure(LocalHost(), partial):
        raise InfrastructureError("no")
    assert not partial.exists()


def test_users_share_and_an_exclusive_user_waits_for_all_of_them(tmp_path: Path) -> None:
    path, host, waiting, got = tmp_path / "locks/users", LocalHost(), threading.Event(), threading.Event()

    def be_alone() -> None:
        with alone(host, path, waiting.set):
            got.set()

    with shared(host, path), shared(host, path):
        thread = threading.Thread(target=be_alone)
        thread.start()
        assert waiting.wait(10)
        assert not got.is_set()
        assert holders(path)
    thread.join(10)
    assert got.is_set()
    assert holders(path) == ()


def test_a_user_waits_for_an_exclusive_one_and_can_be_stopped(tmp_path: Path) -> None:
    path, stopped = tmp_path / "users", LocalHost()
    with (
        alone(LocalHost(), path, lambda: None),
        pytest.raises(Interrupted),
        shared(stopped, path, stopped.stop_all),
    ):
        raise AssertionError("it did not wait")


def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InfrastructureError, match="the lock cannot be made"),
        shared(LocalHost(), tmp_path / "file/users"),
    ):
        pass

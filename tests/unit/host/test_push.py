# SPDX-License-Identifier: GPL-2.0-only
"""Files that are sent to a host, and the directory of a run there.

The host is this machine; one variant counts the copies.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace

import psutil
import pytest

from orchestrator.errors import CommandError, DiskFullError, InfrastructureError
from orchestrator.host.agent import program, sent
from orchestrator.host.base import Command
from orchestrator.host.bundle import toolbox
from orchestrator.host.full import failure
from orchestrator.host.local import LocalHost
from orchestrator.host.push import RemoteStore, content_hash
from orchestrator.host.scratch import scratch
from tests.unit.host.test_contract import wait_until

SECONDS = 20.0


class CountingHost(LocalHost):
    """This machine; it records the files that it was sent."""

    def __init__(self) -> None:
        super().__init__("counting")
        self.sent: list[str] = []

    def put(self, local: Path, remote: Path) -> None:
        self.sent.append(local.name)
        super().put(local, remote)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_text("#!/bin/sh\n")
    (root / "bin/tool").chmod(0o755)
    (root / "sh").symlink_to("bin/tool")
    return root


def test_a_tree_is_sent_once_with_its_modes_and_links(tree: Path, tmp_path: Path) -> None:
    host = CountingHost()
    first = RemoteStore(host, tmp_path / "kept").push(tree)
    second = RemoteStore(host, tmp_path / "kept").push(tree)
    assert first == second
    assert host.sent == ["tree"]
    assert (first / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(first / "sh") == "bin/tool"  # noqa: PTH115 -- as it is written
    assert content_hash(first) == content_hash(tree)


def test_what_comes_and_goes_in_a_tree_is_neither_sent_nor_hashed(tree: Path, tmp_path: Path) -> None:
    host, kept = CountingHost(), tmp_path / "kept"
    first = RemoteStore(host, kept).push(tree, without="virtme-init-*")
    (tree / "virtme-init-abc").write_text("of a boot beside it\n")
    assert RemoteStore(host, kept).push(tree, without="virtme-init-*") == first
    assert host.sent == ["tree"]
    assert os.readlink(first / "sh") == "bin/tool"  # noqa: PTH115 -- as it is written
    assert RemoteStore(host, kept).push(tree) != first


def test_another_content_mode_link_or_name_is_another_thing(tree: Path) -> None:
    seen = {content_hash(tree)}
    (tree / "bin/tool").write_text("#!/bin/bash\n")
    seen.add(content_hash(tree))
    (tree / "bin/tool").chmod(0o700)
    seen.add(content_hash(tree))
    (tree / "sh").unlink()
    seen.add(content_hash(tree))
    (tree / "sh").symlink_to("bin/other")
    seen.add(content_hash(tree))
    (tree / "empty").mkdir()
    seen.add(content_hash(tree))
    assert len(seen) == 6


def test_what_did_not_arrive_whole_is_not_taken_for_it(tree: Path, tmp_path: Path) -> None:
    class Cut(CountingHost):
        def put(self, local: Path, remote: Path) -> None:
            (remote / local.name).mkdir(parents=True)
            raise CommandError("the connection was lost")

    with pytest.raises(CommandError):
        RemoteStore(Cut(), tmp_path / "kept").push(tree)
    assert list((tmp_path / "kept/arriving").iterdir()) == []
    host = CountingHost()
    assert (RemoteStore(host, tmp_path / "kept").push(tree) / "bin/tool").exists()
    assert host.sent == ["tree"]


def test_what_was_not_used_for_a_month_is_removed_by_the_next_push(tree: Path, tmp_path: Path) -> None:
    host, kept = CountingHost(), tmp_path / "kept"
    old = RemoteStore(host, kept).push(tree)
    (tree / "second").touch()
    used = RemoteStore(host, kept).push(tree)
    for place in (old, used):
        os.utime(place.parent, (0, 0))
    assert RemoteStore(host, kept).push(tree) == used
    (tree / "third").touch()
    new = RemoteStore(host, kept).push(tree)
    assert [place.exists() for place in (old, used, new)] == [False, True, True]
    assert list((kept / "arriving").iterdir()) == []


def test_what_a_dead_push_left_goes_with_the_next(tree: Path, tmp_path: Path) -> None:
    left = tmp_path / "kept/arriving/dead/object/tree"
    left.mkdir(parents=True)
    RemoteStore(LocalHost(), tmp_path / "kept").push(tree)
    assert list((tmp_path / "kept/arriving").iterdir()) == []


def test_pushes_of_the_same_at_once_do_each_other_no_harm(tree: Path, tmp_path: Path) -> None:
    class Slow(CountingHost):
        def put(self, local: Path, remote: Path) -> None:
            super().put(local, remote)
            all_sent.wait(60)

    def one(_: int) -> Path:
        return RemoteStore(Slow(), tmp_path / "kept").push(tree)

    all_sent = Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        (there,) = set(pool.map(one, range(8)))
    assert content_hash(there) == content_hash(tree)
    assert list((tmp_path / "kept/arriving").iterdir()) == []


def _empty(there: Path) -> None:
    (there / "bin/tool").write_text("")  # as after a power cut


def _aged(there: Path) -> None:
    (there / "bin/tool").unlink()  # as systemd-tmpfiles does


def _without_record(there: Path) -> None:
    (there.parent / ".orch-record").unlink()


@pytest.mark.parametrize("spoil", [_empty, _aged, _without_record])
def test_an_object_that_lost_something_is_sent_anew(tree: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(RemoteStore(LocalHost(), tmp_path / "kept").push(tree))
    host = CountingHost()
    assert content_hash(RemoteStore(host, tmp_path / "kept").push(tree)) == content_hash(tree)
    assert host.sent == ["tree"]
    assert list((tmp_path / "kept/arriving").iterdir()) == []


def test_what_is_written_beside_an_objects_files_does_no_harm(tree: Path, tmp_path: Path) -> None:
    there = RemoteStore(LocalHost(), tmp_path / "kept").push(tree)
    (there / "bin/__pycache__").mkdir()
    (there / "virtme-init-abc").write_text("of a boot\n")
    host = CountingHost()
    RemoteStore(host, tmp_path / "kept").push(tree)
    assert host.sent == []


def test_an_object_tells_when_it_was_used_last(tree: Path, tmp_path: Path) -> None:
    kept = RemoteStore(LocalHost(), tmp_path / "kept").push(tree).parent
    os.utime(kept, (0, 0))
    RemoteStore(LocalHost(), tmp_path / "kept").push(tree)
    assert time.time() - kept.stat().st_mtime < 60


def test_a_full_host_is_not_taken_for_a_full_disk_here(tree: Path, tmp_path: Path) -> None:
    class Full(LocalHost):
        def put(self, local: Path, remote: Path) -> None:
            why = "tar: sh: Cannot write: No space left on device"
            raise failure(f"copying {local} to {remote} failed: {why}", why)

    with pytest.raises(InfrastructureError) as caught:
        RemoteStore(Full("lab1"), tmp_path / "kept").push(tree)
    what = f"lab1: no space was left for tree in {tmp_path}/kept there; make room on that host"
    assert str(caught.value) == what
    assert not isinstance(caught.value, DiskFullError)


def test_virtme_ng_runs_from_its_directory_alone(tmp_path: Path) -> None:
    tools = toolbox(LocalHost(), tmp_path, "python3")
    done = LocalHost().run(Command((str(tools / "bin/vng"), "--version"), env={"HOME": str(tmp_path)}))
    assert done.ok, done.output
    assert done.output.startswith("virtme-ng ")
    assert not [path for path in tools.rglob("*") if path.suffix == ".so"]


def test_virtme_ngs_directory_is_made_anew_when_what_it_is_made_of_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {toolbox(LocalHost(), tmp_path, "python3"), toolbox(LocalHost(), tmp_path, "/opt/python3")}
    monkeypatch.setattr("orchestrator.host.bundle._WRAPPER", "#!/bin/sh\n")
    made.add(toolbox(LocalHost(), tmp_path, "python3"))
    real = importlib.metadata.distribution
    newer = SimpleNamespace(version="99.9", files=())
    monkeypatch.setattr(
        "orchestrator.host.bundle.distribution", lambda name: newer if name == "requests" else real(name)
    )
    made.add(toolbox(LocalHost(), tmp_path, "python3"))
    assert len(made) == 4
    assert toolbox(LocalHost(), tmp_path, "python3") in made


def holders(directory: Path) -> list[psutil.Process]:
    """Return the processes that have a file in `directory` open."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(Path(file.path).parent == directory for file in process.open_files()):
                found.append(process)
    return found


def test_a_runs_directory_goes_with_its_program_and_a_dead_ones_with_the_next(tmp_path: Path) -> None:
    runs, lines, enough = tmp_path / "runs", list[str](), Event()

    def start(pool: ThreadPoolExecutor, name: str) -> None:
        request = sent({"directory": str(runs), "name": name})
        pool.submit(LocalHost().run, Command(program("scratch"), stdin=request, on_line=lines.append, until=enough))

    with ThreadPoolExecutor(2) as pool, contextlib.closing(_Setting(enough)):
        start(pool, "dead")
        assert wait_until(lambda: len(lines) == 1, SECONDS)
        (runs / "dead/guest").write_text("left\n")
        for process in holders(runs):
            process.send_signal(signal.SIGKILL)
        assert wait_until(lambda: not holders(runs), SECONDS)
        assert (runs / "dead/guest").exists()
        start(pool, "alive")
        assert wait_until(lambda: len(lines) == 2, SECONDS)
        assert sorted(path.name for path in runs.iterdir()) == ["alive", "alive.lock"]
    assert list(runs.iterdir()) == []


def test_what_a_late_copy_made_again_goes_with_the_next_program(tmp_path: Path) -> None:
    (tmp_path / "runs/late/guest").mkdir(parents=True)
    with scratch(LocalHost(), tmp_path / "runs") as own:
        assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [own.name, f"{own.name}.lock"]
    assert list((tmp_path / "runs").iterdir()) == []


def test_many_directories_are_made_at_once(tmp_path: Path) -> None:
    def one(_: int) -> bool:
        with scratch(host, tmp_path / "runs") as own:
            all_there.wait(60)
            return own.is_dir()

    host, all_there = LocalHost(), Barrier(12)
    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(12)))
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with (
        pytest.raises(InfrastructureError, match=r"^local: no directory can be made below \S+/runs: .*File exists"),
        scratch(LocalHost(), tmp_path / "runs"),
    ):
        pass


class _Setting:
    """Sets an event when it is closed, so that failed tests block no others."""

    def __init__(self, event: Event) -> None:
        self.close = event.set

# SPDX-License-Identifier: GPL-2.0-only
"""What is sent to a host, and the directory that a run has there; the host is this machine, but for one that counts."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from orchestrator.errors import CommandError
from orchestrator.host.local import LocalHost
from orchestrator.host.program import program, sent
from orchestrator.machine.push import Shelf, content_hash
from orchestrator.machine.toolbox import toolbox
from tests.unit.test_host_contract import wait_until

SECONDS = 20.0


class CountingHost(LocalHost):
    """This machine, which remembers what it was sent."""

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
    first = Shelf(host, tmp_path / "kept").place(tree)
    second = Shelf(host, tmp_path / "kept").place(tree)
    assert first == second
    assert host.sent == ["tree"]
    assert (first / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert os.readlink(first / "sh") == "bin/tool"  # noqa: PTH115 -- as it is written
    assert content_hash(first) == content_hash(tree)


def test_what_comes_and_goes_in_a_tree_is_neither_sent_nor_hashed(tree: Path, tmp_path: Path) -> None:
    host, kept = CountingHost(), tmp_path / "kept"
    first = Shelf(host, kept).place(tree, without="virtme-init-*")
    (tree / "virtme-init-abc").write_text("of a boot beside it\n")
    assert Shelf(host, kept).place(tree, without="virtme-init-*") == first
    assert host.sent == ["tree"]
    assert os.readlink(first / "sh") == "bin/tool"  # noqa: PTH115 -- as it is written
    assert Shelf(host, kept).place(tree) != first


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
        Shelf(Cut(), tmp_path / "kept").place(tree)
    host = CountingHost()
    assert (Shelf(host, tmp_path / "kept").place(tree) / "bin/tool").exists()
    assert host.sent == ["tree"]


def test_virtme_ng_runs_from_its_directory_alone(tmp_path: Path) -> None:
    tools = toolbox(LocalHost(), tmp_path, "python3")
    done = LocalHost().run((str(tools / "bin/vng"), "--version"), env={"HOME": str(tmp_path)})
    assert done.ok, done.output
    assert done.output.startswith("virtme-ng ")
    assert not [path for path in tools.rglob("*") if path.suffix == ".so"]


def holders(directory: Path) -> list[psutil.Process]:
    """The processes that have a file in `directory` open."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(Path(file.path).parent == directory for file in process.open_files()):
                found.append(process)
    return found


def test_a_runs_directory_goes_with_its_program_and_a_dead_ones_with_the_next(tmp_path: Path) -> None:
    runs, said, enough = tmp_path / "runs", list[str](), Event()

    def start(pool: ThreadPoolExecutor, name: str) -> None:
        request = sent({"directory": str(runs), "name": name})
        pool.submit(LocalHost().run, program("scratch"), stdin=request, on_line=said.append, until=enough)

    with ThreadPoolExecutor(2) as pool, contextlib.closing(_Setting(enough)):
        start(pool, "dead")
        assert wait_until(lambda: len(said) == 1, SECONDS)
        (runs / "dead/guest").write_text("left\n")
        for process in holders(runs):
            process.send_signal(signal.SIGKILL)
        assert wait_until(lambda: not holders(runs), SECONDS)
        assert (runs / "dead/guest").exists()
        start(pool, "alive")
        assert wait_until(lambda: len(said) == 2, SECONDS)
        assert sorted(path.name for path in runs.iterdir()) == ["alive", "alive.lock"]
    assert list(runs.iterdir()) == []


class _Setting:
    """Sets an event when it is closed, so that nothing waits for ever for a test that failed."""

    def __init__(self, event: Event) -> None:
        self.close = event.set

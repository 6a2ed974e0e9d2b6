# SPDX-License-Identifier: GPL-2.0-only
"""The cache with real processes: at the same time, killed, or on a full disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from orchestrator.cli import main as cli
from orchestrator.host.confined import own_namespaces
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import verify
from tests.toy_build import toy_recipe

ROOT = Path(__file__).parents[4]
TOY = Path(__file__).parents[2] / "data/toy-kernel"
# Every object is recorded in WATCHED.  If WATCHED/slow exists, half of an object is written, and the rest much later.
SLOW = """
echo "$1" >> "WATCHED/compiled"
if [ -e "WATCHED/slow" ] && [ "$1" = mm/mmap.o ]; then
\tmkdir -p mm
\techo half > mm/mmap.o
\ttouch "WATCHED/half"
\tsleep 60
fi
"""


class Toy:
    """A toy kernel whose build can be slow, and a cache for it."""

    def __init__(self, place: Path) -> None:
        self.place = place / "watched"
        self.place.mkdir()
        self.cache = KernelCache(place / "cache")
        self.source = place / "source"
        shutil.copytree(TOY, self.source)
        script = self.source / "scripts/cc.sh"
        script.write_text(
            script.read_text().replace('echo "  CC ', SLOW.replace("WATCHED", str(self.place)) + 'echo "  CC ')
        )

    def start(self) -> subprocess.Popen[str]:
        """Start a process that builds the kernel, in a session of its own."""
        argv = [sys.executable, "-m", "tests.toy_build", str(self.cache.root), str(self.source)]
        environment = {**os.environ, "TOY": str(self.place)}
        return subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def build(self) -> dict[str, Any]:
        """Build the kernel in a process, and return the output."""
        return output_of(self.start())

    @property
    def compiled(self) -> list[str]:
        """Every object in the order in which it was compiled, by any process."""
        return (self.place / "compiled").read_text().split()

    def image(self) -> str:
        """The image in the cache."""
        build = self.cache.lookup(toy_recipe(self.source))
        assert build is not None
        return build.image.read_text()


def output_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the JSON that a process prints at its end."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """A toy kernel; all processes of its builds are killed afterwards."""
    yield Toy(tmp_path)
    wait_for(lambda: not processes_at(tmp_path), 15)


def processes_at(place: Path) -> list[psutil.Process]:
    """Return the processes whose working directory is below `place`."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(place):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for(condition: Any, seconds: float) -> None:
    """Wait until `condition` holds; fail after `seconds`."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it did not come true in time"
        sleep(0.02)


def test_processes_that_start_at_once_on_an_empty_cache_build_it_once(toy: Toy) -> None:
    answers = [output_of(process) for process in [toy.start() for _ in range(4)]]
    assert sorted(answer["cached"] for answer in answers) == [False, True, True, True]
    assert len({answer["key"] for answer in answers}) == 1
    assert sorted(toy.compiled) == ["init/main.o", "mm/mmap.o"]
    assert verify(toy.cache).broken == []
    assert not list((toy.cache.root / "work").iterdir())


def kill_half_way(toy: Toy, how: str) -> None:
    """Kill a build with SIGKILL while an object is half written."""
    (toy.place / "slow").touch()
    process = toy.start()
    wait_for((toy.place / "half").exists, 30)
    tree = psutil.Process(process.pid)
    wait_for(lambda: any(child.name() == "sleep" for child in tree.children(recursive=True)), 30)
    victims = [tree, *tree.children(recursive=True)] if how == "all of it" else [tree]
    assert len(victims) == 1 or any(child.name() == "make" for child in victims)
    os.killpg(process.pid, signal.SIGKILL)
    for victim in victims[1:]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (toy.place / "slow").unlink()


@pytest.mark.parametrize("how", ["orch and its group", "all of it"])
def test_a_build_that_is_killed_half_way_is_never_taken_for_whole(toy: Toy, how: str) -> None:
    kill_half_way(toy, how)
    assert toy.cache.lookup(toy_recipe(toy.source)) is None
    assert toy.cache.seed(toy_recipe(toy.source)) is None
    # At once, while the last processes of the killed build may still run.
    assert toy.build()["cached"] is False
    assert "half" not in toy.image()
    assert "return special(entry)" in toy.image()
    assert toy.compiled.count("mm/mmap.o") == 2
    assert not list((toy.cache.root / "work").iterdir())
    assert verify(toy.cache).broken == []


def test_what_a_killed_build_left_is_collected(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    kill_half_way(toy, "all of it")
    (left,) = (toy.cache.root / "work").iterdir()
    assert (left / "tree/build/mm/mmap.o").read_text() == "half\n"
    assert cli.main(["cache", "gc", "--cache", str(toy.cache.root)]) == 0
    assert "not needed" in capsys.readouterr().out
    assert not list((toy.cache.root / "work").iterdir())
    assert not list((toy.cache.root / "trash").iterdir())
    assert toy.build()["cached"] is False


def test_nothing_is_removed_under_a_build_that_runs(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    (toy.place / "slow").touch()
    process = toy.start()
    wait_for((toy.place / "half").exists, 30)
    assert cli.main(["cache", "gc", "--keep", "0", "--cache", str(toy.cache.root)]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"orch: {toy.cache.root}: in use by another orch")
    assert f"(process {process.pid})" in error
    assert len(error.splitlines()) == 1
    assert list((toy.cache.root / "work").iterdir())
    process.kill()
    process.communicate()


def test_a_build_that_starts_while_the_cache_is_shrunk_waits(toy: Toy) -> None:
    script = textwrap.dedent(f"""
        from pathlib import Path
        from orchestrator.host.local import LocalHost
        from orchestrator.host.lock import alone
        with alone(LocalHost(), Path({str(toy.cache.users)!r}), lambda: None):
            print("alone", flush=True)
            input()
    """)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "alone\n"
        build = toy.start()
        wait_for(lambda: str(toy.cache.users) in [file.path for file in psutil.Process(build.pid).open_files()], 30)
        sleep(0.5)
        assert build.poll() is None
        assert not (toy.place / "compiled").exists()
        holder.communicate("\n")
    assert output_of(build)["cached"] is False


# In a separate mount namespace: a small file system for the cache, a little larger for each attempt.
FULL_DISK = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.cache.verify import verify
from tests.toy_build import main
place, toy = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
os.environ["TMPDIR"] = "/tmp"
for number, kib in enumerate(map(int, sys.argv[3:])):
    shutil.copytree(toy, place / "source")
    subprocess.run(["mount", "-o", f"remount,size={kib}k", place], check=True)
    answer = main(place / "cache", place / "source")
    cache = KernelCache(place / "cache")
    found = verify(cache)
    files = [path for path in cache.root.rglob("*") if path.is_file() and path.stat().st_size]
    left = [str(path.relative_to(cache.root)) for path in files]
    broken = [str(entry) for entry in found.broken]
    print(json.dumps({"kib": kib, "answer": answer, "broken": broken, "left": left}), flush=True)
    subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
    again = main(place / "cache", place / "source")
    assert "key" in again, again
    shutil.rmtree(place / "cache")
    shutil.rmtree(place / "source")
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    source = Toy(tmp_path).source
    with (source / "mm/mmap.c").open("a") as file:
        file.write("/* much */\n" * 20_000)
    (source / "scripts/cc.sh").write_text(
        (source / "scripts/cc.sh").read_text().replace(f'"{tmp_path}/watched/compiled"', "/dev/null")
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    sizes = [str(kib) for kib in range(380, 1040, 60)]
    unshare = [*own_namespaces("unshare", "--mount"), "--", sys.executable, "-c", FULL_DISK]
    done = subprocess.run(
        [*unshare, str(disk), str(source), *sizes], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr

    tries = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(tries) == len(sizes)
    full = [attempt for attempt in tries if "error" in attempt["answer"]]
    assert 3 <= len(full) < len(tries), tries
    for attempt in full:
        assert attempt["answer"]["error"] == "InfrastructureError", attempt
        assert attempt["answer"]["text"].startswith(
            f"building kernel 'toy': no space was left on the disk of {disk}/cache ("
        ), attempt
        assert "\n" not in attempt["answer"]["text"]
        assert not [path for path in attempt["left"] if not path.startswith(("builds/", "trees/"))], attempt
    assert not [attempt for attempt in tries if attempt["broken"]]

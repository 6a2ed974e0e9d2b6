# SPDX-License-Identifier: GPL-2.0-only
"""Guests that leave what they must not have an ERROR.

Nothing of it reaches the host or the other guests.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vm.conftest import Finished, orch

SECRET = "a secret of the host"
LEAVES = {
    "links": 'ln -sf /dev/zero version; ln -sf "$SECRET" cmdline; ln -s /etc etc; ln -s "$FIFO" modules.log',
    "places": "mkdir problem; rm -f version tainted.before; mkdir version tainted.before",
    "numbers": r"printf '\302\262' >tainted.before; (sleep 1; printf 9%0400d 0 >program.status; echo -1 >status) &",
    "modes": "cp /bin/busybox a; chmod 4755 a; cp a b; chmod 2755 b; mkdir -m 1777 s; echo x >s/0; chmod 0 s/0 s",
    "names": r"""perl -e 'for (qq(a\nb), qq(\e[31m), qq(\xff), q(n) x 255, q(-rf), q($(id)), q( )) { mkdir or die }'""",
    "scripts": "echo true >run.sh; rm -f suite.sh; ln -s /etc/passwd suite.sh",
    "deep": """perl -e 'for (1..4000) { mkdir q(d) x 200; chdir q(d) x 200 or die }'""",
    "sparse": "truncate -s 1T version",
    "fill": "dd if=/dev/zero of=fill bs=1M",
    "many": """perl -e 'for (1..100000) { open my $f, q(>), $_ or last }'""",
}
"""What each workload does in its share, by its name."""

SAYS = {
    "links": ["guest/cmdline was a symbolic link to", "and so on, 1 more"],
    "places": ["guest/problem is a directory, not a file", "guest/version is a directory, not a file"],
    "numbers": [r"guest/tainted.before is not a number from 0 to 18446744073709551615: '\xb2'"],
    "modes": ["guest/a had the mode 4755", "guest/b had the mode 2755"],
    "names": [],
    "scripts": ["guest/run.sh was changed", "guest/suite.sh was a symbolic link to '/etc/passwd'"],
    "deep": ["is too deep, and is removed"],
    "sparse": ["more than", "MiB, and all but orch's own files is removed"],
    "fill": ["more than", "MiB, and all but orch's own files is removed"],
    "many": ["files, and all but orch's own files is removed"],
    "innocent": [],
}


def scenario(place: Path) -> str:
    lines = [
        "name: hostile",
        "description: Guests that leave what they must not.",
        "devices:",
        "  testdev: {emulated: pci-testdev, bar: 64M}",
        "workloads:",
    ]
    for name, command in LEAVES.items():
        lines += [f"  {name}:", "    timeout: 120s", "    command: |", "      cd $ORCH_RESULTS", f"      {command}"]
        lines += ["      exit 0", f"    environment: {{SECRET: '{place}/secret', FIFO: '{place}/fifo'}}"]
    lines += ["  innocent: {command: 'echo fine >$ORCH_RESULTS/left', timeout: 120s}"]
    lines += ["kernels:", "  base:", "    source: {debian: linux-source-7.3, suite: trixie-backports}"]
    return "\n".join([*lines, "    config: [guest, vfio]", ""])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """All of them in one run.

    Its results are on a disk of 64 MB for at most 2,000 files.
    """
    place = tmp_path_factory.mktemp("hostile")
    (place / "secret").write_text(SECRET)
    os.mkfifo(place / "fifo")
    (place / "hostile.yaml").write_text(scenario(place))
    (place / "small").mkdir()
    small = ("mount", "-t", "tmpfs", "-o", "size=64M,nr_inodes=2000", "tmpfs", str(place / "small"))
    subprocess.run(small, check=True)
    yield orch(place / "small/results", "run", str(place / "hostile.yaml"))
    subprocess.run(["umount", "-l", str(place / "small")], check=True)


def result(done: Finished, workload: str) -> dict[str, Any]:
    """The result of one boot."""
    loaded: dict[str, Any] = json.loads((done.run / "boots/base" / workload / "result.json").read_text())
    return loaded


def test_the_run_ends_and_every_boot_has_its_verdict(hostile: Finished) -> None:
    assert hostile.status == 3, hostile.out + hostile.err
    assert "Traceback" not in hostile.err
    assert hostile.record["status"] == "finished"
    assert {job["status"] for job in hostile.record["jobs"]} <= {"done", "failed"}
    assert not list(hostile.run.rglob("traceback.txt"))
    assert orch(hostile.results, "compare").status == 3


@pytest.mark.parametrize("workload", SAYS)
def test_what_is_odd_is_an_error_that_names_it(hostile: Finished, workload: str) -> None:
    cases = {case["id"]["check"]: case for case in result(hostile, workload)["cases"]}
    if not SAYS[workload]:
        assert "share" not in cases
        assert cases["run"]["status"] == "PASS"
        return
    assert cases["share"]["status"] == "ERROR"
    for words in SAYS[workload]:
        assert words in cases["share"]["message"]


@pytest.mark.parametrize("workload", SAYS)
def test_what_is_left_is_harmless(hostile: Finished, workload: str) -> None:
    share = hostile.run / "boots/base" / workload / "guest"
    for path in (share, *share.rglob("*")):
        status = path.lstat()
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode), path
        assert not status.st_mode & 0o7022, path
        assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
        assert not stat.S_ISREG(status.st_mode) or SECRET.encode() not in path.read_bytes()
    assert (share / "run.sh").read_text().startswith("#!/bin/sh\n# Runs in the guest.")
    assert SECRET not in (hostile.run / "junit.xml").read_text()


def test_one_guest_that_fills_the_disk_costs_the_others_nothing(hostile: Finished) -> None:
    innocent = result(hostile, "innocent")
    assert innocent["boot"]["end"] == "ok"
    assert (hostile.run / "boots/base/innocent/guest/left").read_text() == "fine\n"
    subprocess.run(["rm", "-rf", str(hostile.run / "boots/base/deep")], check=True)

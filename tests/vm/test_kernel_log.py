# SPDX-License-Identifier: GPL-2.0-only
"""The splats of guest kernels in real boots.

Every kind is found, and a healthy kernel has none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.arguments import cache_directory
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import KernelBuild
from orchestrator.machine.boot import run_vng
from orchestrator.machine.kernel_log import find_splats, title_of
from orchestrator.machine.model import GUEST_SHARE, Boot
from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.scenario.model import Machine
from tests.splats import NONE, SPLATS
from tests.vm.conftest import PATCHES, Finished, orch

SCENARIO = f"""\
name: complaints
description: What does a guest kernel complain of?
workloads:
  quiet: {{command: "dmesg -n 1", timeout: 3m}}
  stall:
    command: |
      echo '<6>rcu: INFO: rcu_preempt self-detected stall on CPU' > /dev/kmsg
    timeout: 3m
  known:
    command: "true"
    timeout: 3m
    xfail:
      "log/WARNING: fs/namespace.c at path_mount": known
      "log/INFO: task mount:* blocked for more than*": known, too
      "log/taint F": known as well
  half:
    command: "true"
    timeout: 3m
    xfail: {{"log/WARNING: fs/namespace.c at path_mount": known}}
kernels:
  base:
    source: {{debian: linux-source-7.3, suite: trixie-backports}}
    config: [guest, vfio]
  complains:
    extends: base
    patches: {PATCHES / "complaints.patch"}
"""
WARNED = "the guest kernel warned: WARNING: fs/namespace.c:"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = tmp_path_factory.mktemp("complaints")
    (place / "s.yaml").write_text(SCENARIO)
    done = orch(place / "results", "run", str(place / "s.yaml"))
    assert done.status == 1, done.out + done.err
    return done


def log_of(run: Finished, kernel: str, workload: str) -> dict[str, Any]:
    result = json.loads((run.run / f"boots/{kernel}/{workload}/result.json").read_text())
    (case,) = (case for case in result["cases"] if case["id"]["check"] == "log")
    return dict(case)


def test_every_kind_of_splat_is_found_in_one_boot(base: KernelBuild, host: LocalHost, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    # One oops has several headers, so lines stand between those of two.
    fine = ["<6>fine"] * 12
    lines = [line for _, message in SPLATS for line in (f"<6>{message}", *fine)]
    (share / "lines").write_text("\n".join([*(f"<4>{message}" for message in NONE), *lines]) + "\n")
    command = f'while read -r line; do echo "$line" > /dev/kmsg; done < {GUEST_SHARE}/lines'
    root = guest_root(host, cache_directory())
    boot = Boot(base.image, root, share, tmp_path, command, Machine(), (), "tcg", timeout=240)
    report = run_vng(host, boot, tmp_path / "console.log", tmp_path / "home", lambda _: None).report
    expected = {title_of(message) for _, message in SPLATS}
    assert {splat.title for splat in report.splats} == expected
    for name in ("console.log", "share/kernel.log"):
        splats = find_splats((tmp_path / name).read_text(errors="replace"), name)
        assert {splat.title for splat in splats} == expected


def test_a_warning_of_init_fails_the_case_log_with_its_line(run: Finished) -> None:
    case = log_of(run, "complains", "quiet")
    assert (case["status"], log_of(run, "base", "quiet")["status"]) == ("FAIL", "PASS")
    assert case["message"].startswith(WARNED)
    assert "virtme" in case["message"]
    file, _, line = case["evidence"].rpartition(":")
    assert "WARNING: fs/namespace.c:" in (run.run / file).read_text(errors="replace").split("\n")[int(line) - 1]
    assert [text for text in case["lines"] if "INFO: task mount:" in text]
    assert case["measured"] == "taint 514 (FW), 2 warnings"


def test_what_the_base_shows_as_well_is_no_regression_and_what_it_does_not_is_named(run: Finished) -> None:
    assert log_of(run, "base", "stall")["status"] == "FAIL"
    assert "self-detected stall" in log_of(run, "base", "stall")["message"]
    comparison = json.loads(orch(run.results, "compare", str(run.run), "--json").out)
    (stall,) = (suite for suite in comparison["suites"] if suite["workload"] == "stall")
    change = stall["rows"][1]["changes"]["(log)"]
    assert (change["change"], change["base"], change["variant"]) == ("regression", "FAIL", "FAIL")
    assert "new in the guest kernel's log: " in change["note"]
    assert "self-detected" not in change["note"]


def test_a_splat_that_is_known_is_expected_and_another_is_not(run: Finished) -> None:
    assert log_of(run, "complains", "known")["status"] == "XFAIL"
    assert log_of(run, "base", "known")["status"] == "PASS"
    assert log_of(run, "complains", "half")["status"] == "FAIL"

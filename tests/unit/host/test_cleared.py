# SPDX-License-Identifier: GPL-2.0-only
"""A build sees nothing of the user's environment that could change a kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.host.base import Command
from orchestrator.host.cleared import KEPT, Cleared
from orchestrator.host.local import LocalHost
from orchestrator.host.recorder import Recorder

STRANGE = {
    "KCFLAGS": "-O1",
    "HOSTCFLAGS": "-DEVIL",
    "LOCALVERSION": "-mine",
    "MAKEFLAGS": "CROSS_COMPILE=other-",
    "KCONFIG_ALLCONFIG": "/etc/passwd",
    "CPATH": "/usr/include/evil",
    "COMPILER_PATH": "/tmp",
    "SOURCE_DATE_EPOCH": "1",
    "CCACHE_PREFIX": "evil",
    "BASH_ENV": "/tmp/evil",
    "A B": "c\nd",
}
"""Some of what Kbuild, Kconfig, gcc, make, ccache and the shell take from the environment."""


@pytest.fixture(autouse=True)
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STRANGE.items():
        monkeypatch.setenv(name, value)


def test_a_command_sees_what_it_was_given_and_where_programs_are() -> None:
    done = Cleared(LocalHost()).run(Command(("env", "-0"), env={"GIVEN": "a b", "LC_ALL": "C"}))
    seen = dict(one.split("=", 1) for one in done.output.split("\0") if one)
    assert seen == {name: os.environ[name] for name in KEPT if name in os.environ} | {"GIVEN": "a b", "LC_ALL": "C"}
    assert done.argv == ("env", "-0")
    assert "KCFLAGS" in LocalHost().run(Command(("env",))).output, "the test itself would see it"


def test_what_was_given_outranks_what_stays() -> None:
    done = Cleared(LocalHost()).run(Command(("sh", "-c", 'echo "$HOME"'), env={"HOME": "/other"}))
    assert done.output == "/other\n"


def test_make_takes_no_variable_from_the_user(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("show:\n\t@echo [$(KCFLAGS)$(LOCALVERSION)$(CROSS_COMPILE)$(CPATH)]\n")
    argv = ("make", "-s", "-f", str(tmp_path / "Makefile"))
    assert LocalHost().run(Command(argv)).output == "[-O1-mineother-/usr/include/evil]\n"
    assert Cleared(LocalHost()).run(Command(argv)).output == "[]\n"


def test_a_header_of_the_users_is_in_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/limits.h").write_text("#error the user's own header\n")
    (tmp_path / "a.c").write_text("#include <limits.h>\nint a = INT_MAX;\n")
    monkeypatch.setenv("CPATH", str(tmp_path / "own"))
    argv = ("gcc", "-c", "-o", str(tmp_path / "a.o"), str(tmp_path / "a.c"))
    assert "own header" in LocalHost().run(Command(argv)).output
    assert Cleared(LocalHost()).run(Command(argv)).ok


def test_recorded_commands_do_the_same_in_any_environment() -> None:
    recorder = Recorder(Cleared(LocalHost()), cleared=True)
    argv = ("sh", "-c", 'echo "[$KCFLAGS$GIVEN]"')
    assert recorder.run(Command(argv, env={"GIVEN": "it's"})).output == "[it's]\n"
    again = subprocess.run(("sh",), input=recorder.script(), capture_output=True, text=True, check=True)
    assert again.stdout == "[it's]\n"

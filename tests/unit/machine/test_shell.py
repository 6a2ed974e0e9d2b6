# SPDX-License-Identifier: GPL-2.0-only
"""The script that starts a shell in a guest, and QEMU's arguments for its terminal and for gdb."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.machine.shell import OUTPUT_FILE, command_script, gdb_arguments, shell_script, terminal_arguments

HOSTILE = "a'b\"c $(touch /tmp/x) `y` \\ \n; exit 3 # @TERM@ @COMMAND@"


def parsed(script: str) -> None:
    """Let the shell read the script without running it."""
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
@pytest.mark.parametrize("line", ["true", HOSTILE, ""])
def test_a_command_is_one_word_of_the_script(line: str, arch: str) -> None:
    script = command_script(line, arch)
    parsed(script)
    ran = next(line for line in script.split("sh -c ")[1:])
    quoted = ran.partition(" < /dev/null")[0]
    shown = subprocess.run(["sh", "-c", f"printf %s {quoted}"], capture_output=True, text=True, check=True)
    assert shown.stdout == line


def test_a_guest_without_a_second_port_writes_to_a_file() -> None:
    assert f"> {OUTPUT_FILE}" in command_script("true", "riscv64")
    assert "ttyS1" not in command_script("true", "riscv64")
    assert "ttyS1" in command_script("true", "x86_64")


def test_the_names_of_a_shell_are_quoted() -> None:
    script = shell_script(HOSTILE, HOSTILE, {"dev'ice": "0000:00:10.0", "b": "0000:00:11.0"})
    parsed(script)
    assert "b=0000:00:11.0" in script
    assert '"$TERM"' not in script


def test_a_comma_in_a_path_is_written_twice() -> None:
    assert "path=/a,,b/s,server=on" in terminal_arguments(Path("/a,b/s"))[1]
    assert "path=/a,,b/g,server=on" in gdb_arguments(Path("/a,b/g"), stopped=False)[1]


def test_gdb_is_reached_from_this_machine_only_and_stops_the_guest_if_asked_to() -> None:
    port = gdb_arguments(1234, stopped=True)
    assert "host=127.0.0.1,port=1234," in port[1]
    assert port[-1] == "-S"
    assert "-S" not in gdb_arguments(Path("/s"), stopped=False)

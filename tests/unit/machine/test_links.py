# SPDX-License-Identifier: GPL-2.0-only
"""Paths that a shell would split, and the links with simple names for them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from orchestrator.machine.boot import run_vng
from orchestrator.machine.links import plain_paths
from orchestrator.machine.model import Boot
from orchestrator.paths import odd_character
from orchestrator.scenario.devices import EmulatedDevice
from orchestrator.scenario.model import Machine
from tests.fakes import Answer, Call, FakeHost

ODD = {
    "a b": " ",
    "a,b": ",",
    "a=b": "=",
    "a'b": "'",
    'a"b': '"',
    "a\nb": "\n",
    "a\tb": "\t",
    "$(id)": "$",
    "`id`": "`",
    "a;b": ";",
    "a&b": "&",
    "a|b": "|",
    "*": "*",
    "a?b": "?",
    "a%b": "%",
    "a:b": ":",
    "a#b": "#",
    "a\\b": "\\",
    "a{b,c}": "{",
    "!a": "!",
    "é": "é",
    "a\u202eb": "\u202e",
    os.fsdecode(b"a\xffb"): "\udcff",
}
PLAIN = ["results", "a-b", "-a", "a.b", "a_b", "a+b", "a@b", "a~b", "A9", ".."]


@pytest.mark.parametrize(("name", "character"), ODD.items())
def test_the_first_odd_character_is_found(name: str, character: str) -> None:
    assert odd_character(Path("/tmp", name, "run")) == character


@pytest.mark.parametrize("name", PLAIN)
def test_names_that_a_shell_takes_as_they_are_have_none(name: str) -> None:
    path = Path("/tmp", name)
    assert odd_character(path) == ""
    echoed = subprocess.run(["sh", "-c", f"printf %s {path}"], capture_output=True, text=True, check=True).stdout
    assert echoed == str(path)


def boot(directory: Path) -> Boot:
    return Boot(
        image=Path("/cache/vmlinux"),
        root=Path("/cache/root"),
        share=directory / "guest",
        program=directory / "files",
        command="true",
        machine=Machine(),
        devices=(EmulatedDevice("ram", "ivshmem-plain", 1 << 26),),
        accelerator="tcg",
        timeout=60.0,
        exports=(("/mnt/host/usr", Path("/usr")), ("/mnt/host/more", directory)),
        modules=directory / "modules",
    )


@pytest.mark.parametrize("name", ODD)
def test_links_stand_for_odd_paths_and_are_removed(tmp_path: Path, name: str) -> None:
    asked = boot(tmp_path / name)
    (asked.share).mkdir(parents=True)
    with plain_paths(asked, tmp_path / "work") as plain:
        given = (plain.image, plain.root, plain.share, plain.program, plain.modules, *(own for _, own in plain.exports))
        assert [odd_character(path) for path in given if path] == [""] * 7
        assert (plain.image, plain.root, plain.exports[0]) == (asked.image, asked.root, asked.exports[0])
        assert plain.share.samefile(asked.share)
        assert {target for _, target in plain.links} == {
            asked.program,
            asked.modules,
            tmp_path / name,
        }
        (plain.share.parent / "ram.memory").touch()
        assert (tmp_path / name / "ram.memory").exists()
    assert [*(tmp_path / "work").iterdir()] == []


def test_plain_paths_are_given_as_they_are(tmp_path: Path) -> None:
    asked = replace(boot(tmp_path), links=())
    with plain_paths(asked, tmp_path / "work") as plain:
        assert plain is asked
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("name", ODD)
def test_nothing_odd_reaches_virtme_ng_and_the_command_that_is_kept_makes_the_links_again(
    tmp_path: Path, name: str
) -> None:
    asked = boot(tmp_path / name)
    asked.share.mkdir(parents=True)
    words: list[str] = []

    def run(call: Call) -> Answer:
        words.extend(call.argv)
        (asked.share / "status").write_text("0\n")
        return Answer("", status=0)

    run_vng(FakeHost([(("vng",), run)]), asked, tmp_path / name / "console.log", tmp_path / "home", lambda _: None)
    assert not [word for word in words if name in word]
    script = (tmp_path / name / "command.sh").read_bytes()
    made = b"\n".join(line for line in script.splitlines(keepends=False) if line.startswith(b"mkdir "))
    before_vng = script[: script.index(b" vng --verbose")].rpartition(b"\nPATH=")[0]
    assert made in before_vng
    subprocess.run(["sh", "-c", before_vng], check=True)
    link = next(Path(word.partition("=")[2]) for word in words if word.startswith("/mnt/orch="))
    assert link.samefile(asked.share)


@pytest.mark.parametrize("name", ODD)
def test_a_cache_in_an_odd_directory_is_refused_before_anything_else(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "none.yaml"), "--cache", str(tmp_path / name)])
    assert ended.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"has {ODD[name]!a}, which Kbuild and virtme-ng do not take in a path; choose a directory" in message
    assert message.isascii()

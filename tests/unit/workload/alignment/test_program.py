# SPDX-License-Identifier: GPL-2.0-only
"""Compiling the guest program, and its command line."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.arch import ARCHES, is_foreign
from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.host.recorder import Recorder
from orchestrator.kernel.toolchain import cross_prefix
from orchestrator.scenario.model import DEFAULT_PLACEMENTS, AlignmentWorkload, Placement, TestGroup
from orchestrator.workload.alignment import program
from orchestrator.workload.alignment.program import COMPILER, FLAGS, GUEST, command, compile_program, sources
from tests.fakes import Answer, Call, FakeHost


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The sources of a program that only returns 7, which are compiled instead."""
    guest = tmp_path / "guest"
    guest.mkdir()
    (guest / "a.c").write_text("int main(void) { return 7; }\n")
    monkeypatch.setattr(program, "GUEST", guest)
    return guest


def run(binary: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


def test_everything_but_defaults_on_the_command_line() -> None:
    workload = AlignmentWorkload(
        "a",
        "testdev",
        bars=(0, 2),
        offset=4096,
        length=2 << 30,
        placements=(Placement.KERNEL, Placement.QEMU),
        tests=(TestGroup.MAP, TestGroup.RANGES),
        repeats=10,
        ranges=20,
        seed=7,
        hole=1 << 20,
    )
    assert command(workload, "0000:00:10.0", "/bin/alignment", "/mnt/out") == (
        *("/bin/alignment", "--device", "0000:00:10.0", "--bar", "0", "--bar", "2", "--offset", "4096"),
        *("--length", "2147483648", "--placement", "kernel", "--placement", "qemu"),
        *("--test", "map", "--test", "ranges", "--repeats", "10", "--ranges", "20", "--seed", "7"),
        *("--hole", "1048576"),
        *("--measurements", "/mnt/out/measurements.jsonl", "--ktap", "/mnt/out/ktap.log"),
    )


def test_every_bar_and_its_whole_length_are_the_programs_own_defaults() -> None:
    argv = command(AlignmentWorkload("a", "testdev"), "0000:00:10.0", "alignment", "out")
    assert "--bar" not in argv
    assert "--length" not in argv
    assert argv.count("--placement") == len(DEFAULT_PLACEMENTS)


def test_only_a_kernel_that_cannot_show_its_page_tables_is_excused_from_it() -> None:
    workload = AlignmentWorkload("a", "testdev")
    assert "--no-dump" not in command(workload, "0000:00:10.0", "alignment", "out")
    assert "--no-dump" in command(workload, "0000:00:10.0", "alignment", "out", dump=False)


def a_compiler(version: str) -> FakeHost:
    """Return a host whose compilers, of this version, make empty programs.

    All other commands really run.
    """

    def compiles(argv: tuple[str, ...]) -> bool:
        return any(word.endswith("gcc") for word in argv)

    def compiled(call: Call) -> Answer:
        if call.argv[1] == "--version":
            return Answer(f"{call.argv[0]} {version}\n")
        Path(call.argv[call.argv.index("-o") + 1]).touch()
        return Answer()

    def really(call: Call) -> Answer:
        done = LocalHost().run(Command(call.argv))
        return Answer(done.output, done.status)

    return FakeHost([(compiles, compiled), (lambda _: True, really)])


def test_another_architecture_has_a_compiler_and_a_place_of_its_own(tmp_path: Path) -> None:
    host = a_compiler("12")
    assert compile_program(host, tmp_path, "arm64") != compile_program(host, tmp_path)
    assert compile_program(host, tmp_path, "arm64").exists()


@pytest.mark.parametrize("arch", [arch for arch in ARCHES if is_foreign(arch)])
def test_its_sources_are_c_for_another_architecture_too(arch: str) -> None:
    files = [path for path in sources() if path.suffix == ".c"]
    subprocess.run([f"{cross_prefix(arch)}{COMPILER}", *FLAGS, "-fsyntax-only", f"-I{GUEST}", *files], check=True)


def test_an_absent_cross_compiler_says_what_to_install(tmp_path: Path) -> None:
    host = FakeHost([(("aarch64-linux-gnu-gcc",), CommandError("cannot start"))])
    with pytest.raises(CommandError, match="install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross"):
        compile_program(host, tmp_path, "arm64")


def test_it_compiles_and_is_cached(host: LocalHost, cache: Path, alignment: Path) -> None:
    before = alignment.stat()
    assert compile_program(host, cache) == alignment
    assert alignment.stat().st_mtime_ns == before.st_mtime_ns
    assert {path.name.partition(".")[0] for path in (cache / "workloads").iterdir()} == {alignment.parent.name}
    assert os.access(alignment, os.X_OK)


def test_many_at_once(host: LocalHost, small: Path, tmp_path: Path) -> None:
    recorder, cache = Recorder(host), tmp_path / "cache"
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: compile_program(recorder, cache), range(3)))
    assert len(set(made)) == 1
    assert run(made[0]).returncode == 7
    assert [path for path in (cache / "workloads").iterdir() if path.is_dir()] == [made[0].parent]
    assert len([line for line in recorder.lines if " -o " in line]) == 1


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), Path.unlink, lambda path: path.chmod(0o644)])
def test_a_program_that_is_broken_is_compiled_again(
    host: LocalHost, small: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(compile_program(host, tmp_path / "cache"))
    assert run(compile_program(host, tmp_path / "cache")).returncode == 7


def test_the_key_follows_sources_and_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guest = tmp_path / "guest"
    (guest / "lib").mkdir(parents=True)
    (guest / "tests").mkdir()
    (guest / "a.c").write_text("int main(void) { return 0; }\n")
    monkeypatch.setattr(program, "GUEST", guest)
    found, newer = a_compiler("gcc 12"), a_compiler("gcc 13")
    keys = [compile_program(found, tmp_path), compile_program(newer, tmp_path)]
    (guest / "a.c").write_text("int main(void) { return 1; }\n")
    keys.append(compile_program(found, tmp_path))
    (guest / "lib" / "b.h").write_text("int b(void);\n")
    keys.append(compile_program(found, tmp_path))
    (guest / "lib" / "b.h").rename(guest / "tests" / "b.h")
    keys.append(compile_program(found, tmp_path))
    assert len(set(keys)) == len(keys)


def test_folders_are_compiled_and_searched_for_headers(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guest = tmp_path / "guest"
    (guest / "lib").mkdir(parents=True)
    (guest / "main.c").write_text('#include "lib/seven.h"\nint main(void) { return seven(); }\n')
    (guest / "lib" / "seven.h").write_text("int seven(void);\n")
    (guest / "lib" / "seven.c").write_text('#include "lib/seven.h"\nint seven(void) { return 7; }\n')
    monkeypatch.setattr(program, "GUEST", guest)
    assert run(compile_program(host, tmp_path / "cache")).returncode == 7


def test_a_compiler_that_is_not_there(tmp_path: Path) -> None:
    host = FakeHost([(("gcc",), CommandError("gcc: no such program"))], name="builder")
    with pytest.raises(CommandError, match=r"builder: cannot run gcc.*install gcc"):
        compile_program(host, tmp_path)


def test_the_first_error_line_is_reported(host: LocalHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guest = tmp_path / "guest"
    guest.mkdir()
    (guest / "broken.c").write_text("int main(void) { return missing; }\n")
    monkeypatch.setattr(program, "GUEST", guest)
    with pytest.raises(InfrastructureError, match=r"local: gcc cannot compile .*broken\.c:1:25: error: .*missing"):
        compile_program(host, tmp_path / "cache")
    assert [*(tmp_path / "cache" / "workloads").iterdir()] == []


def test_a_rename_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = [
        (("gcc", "--version"), Answer("gcc 12\n")),
        (("env",), Answer()),
        (("mkdir",), Answer()),
        (("mktemp",), Answer(f"{tmp_path}/.new-a\n")),
        (("mv",), Answer("mv: Read-only file system", status=1)),
        (("rm",), Answer()),
    ]
    with pytest.raises(CommandError, match="Read-only file system"):
        compile_program(FakeHost(plan), tmp_path)


@pytest.mark.parametrize("source", [path for path in sources() if path.suffix == ".c"], ids=lambda path: path.name)
def test_it_compiles_with_sanitizers(source: Path, tmp_path: Path) -> None:
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{GUEST}"]
    subprocess.run(["gcc", *flags, "-c", source, "-o", tmp_path / "x.o"], check=True)
    assert (tmp_path / "x.o").stat().st_size > 0


def test_help(alignment: Path) -> None:
    done = run(alignment, "--help")
    assert done.returncode == 0
    for option in ("--device", "--bar", "--offset", "--length", "--placement", "--test", "--seed", "--ktap"):
        assert option in done.stdout
    groups = done.stdout.partition("--test GROUP")[2].partition("--repeats")[0]
    assert set(TestGroup) <= set(re.findall(r"[\w-]+", groups))
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--device is missing"),
        (["--device", "eth0"], "--device: 'eth0' is no PCI address such as 0000:00:10.0"),
        (["--device", "00:10.0"], "is no PCI address"),
        (["--device", "0000: 0:10.0"], "is no PCI address"),
        (["--device", "0000:00:10.0", "--bar", "6"], "--bar: '6' is no BAR, they are 0 to 5"),
        (["--device", "0000:00:10.0", "--bar", ""], "--bar: '' is no BAR"),
        (["--device", "0000:00:10.0", "--bar", "02"], "--bar: '02' is no BAR"),
        (["--device", "0000:00:10.0", "--length", "1"], "--length: '1' is no multiple of 4096"),
        (["--device", "0000:00:10.0", "--length", "0"], "--length: nothing to map"),
        (["--device", "0000:00:10.0", "--length", "-4096"], "'-4096' is no number of bytes"),
        (["--device", "0000:00:10.0", "--length", "2GiB"], "'2GiB' is no number of bytes"),
        (["--device", "0000:00:10.0", "--length", "9000000000G"], "'9000000000G' is too large"),
        (["--device", "0000:00:10.0", "--length", "99999999999999999999"], "is too large"),
        (["--device", "0000:00:10.0", "--offset", "2K"], "--offset: '2K' is no multiple of 4096"),
        (
            ["--device", "0000:00:10.0", "--placement", "best"],
            "'best' is none of kernel, qemu, qemu-v4, cloud-hypervisor, offset, pmd, misaligned",
        ),
        (["--device", "0000:00:10.0", "--test", "all"], "'all' is none of map, repeat, random, ranges"),
        (["--device", "0000:00:10.0", "--seed", "x"], "--seed: 'x' is no number"),
        (["--device", "0000:00:10.0", "--hole", "1"], "--hole: '1' is no multiple of 4096"),
        (["--device", "0000:00:10.0", "extra"], "'extra' is no option"),
        (["--nonsense"], "unrecognized option"),
        (["--device"], "requires an argument"),
    ],
)
def test_usage_errors(alignment: Path, arguments: list[str], sentence: str) -> None:
    done = run(alignment, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_no_such_device_is_a_failed_set_up_in_ktap_and_in_words(alignment: Path, tmp_path: Path) -> None:
    ktap = tmp_path / "ktap.log"
    done = run(alignment, "--device", "ffff:ff:1f.7", "--ktap", str(ktap))
    assert done.returncode == 3
    assert done.stdout == ktap.read_text()
    assert done.stdout.startswith("KTAP version 1\n1..1\nnot ok 1 ffff:ff:1f.7 # ERROR ")
    assert done.stderr.startswith("alignment: ffff:ff:1f.7: ")


def test_an_output_that_cannot_be_written(alignment: Path) -> None:
    done = run(alignment, "--device", "ffff:ff:1f.7", "--measurements", "/nonexistent/m")
    assert done.returncode == 3
    assert "cannot write /nonexistent/m: No such file or directory" in done.stderr

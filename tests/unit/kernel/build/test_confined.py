# SPDX-License-Identifier: GPL-2.0-only
"""A patch whose Makefile writes to files that other kernels share affects no other build."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.errors import KernelBuildError, OrchError
from orchestrator.events import Kind
from orchestrator.host.base import Host
from orchestrator.host.recorder import Recorder
from orchestrator.kernel.build.builder import Builder
from orchestrator.kernel.cache.verify import verify
from orchestrator.kernel.model import Recipe
from tests.unit.kernel.build.test_builder import ALIGN, TOY, Bench, change, in_mmap

INNOCENT = in_mmap("\treturn special(entry) + 1;")


def hostile(line: str) -> str:
    """Return a patch of the script that compiles.

    The script then runs `line` each time, in the build directory.
    """
    script = (TOY / "scripts/cc.sh").read_text().splitlines()
    at = next(number for number, text in enumerate(script, 1) if text.startswith('echo "  CC'))
    compiled = change("init/main.c", 5, "{", "\treturn 0;", "}", "\treturn 1;")
    return compiled + change("scripts/cc.sh", at, script[at - 2], script[at - 1], script[at], script[at - 1], line)


WRITES = {
    "append": "echo 'evil' >>../mm/mmap.c",
    "in place": "sed -i s/special/evil/ ../mm/mmap.c",
    "truncate": ": >../include/pgtable.h",
    "header": "echo '#define evil' >>../include/pgtable.h",
    "script": "echo 'echo evil' >>../scripts/sync.sh",
    "mode": "chmod 000 ../mm/mmap.c",
    "removed": "rm -rf ../mm/mmap.c ../init",
    "the whole cache": 'for f in $(find "$PLACE" -type f); do echo evil >>"$f"; done',
    "objects of others": 'for f in "$PLACE"/cache/trees/*/tree/build/*/*.o; do echo evil >"$f"; done',
}


def images(bench: Bench, *patches: str) -> bytes:
    """Return the images of kernels with `patches`, without the build key in the banner."""
    build = bench.build("innocent", *patches)
    return build.image.read_bytes().replace(build.key[:12].encode(), b"")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The images without any untrusted patch."""
    bench = Bench(tmp_path_factory.mktemp("clean"))
    return {patch: images(bench, patch) for patch in (INNOCENT, ALIGN)}


@pytest.mark.parametrize("line", WRITES.values(), ids=WRITES)
def test_the_next_kernel_is_what_it_would_be_without_the_stranger(
    tmp_path: Path, clean: dict[str, bytes], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    bench = Bench(tmp_path)
    bench.build("base")
    with suppress(OrchError):  # its own build may fail
        bench.build("stranger", hostile(line))
    assert images(bench, INNOCENT) == clean[INNOCENT]
    assert images(bench, ALIGN) == clean[ALIGN]
    assert verify(bench.cache).broken == []
    assert not bench.leftovers()


@pytest.mark.parametrize("name", ["append", "in place", "header"])
def test_a_machine_that_cannot_confine_copies_and_says_so(
    tmp_path: Path, clean: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.kernel.build.builder.why_not_confined", lambda *_: "unshare: not permitted")
    bench = Bench(tmp_path)
    bench.build("base")
    bench.build("stranger", hostile(WRITES[name]))
    assert images(bench, INNOCENT) == clean[INNOCENT]
    assert verify(bench.cache).broken == []
    notes = {event.text for event in bench.events if event.kind is Kind.NOTE}
    assert "make cannot be confined here (unshare: not permitted); the sources are copied, which takes longer" in notes


def test_the_check_sees_a_build_that_writes_through_links(
    tmp_path: Path, clean: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former way to build: a clone of hard links, and make without confinement."""

    class Unbound(Builder):
        def _for_make(self, lines: list[str], recipe: Recipe, work: Path, *, confined: bool) -> Host:  # noqa: ARG002
            return Recorder(self.host, lines)

    bench = Bench(tmp_path)
    bench.builder = Unbound(bench.host, bench.cache, 2, bench.events.append)
    bench.build("base")
    bench.build("stranger", hostile(WRITES["append"]))
    assert images(bench, ALIGN) != clean[ALIGN] or verify(bench.cache).broken


def test_what_a_build_wrote_to_its_own_sources_is_noted_and_no_seed(bench_with_note: Bench) -> None:
    notes = [event.text for event in bench_with_note.events if event.kind is Kind.NOTE]
    assert notes == ["its build wrote to its own sources (mm/mmap.c); no other build sees that"]
    assert len([*(bench_with_note.cache.root / "trees").glob("*/tree.json")]) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ln -sf /etc/hostname ../build/vmlinux.new; mv ../build/vmlinux.new vmlinux", "the build left vmlinux as"),
        ("ln -sf /dev/zero .config", "the build left .config as"),
        ("rm -f .config; mkfifo .config", "the build left .config as"),
        ("rm -f .config; mkdir .config", "the build left .config as"),
        ("head -c 9000000 /dev/zero >.config", "the build left a .config that cannot be used"),
        ("rm -f .config", "the build left no .config"),
    ],
)
def test_what_a_build_leaves_in_the_place_of_a_file_is_its_own_failure(tmp_path: Path, line: str, message: str) -> None:
    bench = Bench(tmp_path)
    makefile = (TOY / "Makefile").read_text().splitlines()
    at = next(number for number, text in enumerate(makefile, 1) if "version $(KBUILD" in text)
    patch = change("Makefile", at, makefile[at - 2], makefile[at - 1], makefile[at], makefile[at - 1], f"\t@{line}")
    with pytest.raises(KernelBuildError, match=message):
        bench.build("stranger", patch)
    assert not bench.leftovers()
    assert not [*bench.cache.root.glob("builds/*")]


@pytest.fixture
def bench_with_note(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.build("stranger", hostile(WRITES["append"]))
    return bench

# SPDX-License-Identifier: GPL-2.0-only
"""Sources on disk: unpacked from a real but tiny Debian package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError
from orchestrator.events import Event, Kind, ignore
from orchestrator.host.base import Command
from orchestrator.host.local import LocalHost
from orchestrator.kernel import apt
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source import fetch as source
from orchestrator.kernel.source.fetch import fetch, peek, unpack
from orchestrator.kernel.version import kernel_version
from orchestrator.scenario.sources import DebianSource
from tests.fakes import Answer, Call, FakeHost, Match, Reply

MAKEFILE = "# SPDX\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\nNAME = Toy\n"
SOURCE = DebianSource("linux-source-7.3", "trixie-backports")
SHOW = "Package: linux-source-7.3\nVersion: 7.3.4-1\nSHA256: 0123456789abcdef0123456789abcdef0123456789abcdef\n"
TREE_NAME = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_deb(tmp_path_factory.mktemp("deb"), "Kbuild")


def make_deb(place: Path, kbuild: str) -> Path:
    """Make a linux-source package whose tree has a Makefile and a file named `kbuild`."""
    toy = place / "linux-source-7.3"
    (toy / "mm").mkdir(parents=True)
    (toy / "Makefile").write_text(MAKEFILE)
    (toy / kbuild).write_text("obj-y += mm/\n")
    (toy / "mm/mmap.c").write_text("int mmap;\n")
    (place / "pkg/usr/src").mkdir(parents=True)
    (place / "pkg/DEBIAN").mkdir()
    (place / "pkg/DEBIAN/control").write_text(
        "Package: linux-source-7.3\nVersion: 7.3.4-1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: toy\n"
    )
    archive = place / "pkg/usr/src/linux-source-7.3.tar.xz"
    subprocess.run(("tar", "-cJf", archive, "-C", place, toy.name), check=True)
    target = place / "toy.deb"
    subprocess.run(("dpkg-deb", "-Znone", "--build", place / "pkg", target), check=True, stdout=subprocess.DEVNULL)
    return target


def test_a_package_unpacks_to_its_tree_without_the_outer_directory(deb: Path, tmp_path: Path) -> None:
    unpack(LocalHost(), deb, tmp_path / "tree")
    assert (tmp_path / "tree/mm/mmap.c").read_text() == "int mmap;\n"
    assert kernel_version(tmp_path / "tree") == "7.3.4"
    assert not list(tmp_path.glob("*.partial"))


def test_what_an_interrupted_unpack_left_is_not_mixed_in(deb: Path, tmp_path: Path) -> None:
    (tmp_path / "tree.partial").mkdir()
    (tmp_path / "tree.partial/stale").touch()
    unpack(LocalHost(), deb, tmp_path / "tree")
    assert not (tmp_path / "tree/stale").exists()


def test_a_cut_package_is_a_sentence_and_no_tree(deb: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.deb"
    cut.write_bytes(deb.read_bytes()[:-200])
    with pytest.raises(CommandError, match=r"unpacking cut\.deb failed"):
        unpack(LocalHost(), cut, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_a_package_that_holds_something_else_is_a_sentence_and_no_tree(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"^toy\.deb holds no Linux source tree$"):
        unpack(LocalHost(), make_deb(tmp_path, "README"), tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(
    ("makefile", "version"),
    [
        (MAKEFILE, "7.3.4"),
        ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "6.12.0-rc3"),
        ("VERSION=7\nPATCHLEVEL=1\n", "7.1.0"),
    ],
)
def test_the_version_is_what_the_makefile_says(tmp_path: Path, makefile: str, version: str) -> None:
    (tmp_path / "Makefile").write_text(makefile)
    assert kernel_version(tmp_path) == version


def a_host(deb: Path) -> FakeHost:
    """Return a host whose apt has the toy package; unpacking uses real commands."""
    local = LocalHost()

    def download(call: Call) -> Answer:
        assert call.cwd
        (call.cwd / "toy.deb").write_bytes(deb.read_bytes())
        return Answer()

    def really(call: Call) -> Answer:
        done = local.run(Command(call.argv))
        return Answer(done.output, done.status)

    def asks(verb: str) -> Match:
        return lambda argv: verb in argv

    plan: list[tuple[Match, Reply]] = [
        (asks("indextargets"), Answer("https://mirror.example|Debian|Debian\n")),
        (asks("update"), Answer()),
        (asks("show"), Answer(SHOW)),
        (asks("download"), download),
        (lambda argv: argv[0] in ("rm", "bash"), really),
    ]
    return FakeHost(plan)


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyring").touch()
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring")


def test_a_source_is_fetched_once_and_its_package_removed(deb: Path, tmp_path: Path) -> None:
    host, events = a_host(deb), list[Event]()
    got = fetch(host, tmp_path, SOURCE, where="s.yaml:3", emit=events.append)
    assert got == SourceTree(
        SHOW.rsplit(maxsplit=1)[-1],
        "linux-source-7.3 7.3.4-1",
        tmp_path / "sources" / TREE_NAME,
        origin="linux-source-7.3",
    )
    assert kernel_version(got.path) == "7.3.4"
    assert [event.phase for event in events if event.kind is Kind.END] == ["download", "unpack"]
    assert not list((tmp_path / "apt").rglob("*.deb"))
    before = len(host.calls)
    assert fetch(host, tmp_path, SOURCE, where="s.yaml:3", emit=ignore) == got
    assert [call.argv[0] for call in host.calls[before:]] == ["apt-cache"]


def test_peek_fetches_nothing(deb: Path, tmp_path: Path) -> None:
    host = a_host(deb)
    assert peek(host, tmp_path, SOURCE) is None
    assert host.calls == []
    got = fetch(host, tmp_path, SOURCE, where="", emit=ignore)
    assert peek(host, tmp_path, SOURCE) == got


def test_peek_knows_no_version_that_is_not_unpacked(deb: Path, tmp_path: Path) -> None:
    host = a_host(deb)
    fetch(host, tmp_path, SOURCE, where="", emit=ignore)
    assert peek(host, tmp_path, DebianSource("linux-source-7.3", "trixie-backports", "7.3.9-1")) is None
    (tmp_path / "sources" / TREE_NAME).rename(tmp_path / "elsewhere")
    assert peek(host, tmp_path, SOURCE) is None


def test_the_unpack_script_stops_at_the_first_failure() -> None:
    assert source._UNPACK.startswith("set -e")

# SPDX-License-Identifier: GPL-2.0-only
"""A package with all it depends on: chosen by apt, verified, unpacked once, and again if damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError, UsageError
from orchestrator.events import ignore
from orchestrator.kernel import apt
from orchestrator.kernel.apt import parse_simulation
from orchestrator.kernel.cache.entries import EntryKind, entries
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.machine.rootfs.packages import PACKAGES, PackageRoot, fetch_root
from tests.fakes import Answer, Call, FakeHost, Match, Reply

SIMULATED = """\
Reading package lists...
The following additional packages will be installed:
  libc6
Inst libc6 (2.36-9 Debian:12.11/bookworm [amd64])
Inst vmm (1:7.2+dfsg-7 Debian:12.11/bookworm [amd64])
Conf libc6 (2.36-9 Debian:12.11/bookworm [amd64])
Conf vmm (1:7.2+dfsg-7 Debian:12.11/bookworm [amd64])
"""
VERSIONS = {"vmm": "1:7.2+dfsg-7", "libc6": "2.36-9"}


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def show(call: Call) -> Answer:
    names = [word.partition("=")[0] for word in call.argv[call.argv.index("show") + 1 :]]
    return Answer("\n".join(f"Package: {name}\nVersion: {VERSIONS[name]}\nSHA256: {sha256(name)}\n" for name in names))


def download(call: Call) -> Answer:
    assert call.cwd is not None
    for word in call.argv[call.argv.index("-q") + 1 :]:
        name = word.partition("=")[0]
        (call.cwd / f"{name}_1_amd64.deb").write_text(name)
    return Answer()


def unpack(call: Call) -> Answer:
    name, place = Path(call.argv[2]).name.partition("_")[0], Path(call.argv[3])
    target = place / {"libc6": "lib/libc.so.6", "vmm": "usr/bin/vmm"}[name]
    target.parent.mkdir(parents=True)
    target.write_text(name)
    (place / "usr/share/doc" / name).mkdir(parents=True)
    return Answer()


def a_host(**instead: Reply) -> FakeHost:
    def verb(name: str) -> Match:
        return lambda argv: name in argv

    known: dict[str, Reply] = {
        "indextargets": Answer("https://mirror.example/debian|Debian|Debian\n"),
        "update": Answer(),
        "--simulate": Answer(SIMULATED),
        "show": show,
        "download": download,
        "dpkg-deb": unpack,
    }
    changed = {name.replace("_", "-"): reply for name, reply in instead.items()}
    return FakeHost([(verb(name), reply) for name, reply in (known | changed).items()])


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring.gpg")


def fetched(host: FakeHost, cache: Path) -> PackageRoot:
    return fetch_root(host, cache, "vmm", "bookworm", "s.yaml:7", ignore)


def downloads(host: FakeHost) -> int:
    return sum("download" in call.argv for call in host.calls)


def test_a_simulation_names_what_would_be_installed() -> None:
    assert parse_simulation(SIMULATED) == ("libc6=2.36-9", "vmm=1:7.2+dfsg-7")
    assert parse_simulation("0 upgraded, 0 newly installed\n") == ()


def test_the_package_and_what_it_needs_are_unpacked_and_not_installed(tmp_path: Path) -> None:
    root = fetched(a_host(), tmp_path)
    assert root.version == "vmm 1:7.2+dfsg-7 of bookworm"
    assert (root.path / "usr/bin/vmm").read_text() == "vmm"
    assert (root.path / "lib/libc.so.6").read_text() == "libc6"
    assert [(root.path / name).readlink() for name in ("bin", "lib64")] == [Path("usr/bin"), Path("usr/lib64")]
    assert all((root.path / name).is_dir() for name in ("dev", "proc", "sys", "tmp"))
    assert not (root.path / "usr/share/doc").exists()
    assert [line.split()[:2] for line in (root.path / PACKAGES).read_text().splitlines()] == [
        ["libc6", "2.36-9"],
        ["vmm", "1:7.2+dfsg-7"],
    ]


def test_it_is_an_entry_of_the_cache_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    root = fetched(a_host(), tmp_path / "cache")
    listed = [entry for entry in entries(KernelCache(tmp_path / "cache")) if entry.kind is not EntryKind.APT]
    assert [(entry.kind, entry.place, entry.what) for entry in listed if "trash" not in entry.what] == [
        (EntryKind.PACKAGES, root.path, "2 unpacked Debian packages")
    ]


def test_it_is_fetched_once_for_the_same_versions(tmp_path: Path) -> None:
    first, again = a_host(), a_host()
    assert fetched(first, tmp_path) == fetched(again, tmp_path)
    assert (downloads(first), downloads(again)) == (1, 0)


def test_a_newer_version_of_what_it_needs_is_another_root(tmp_path: Path) -> None:
    def newer(call: Call) -> Answer:
        return Answer(show(call).output.replace("2.36-9", "2.36-10").replace(sha256("libc6"), sha256("newer libc6")))

    def downloaded(call: Call) -> Answer:
        done = download(call)
        assert call.cwd is not None
        (call.cwd / "libc6_1_amd64.deb").write_text("newer libc6")
        return done

    first = fetched(a_host(), tmp_path)
    host = a_host(__simulate=Answer(SIMULATED.replace("2.36-9", "2.36-10")), show=newer, download=downloaded)
    second = fetched(host, tmp_path)
    assert second.version == first.version
    assert second.path != first.path


@pytest.mark.parametrize("damage", [lambda path: path.write_text(""), Path.unlink])
def test_a_damaged_root_is_fetched_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(fetched(a_host(), tmp_path).path / "usr/bin/vmm")
    assert (fetched(a_host(), tmp_path).path / "usr/bin/vmm").read_text() == "vmm"


def test_a_failed_fetch_leaves_nothing_that_passes_for_a_root(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"unpacking libc6_1_amd64\.deb"):
        fetched(a_host(dpkg_deb=Answer("no space left", 2)), tmp_path)
    assert (fetched(a_host(), tmp_path).path / "usr/bin/vmm").read_text() == "vmm"


def test_a_file_that_is_not_the_one_of_the_index_is_refused(tmp_path: Path) -> None:
    def other(call: Call) -> Answer:
        download(call)
        assert call.cwd is not None
        (call.cwd / "vmm_1_amd64.deb").write_text("another")
        return Answer()

    with pytest.raises(InfrastructureError, match="apt did not download vmm of Debian suite 'bookworm'"):
        fetched(a_host(download=other), tmp_path)


def test_packages_that_do_not_fit_together_and_packages_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"choosing what vmm=1:7\.2(.|\n)*held broken packages"):
        fetched(a_host(__simulate=Answer("E: you have held broken packages.", 100)), tmp_path)
    with pytest.raises(UsageError, match=r"^s\.yaml:7: Debian suite 'bookworm' has no package 'vmm'$"):
        fetched(a_host(show=Answer("", 100)), tmp_path / "other")

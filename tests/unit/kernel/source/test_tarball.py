# SPDX-License-Identifier: GPL-2.0-only
"""Sources in tarballs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run

import pytest

from orchestrator.errors import InfrastructureError, UsageError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.model import SourceTree
from orchestrator.kernel.source.fetch import fetch, peek
from orchestrator.scenario.sources import TarballSource
from tests.unit.kernel.source.test_git import TOY, content


def get(cache: Path, source: TarballSource) -> SourceTree:
    return fetch(LocalHost(), cache, source, where="s.yaml:3", emit=lambda _: None)


def pack(file: Path, *names: str, top: Path = TOY) -> str:
    """Pack `names` of the toy kernel's directory, and return the SHA-256 of the tarball."""
    run(["tar", "-caf", str(file), "-C", str(top.parent if not names else top), *(names or (top.name,))], check=True)
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory that a web server on this machine publishes, and its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    directory = tmp_path / "site"
    directory.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield directory, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["linux.tar", "linux.tar.gz", "linux.tar.xz"])
def test_a_tarball_is_unpacked_once_without_its_directory(tmp_path: Path, name: str) -> None:
    digest = pack(tmp_path / name)
    tree = get(tmp_path / "cache", TarballSource(str(tmp_path / name)))
    assert content(tree.path) == content(TOY)
    assert tree.id == f"tar-{digest}"
    assert tree.version == f"{name} (sha256 {digest[:12]})"
    (tmp_path / name).unlink()
    assert get(tmp_path / "cache", TarballSource(str(tmp_path / name), digest)).path == tree.path


def test_a_tarball_without_a_directory_around_is_a_source_too(tmp_path: Path) -> None:
    pack(tmp_path / "flat.tar", *(path.name for path in TOY.iterdir()))
    assert content(get(tmp_path / "cache", TarballSource(str(tmp_path / "flat.tar"))).path) == content(TOY)


def test_a_tarball_at_an_address_is_fetched_verified_and_removed(tmp_path: Path, site: tuple[Path, str]) -> None:
    directory, address = site
    digest = pack(directory / "linux.tar.xz")
    tree = get(tmp_path / "cache", TarballSource(f"{address}/linux.tar.xz", digest))
    assert content(tree.path) == content(TOY)
    (directory / "linux.tar.xz").unlink()
    assert get(tmp_path / "cache", TarballSource(f"{address}/linux.tar.xz", digest)).path == tree.path
    assert not list((tmp_path / "cache/sources").glob("*.download"))


def test_another_content_than_named_is_refused_and_leaves_nothing(tmp_path: Path, site: tuple[Path, str]) -> None:
    directory, address = site
    digest = pack(directory / "linux.tar")
    for place in (f"{address}/linux.tar", str(directory / "linux.tar")):
        with pytest.raises(UsageError) as caught:
            get(tmp_path / "cache", TarballSource(place, "0" * 64))
        assert str(caught.value) == f"s.yaml:3: the SHA-256 of {place} is {digest}, not {'0' * 64}"
    assert [path for path in (tmp_path / "cache/sources").iterdir() if path.suffix != ".lock"] == []


def test_what_is_not_at_its_address_is_reported(tmp_path: Path, site: tuple[Path, str]) -> None:
    with pytest.raises(InfrastructureError, match=r"^s.yaml:3: http://.*/gone.tar cannot be fetched: curl: .*404"):
        get(tmp_path / "cache", TarballSource(f"{site[1]}/gone.tar", "0" * 64))


def test_what_is_no_tarball_or_no_source_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("no tarball\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/README").write_text("no source\n")
    pack(tmp_path / "other.tar", top=tmp_path / "other")
    for name, why in (("text.tar", "cannot be unpacked: "), ("other.tar", "holds no Linux source tree")):
        with pytest.raises(UsageError, match=f"^s.yaml:3: {tmp_path / name} {why}"):
            get(tmp_path / "cache", TarballSource(str(tmp_path / name)))
    assert [path for path in (tmp_path / "cache/sources").iterdir() if path.is_dir()] == []


def test_a_plan_sees_what_is_unpacked(tmp_path: Path) -> None:
    pack(tmp_path / "linux.tar")
    source = TarballSource(str(tmp_path / "linux.tar"))
    assert peek(LocalHost(), tmp_path / "cache", source) is None
    tree = get(tmp_path / "cache", source)
    assert peek(LocalHost(), tmp_path / "cache", source) == tree


def test_sources_of_one_version_share_their_files_wherever_they_are_from(tmp_path: Path) -> None:
    first = get(tmp_path / "cache", TarballSource(str(tmp_path / "linux.tar"), pack(tmp_path / "linux.tar")))
    (tmp_path / "changed").mkdir()
    run(["cp", "-a", f"{TOY}/.", str(tmp_path / "changed")], check=True)
    (tmp_path / "changed/mm/mmap.c").write_text("changed\n")
    pack(tmp_path / "changed.tar", top=tmp_path / "changed")
    second = get(tmp_path / "cache", TarballSource(str(tmp_path / "changed.tar")))
    assert (first.path / "Kconfig").stat().st_ino == (second.path / "Kconfig").stat().st_ino
    assert (first.path / "mm/mmap.c").read_text() != (second.path / "mm/mmap.c").read_text() == "changed\n"

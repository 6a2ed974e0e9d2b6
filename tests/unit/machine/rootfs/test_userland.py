# SPDX-License-Identifier: GPL-2.0-only
"""The host's directories in the guest: programs and libraries only, for every layout."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from orchestrator.machine.rootfs.busybox import guest_root
from orchestrator.machine.rootfs.userland import Userland, find_userland
from orchestrator.machine.vng import vng_argv
from tests.fakes import Answer, FakeHost
from tests.unit.machine.rootfs.test_busybox import busybox  # noqa: F401 -- a fixture
from tests.unit.machine.test_vng import BOOT


def host(top: Path, *names: str, links: dict[str, str] | None = None) -> Path:
    """Create a root directory with these directories and links."""
    for name in names:
        (top / name).mkdir(parents=True)
    for name, target in (links or {}).items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).symlink_to(target)
    return top


def test_a_host_with_a_merged_usr_shows_usr_alone(tmp_path: Path) -> None:
    links = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
    top = host(tmp_path, "usr/bin", "usr/lib", "usr/lib64", "etc", "home", links=links)
    found = find_userland(top)
    assert found.exports == (("/mnt/host/usr", tmp_path / "usr"),)
    assert found.binds == (
        ("/mnt/host/usr", "/usr"),
        ("/mnt/host/usr/lib", "/lib"),
        ("/mnt/host/usr/lib64", "/lib64"),
        ("/mnt/host/usr/bin", "/bin"),
    )


def test_a_host_without_one_shows_its_top_directories_with_bin_last(tmp_path: Path) -> None:
    found = find_userland(host(tmp_path, "usr", "bin", "sbin", "lib", "lib64", "etc", "root", "var"))
    assert [guest for guest, _ in found.exports] == [f"/mnt/host/{d}" for d in ("usr", "lib", "lib64", "sbin", "bin")]
    assert found.binds[-1] == ("/mnt/host/bin", "/bin")


def test_a_link_that_leads_elsewhere_is_not_shown(tmp_path: Path) -> None:
    top = host(tmp_path, "usr/lib", "secret", links={"lib": "secret", "bin": "nowhere"})
    assert find_userland(top).binds == (("/mnt/host/usr", "/usr"),)


def test_alternatives_that_lead_into_usr_are_links_of_the_root(tmp_path: Path) -> None:
    links = {"etc/alternatives/awk": "/usr/bin/mawk", "etc/alternatives/x": "/etc/shadow"}
    assert find_userland(host(tmp_path, "usr", links=links)).links == (("etc/alternatives/awk", "/usr/bin/mawk"),)


def test_the_root_for_it_has_what_it_needs_and_is_another_one(busybox: Path, tmp_path: Path) -> None:  # noqa: F811
    fake = FakeHost([((str(busybox),), Answer("sh\n"))])
    userland = Userland(
        (("/mnt/host/usr", Path("/usr")),), (("/mnt/host/usr", "/usr"), ("/mnt/host/usr/lib64", "/lib64"))
    )
    plain, root = guest_root(fake, tmp_path), guest_root(fake, tmp_path, userland)
    linked = guest_root(fake, tmp_path, replace(userland, links=(("etc/alternatives/awk", "/usr/bin/mawk"),)))
    assert len({plain, root, linked}) == 3
    assert (root / "mnt/host/usr").is_dir()
    assert (root / "lib64").is_dir()
    assert not (plain / "lib64").exists()
    assert (linked / "etc/alternatives/awk").readlink() == Path("/usr/bin/mawk")


def test_exports_are_read_only_shares() -> None:
    argv = vng_argv(replace(BOOT, exports=(("/mnt/host/usr", Path("/usr")),)))
    assert ("--rodir", "/mnt/host/usr=/usr") in pairwise(argv)
    assert sum(word == "--rwdir" for word in argv) == 1

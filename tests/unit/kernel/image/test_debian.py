# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels: the packages that hold one, and the artifact made from them."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.events import ignore
from orchestrator.host.local import LocalHost
from orchestrator.kernel import apt
from orchestrator.kernel.apt import Apt, DebianPackage
from orchestrator.kernel.cache.store import KernelCache
from orchestrator.kernel.image.debian import identity, resolve
from orchestrator.kernel.image.prebuilt import ImageRequest, fetch_image, peek_image, prepare
from orchestrator.scenario.sources import DebianImageSource
from tests.fakes import Answer, Call, FakeHost, Match, Reply
from tests.unit.kernel.image.test_find import BANNER, MODULAR, PVH, bzimage, elf, module_tree

OLD = "6.12.117-1"
NEW = "7.2.12-1~bpo13+1"
UNSIGNED = "7.3.4-1~bpo13+1"
META_OLD = ("linux-image-amd64", OLD, f"linux-image-6.12.117+deb13-amd64 (= {OLD})")
PACKAGES = {
    "trixie": (
        META_OLD,
        ("linux-image-6.12.117+deb13-amd64", OLD, "kmod, linux-base (>= 4.3~), initramfs-tools | dracut"),
    ),
    "trixie-backports": (
        ("linux-image-amd64", NEW, f"linux-base-amd64 (= {NEW}), linux-image-7.2.12+deb13-amd64 (= {NEW})"),
        ("linux-base-amd64", NEW, f"linux-base-7.2.12+deb13-amd64 (= {NEW})"),
        (
            "linux-image-7.2.12+deb13-amd64",
            NEW,
            "dracut | linux-initramfs-tool, "
            + ", ".join(f"linux-{part}-7.2.12+deb13-amd64 (= {NEW})" for part in ("base", "binary", "modules")),
        ),
        ("linux-binary-7.2.12+deb13-amd64", NEW, f"linux-base-7.2.12+deb13-amd64 (= {NEW})"),
        ("linux-modules-7.2.12+deb13-amd64", NEW, f"kmod, linux-base-7.2.12+deb13-amd64 (= {NEW})"),
        ("linux-base-7.2.12+deb13-amd64", NEW, ""),
        ("linux-binary-unsigned-7.3.4+deb13-amd64", UNSIGNED, f"linux-base-7.3.4+deb13-amd64 (= {UNSIGNED})"),
        ("linux-modules-7.3.4+deb13-amd64", UNSIGNED, f"kmod, linux-base-7.3.4+deb13-amd64 (= {UNSIGNED})"),
        ("linux-base-7.3.4+deb13-amd64", UNSIGNED, ""),
        ("linux-source-7.3", UNSIGNED, "binutils, xz-utils"),
    ),
}
TARGETS = "https://mirror.example/debian|Debian|Debian\n"


def sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def show(suite: str) -> Callable[[Call], Answer]:
    """Return the output of ``apt-cache show`` for the packages of `suite`."""

    def answer(call: Call) -> Answer:
        lines = [
            f"Package: {name}\nVersion: {version}\nDepends: {depends}\nSHA256: {sha256(name)}\n"
            for name, version, depends in PACKAGES[suite]
            if name == call.argv[-1]
        ]
        return Answer("\n".join(lines), 0 if lines else 100)

    return answer


def asks(program: str, verb: str) -> Match:
    return lambda argv: argv[0] == program and verb in argv


def a_host(suite: str, *more: tuple[Match, Reply]) -> FakeHost:
    plan: list[tuple[Match, Reply]] = [
        (("apt-get", "indextargets"), Answer(TARGETS)),
        (asks("apt-get", "update"), Answer()),
        (asks("apt-cache", "show"), show(suite)),
    ]
    return FakeHost([*plan, *more])


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring.gpg")


def resolved(tmp_path: Path, suite: str, name: str) -> list[str]:
    its = Apt(a_host(suite), tmp_path / "apt", suite)
    return [package.name for package in resolve(its, its.packages(name)[0], "s.yaml:5")]


def test_a_meta_package_leads_to_the_package_that_has_everything(tmp_path: Path) -> None:
    assert resolved(tmp_path, "trixie", "linux-image-amd64") == ["linux-image-6.12.117+deb13-amd64"]


@pytest.mark.parametrize("name", ["linux-image-amd64", "linux-image-7.2.12+deb13-amd64"])
def test_since_7_the_parts_are_in_packages_of_their_own(tmp_path: Path, name: str) -> None:
    found = [f"linux-{part}-7.2.12+deb13-amd64" for part in ("image", "base", "binary", "modules")]
    assert resolved(tmp_path, "trixie-backports", name) == found


def test_an_unsigned_image_finds_its_modules_though_it_does_not_depend_on_them(tmp_path: Path) -> None:
    found = [f"linux-{part}-7.3.4+deb13-amd64" for part in ("binary-unsigned", "base", "modules")]
    assert resolved(tmp_path, "trixie-backports", "linux-binary-unsigned-7.3.4+deb13-amd64") == found


def test_a_package_that_is_no_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"^s.yaml:5: 'linux-source-7.3' of Debian suite 'trixie-backports' is no kern"
    ):
        resolved(tmp_path, "trixie-backports", "linux-source-7.3")


def test_the_identity_is_that_of_the_files_in_any_order() -> None:
    one, two = DebianPackage("a", "1", "aa"), DebianPackage("b", "1", "bb")
    assert identity((one, two)) == identity((two, one))
    assert identity((one,)) != identity((one, two))


def a_deb(directory: Path, name: str, files: Path) -> None:
    """Make a real Debian package with the tree `files` in it."""
    (files / "DEBIAN").mkdir()
    (files / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: me <me@here>\nDescription: kernel\n"
    )
    subprocess.run(["dpkg-deb", "-b", str(files), str(directory / f"{name}.deb")], check=True, capture_output=True)


RELEASE = "6.12.117+deb13-amd64"


def download(tmp_path: Path) -> Callable[[Call], Answer]:
    """Fake ``apt-get download`` of the only real package of trixie.

    It has an image, a configuration and compressed modules.
    """

    def answer(call: Call) -> Answer:
        assert call.cwd
        assert call.argv[-1] == f"linux-image-{RELEASE}={OLD}"
        files = tmp_path / "deb"
        module_tree(files / "usr", RELEASE, ".xz")
        (files / "boot").mkdir()
        banner = BANNER.replace(b"7.3.4-topic", RELEASE.encode())
        (files / f"boot/vmlinuz-{RELEASE}").write_bytes(bzimage(gzip.compress(elf(banner + PVH)), RELEASE))
        (files / f"boot/config-{RELEASE}").write_text(MODULAR.replace("7.3.4", "6.12.117"))
        a_deb(call.cwd, f"linux-image-{RELEASE}", files)
        return Answer()

    return answer


def test_from_the_name_of_a_meta_package_to_an_artifact_that_says_what_it_is(tmp_path: Path) -> None:
    host = a_host("trixie", (asks("apt-get", "download"), download(tmp_path)))
    order = ImageRequest("stock", DebianImageSource("linux-image-amd64", "trixie"), "s.yaml:5")
    assert peek_image(host, tmp_path / "cache", order) is None
    fetched = fetch_image(host, tmp_path / "cache", order, ignore)
    assert fetched.version == f"linux-image-amd64 of trixie: linux-image-{RELEASE} {OLD}"
    artifact = prepare(LocalHost(), KernelCache(tmp_path / "cache"), fetched, 2, ignore)
    assert artifact.version == RELEASE
    assert artifact.image.name == "vmlinux"
    assert artifact.modules
    assert (artifact.modules / "lib/modules" / RELEASE / "kernel/drivers/user.ko").exists()
    provenance = json.loads((artifact.directory / "provenance.json").read_text())
    name = f"linux-image-{RELEASE}"
    assert provenance["packages"] == [{"name": name, "version": OLD, "sha256": sha256(name)}]
    assert provenance["suite"] == "trixie"

    again = fetch_image(host, tmp_path / "cache", order, ignore)
    assert peek_image(host, tmp_path / "cache", order) == again == fetched
    assert len([call for call in host.calls if "download" in call.argv]) == 1
    assert not fetched.place.exists()


def test_a_package_that_the_suite_does_not_have_is_named(tmp_path: Path) -> None:
    order = ImageRequest("stock", DebianImageSource("linux-image-i386", "trixie"), "s.yaml:5")
    with pytest.raises(UsageError, match=r"^s.yaml:5: Debian suite 'trixie' has no package 'linux-image-i386'$"):
        fetch_image(a_host("trixie"), tmp_path / "cache", order, ignore)


def test_a_version_that_the_suite_does_not_have_is_named_with_those_it_has(tmp_path: Path) -> None:
    order = ImageRequest("stock", DebianImageSource("linux-image-amd64", "trixie", "6.12.1-1"), "s.yaml:5")
    with pytest.raises(UsageError, match=f"has no version 6.12.1-1 of 'linux-image-amd64', only {OLD}$"):
        fetch_image(a_host("trixie"), tmp_path / "cache", order, ignore)

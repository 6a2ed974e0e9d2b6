# SPDX-License-Identifier: GPL-2.0-only
"""The private apt: its commands, its use of old lists, and its errors."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import CommandError, InfrastructureError, UsageError
from orchestrator.kernel import apt
from orchestrator.kernel.apt import LISTS_FRESH_SECONDS, Apt, DebianPackage, choose, mirror, parse_show
from tests.fakes import Answer, Call, FakeHost, Match, Reply

SHOW = """\
Package: linux-source-7.3
Source: linux
Version: 7.3.4-1~bpo13+1
Installed-Size: 151000
Architecture: all
Depends: binutils, xz-utils
Description: Linux kernel source for version 7.3 with Debian patches
Description-md5: 1234
Filename: pool/main/l/linux/linux-source-7.3_7.3.4-1~bpo13+1_all.deb
SHA256: 703e369d

Package: linux-source-7.3
Version: 7.3.1-1~bpo13+1
SHA256: 11aa22bb

Package: linux-source-7.3
Version: 7.3.0-1~without-a-file
"""
NEWEST = DebianPackage("linux-source-7.3", "7.3.4-1~bpo13+1", "703e369d")
OLDER = DebianPackage("linux-source-7.3", "7.3.1-1~bpo13+1", "11aa22bb")
TARGETS = """\
https://security.example/debian-security|Debian|Debian-Security
https://other.example/|Docker|Docker CE
https://mirror.example/debian|Debian|Debian
https://second.example/debian|Debian|Debian
no-such-line
"""
MIRROR: tuple[Match, Reply] = (("apt-get", "indextargets"), Answer(TARGETS))


def asks(program: str, verb: str) -> Match:
    """A match for an apt command by its verb, which follows the options."""
    return lambda argv: argv[0] == program and verb in argv


def an_apt(tmp_path: Path, *plan: tuple[Match, Reply], suite: str = "trixie-backports") -> tuple[Apt, FakeHost]:
    host = FakeHost([MIRROR, *plan])
    return Apt(host, tmp_path / "apt", suite), host


def verbs(host: FakeHost) -> list[str]:
    """Return the verb of every command that ran."""
    known = ("indextargets", "update", "show", "download")
    return [next(word for word in call.argv if word in known) for call in host.calls]


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "keyring.gpg"
    file.touch()
    monkeypatch.setattr(apt, "KEYRING", file)
    return file


def test_show_is_read_in_the_order_of_apt_and_without_versions_that_have_no_file() -> None:
    assert parse_show(SHOW) == (NEWEST, OLDER)


def test_show_of_nothing_is_no_package() -> None:
    assert parse_show("") == ()


@pytest.mark.parametrize(
    ("suite", "uri"),
    [
        ("trixie", "https://mirror.example/debian"),
        ("trixie-backports", "https://mirror.example/debian"),
        ("trixie-security", "https://security.example/debian-security"),
    ],
)
def test_the_mirror_is_the_machines_own_for_the_kind_of_suite(suite: str, uri: str) -> None:
    assert mirror(FakeHost([MIRROR]), suite) == uri


@pytest.mark.parametrize(
    ("known", "uri"),
    [
        ("https://mirror.example/debian", "https://mirror.example/debian-security"),
        ("http://10.0.0.1:3142/deb.example/debian/", "http://10.0.0.1:3142/deb.example/debian-security"),
    ],
)
def test_a_machine_of_debootstrap_has_the_security_mirror_beside_its_own(known: str, uri: str) -> None:
    host = FakeHost([(("apt-get", "indextargets"), Answer(f"{known}|Debian|Debian\n"))])
    assert mirror(host, "bookworm-security") == uri
    assert mirror(host, "bookworm") == known


def test_a_mirror_with_another_name_has_none_beside_it() -> None:
    host = FakeHost([(("apt-get", "indextargets"), Answer("https://mirror.example/snapshot|Debian|Debian\n"))])
    with pytest.raises(InfrastructureError, match=r"no Debian-Security mirror.*'bookworm-security'"):
        mirror(host, "bookworm-security")


def test_without_a_debian_mirror_the_message_says_how_to_get_one() -> None:
    host = FakeHost([(("apt-get",), Answer("https://ubuntu.example|Ubuntu|Ubuntu\n"))])
    with pytest.raises(InfrastructureError, match=r"no Debian mirror.*'trixie'.*apt-get update"):
        mirror(host, "trixie")


def test_every_apt_command_works_on_private_directories_only(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, (asks("apt-get", "update"), Answer()), (asks("apt-cache", "show"), Answer(SHOW)))
    its.refresh()
    its.packages("linux-source-7.3")
    for call in host.calls[1:]:
        settings = dict(word.split("=", 1) for word in call.argv if "::" in word)
        for key in ("Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Cache::archives", "Dir::Etc::sourcelist"):
            assert Path(settings[key]).is_relative_to(tmp_path / "apt"), key
        assert settings["Dir::Etc::sourceparts"] == "-"
        assert settings["Dir::State::status"] == "/dev/null"
        assert not [word for word in call.argv if "AllowUnauthenticated" in word or "AllowInsecure" in word]


def test_the_source_list_names_the_keyring_the_mirror_and_the_suite(tmp_path: Path, keyring: Path) -> None:
    its, _ = an_apt(tmp_path, (asks("apt-get", "update"), Answer()))
    its.refresh()
    line = (tmp_path / "apt/sources.list").read_text()
    assert line == f"deb [signed-by={keyring}] https://mirror.example/debian trixie-backports main\n"


def test_a_missing_keyring_is_a_sentence(tmp_path: Path, keyring: Path) -> None:
    keyring.unlink()
    its, _ = an_apt(tmp_path)
    with pytest.raises(InfrastructureError, match="debian-archive-keyring"):
        its.refresh()


def test_a_fresh_list_is_not_fetched_again(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, (asks("apt-get", "update"), Answer()))
    assert its.refresh() is True
    assert its.refresh() is False
    assert verbs(host).count("update") == 1


def test_a_list_older_than_a_day_or_a_forced_one_is_fetched_again(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, (asks("apt-get", "update"), Answer()))
    its.refresh()
    assert its.refresh(force=True) is True
    past = time.time() - LISTS_FRESH_SECONDS - 1
    os.utime(tmp_path / "apt/fetched", (past, past))
    assert its.refresh() is True
    assert verbs(host).count("update") == 3


def test_no_network_and_no_older_list_is_an_error_that_names_the_suite(tmp_path: Path) -> None:
    its, _ = an_apt(tmp_path, (asks("apt-get", "update"), Answer("E: Temporary failure resolving\n", 100)))
    with pytest.raises(CommandError, match=r"suite 'trixie-backports'(.|\n)*Temporary failure resolving"):
        its.refresh()


def test_no_network_but_an_older_list_goes_on_with_that(tmp_path: Path) -> None:
    its, _ = an_apt(tmp_path, (asks("apt-get", "update"), Answer("E: no network\n", 100)))
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt/fetched").touch()
    assert its.refresh(force=True) is False


def suite_with(*shown: str) -> tuple[tuple[Match, Reply], tuple[Match, Reply]]:
    """Make a suite whose package list has the next of `shown` after every update."""
    updates = 0

    def update(_: Call) -> Answer:
        nonlocal updates
        updates += 1
        return Answer()

    def show(_: Call) -> Answer:
        text = shown[min(updates, len(shown)) - 1]
        return Answer(text, 0 if text else 100)

    return (asks("apt-get", "update"), update), (asks("apt-cache", "show"), show)


def test_the_newest_version_is_chosen_where_none_is_named(tmp_path: Path) -> None:
    its, _ = an_apt(tmp_path, *suite_with(SHOW))
    assert choose(its, "linux-source-7.3", None, "s.yaml:4") == NEWEST


def test_a_named_version_is_chosen_without_a_second_update(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, *suite_with(SHOW))
    assert choose(its, "linux-source-7.3", OLDER.version, "s.yaml:4") == OLDER
    assert verbs(host).count("update") == 1


def test_a_stale_list_is_fetched_once_more_for_a_version_that_it_does_not_have(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, *suite_with("", SHOW))
    assert choose(its, "linux-source-7.3", NEWEST.version, "s.yaml:4") == NEWEST
    assert verbs(host).count("update") == 2


def test_an_unknown_package_names_the_place_the_suite_and_the_package(tmp_path: Path) -> None:
    its, host = an_apt(tmp_path, *suite_with(""))
    with pytest.raises(UsageError, match=r"^s.yaml:4: Debian suite 'trixie-backports' has no package 'linux-sauce'$"):
        choose(its, "linux-sauce", None, "s.yaml:4")
    assert verbs(host).count("update") == 2


def test_a_suite_that_the_mirror_does_not_have_is_the_users_mistake_and_no_network_is_not(tmp_path: Path) -> None:
    output = "Err:2 https://mirror.example Release\n  404  Not Found\nE: The repository does not have a Release file.\n"
    its, _ = an_apt(tmp_path, (asks("apt-get", "update"), Answer(output, 100)), suite="tixie")
    with pytest.raises(
        UsageError, match=r"^s.yaml:4: there is no Debian suite 'tixie' at https://mirror.example/debian$"
    ):
        choose(its, "linux-source-7.3", None, "s.yaml:4")
    its, _ = an_apt(tmp_path, (asks("apt-get", "update"), Answer("E: Temporary failure resolving\n", 100)))
    with pytest.raises(CommandError, match="fetching the package list"):
        choose(its, "linux-source-7.3", None, "s.yaml:4")


def test_an_unknown_version_lists_those_on_offer(tmp_path: Path) -> None:
    its, _ = an_apt(tmp_path, *suite_with(SHOW))
    with pytest.raises(UsageError) as caught:
        choose(its, "linux-source-7.3", "7.3.9-1", "s.yaml:4")
    assert "has no version 7.3.9-1" in str(caught.value)
    assert str(caught.value).endswith(f"only {NEWEST.version}, {OLDER.version}")


def test_a_download_happens_once_and_leaves_the_file_under_its_hash_and_again_where_it_was_cut(tmp_path: Path) -> None:
    def download(call: Call) -> Answer:
        assert call.cwd
        (call.cwd / "linux.deb").write_text("deb")
        return Answer()

    package = replace(NEWEST, sha256=hashlib.sha256(b"deb").hexdigest())
    its, host = an_apt(tmp_path, (asks("apt-get", "download"), download))
    deb = its.download(package)
    assert deb == tmp_path / "apt/archives" / package.sha256 / "linux.deb"
    assert its.download(package) == deb
    assert verbs(host) == ["download"]
    assert host.calls[0].argv[-1] == "linux-source-7.3=7.3.4-1~bpo13+1"
    deb.write_text("de")
    assert its.download(package).read_text() == "deb"
    assert verbs(host) == ["download"] * 2


def test_a_failed_download_names_the_package_and_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    its, _ = an_apt(tmp_path, (asks("apt-get", "download"), Answer("E: 404\n", 100)))
    with pytest.raises(CommandError, match=r"linux-source-7\.3=7\.3\.4"):
        its.download(NEWEST)
    assert not (tmp_path / "apt/archives/703e369d").exists()

# SPDX-License-Identifier: GPL-2.0-only
"""The version that results carry: git's of a checkout, the package's otherwise."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import orchestrator
from orchestrator.host.version import orch_version


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    orch_version.cache_clear()
    yield
    orch_version.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that Python takes for the one that orch is in."""
    package = tmp_path / "orchestrator"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(orchestrator, "__file__", str(package / "__init__.py"))
    return tmp_path


def git(checkout: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=o", "-c", "user.email=o@example.org")
    done = subprocess.run(("git", "-C", checkout, *identity, *arguments), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_checkout_is_described_by_git(checkout: Path) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    git(checkout, "tag", "-a", "-m", "first", "v0.2")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    commit = git(checkout, "rev-parse", "--short", "HEAD")
    assert orch_version() == f"v0.2-1-g{commit}"
    orch_version.cache_clear()
    (checkout / "orchestrator/__init__.py").write_text("# changed\n")
    assert orch_version() == f"v0.2-1-g{commit}-dirty"


def test_without_a_tag_the_commit_is_the_version(checkout: Path) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    assert orch_version() == git(checkout, "rev-parse", "--short", "HEAD")


def test_an_installed_package_has_its_own(checkout: Path) -> None:
    assert orch_version() == metadata.version("orch")


def test_a_checkout_that_git_refuses_has_the_packages(checkout: Path) -> None:
    (checkout / ".git").write_text("gitdir: /nowhere\n")
    assert orch_version() == metadata.version("orch")

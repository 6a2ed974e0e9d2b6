# SPDX-License-Identifier: GPL-2.0-only
"""``orch review``: from a series on a list to the text for it, on real kernels."""

from __future__ import annotations

import email
import email.policy
import re
from pathlib import Path

import pytest

from tests.vm.conftest import PATCHES, REPOSITORY, Finished, orch

SERIES = REPOSITORY / "kernels/patches/vfio-size"
IDENTITY = "20261128.1-1-dev@example.org"
TESTER = "A Tester <t@example.org>"


def as_mail(patch: Path, place: Path) -> Path:
    """Return an mbox with a patch as it was sent to a list."""
    text = patch.read_text()
    headers = f"To: kvm@example.org\nCc: A Reviewer <r@example.org>\nMessage-ID: <{IDENTITY}>\nSubject:"
    place.write_text(
        text.replace("From: orch developers <orch@localhost>", "From: A Dev <dev@example.org>").replace(
            "Subject:", headers, 1
        )
    )
    return place


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with series.mbox, a series of one patch."""
    place = tmp_path_factory.mktemp("review")
    (patch,) = SERIES.glob("*.patch")
    as_mail(patch, place / "series.mbox")
    return place


@pytest.fixture(scope="module")
def reviewed(sent: Path) -> Finished:
    """The review of the series, without a base or a scenario named."""
    return orch(sent / "results", "review", "series.mbox", "--tested-by", TESTER, "--reply", "reply.eml", cwd=sent)


def test_the_base_and_the_scenario_are_found_and_said(reviewed: Finished) -> None:
    assert reviewed.status == 0, reviewed.err
    notes = [line for line in reviewed.err.splitlines() if line.startswith("orch: ")]
    assert re.fullmatch(r"orch: base: linux-source-7\.3 7\.3\.\S+, by the blob ids of (\d+) of \1 files?", notes[1]), (
        notes
    )
    assert notes[2] == "orch: scenario: scenarios/pud.yaml, because the series touches drivers/vfio/vfio_main.c"


def test_the_text_says_what_was_found_on_what(reviewed: Finished) -> None:
    lines = reviewed.out.splitlines()
    assert lines[0] == 'orch tested "[PATCH] vfio: place mmaps of device files by their size":'
    text = " ".join(reviewed.out.split())
    assert "patched maps 2 GiB of testdev BAR2 (placement kernel) with 2 PUD entries, and base with 524,288 PTE" in text
    assert "Series: 1 patch from A Dev <dev@example.org>" in text
    assert f"Link: https://lore.kernel.org/r/{IDENTITY}" in text
    assert "Base: linux-source-7.3 7.3." in text
    assert "Config: guest, vfio Machine: QEMU " in text
    assert re.search(r"^  entries +524,288 +2  fix$", reviewed.out, re.MULTILINE)
    assert "hardware: all devices are emulated by QEMU" in text
    assert f"orch review {IDENTITY} --base linux-source-7.3" in text
    assert lines[-1] == f"Tested-by: {TESTER}"
    assert max(len(line) for line in lines) <= 72
    assert str(reviewed.results.parent) not in reviewed.out


def test_the_reply_has_the_text(reviewed: Finished) -> None:
    message = email.message_from_bytes(
        (reviewed.results.parent / "reply.eml").read_bytes(), policy=email.policy.default
    )
    assert message["In-Reply-To"] == f"<{IDENTITY}>"
    assert (message["To"], message["From"]) == ("A Dev <dev@example.org>", TESTER)
    assert message["Cc"] == "kvm@example.org, A Reviewer <r@example.org>"
    body = message.get_body()
    assert body is not None
    assert body.get_content() == reviewed.out


def test_the_same_review_again_answers_from_the_run(reviewed: Finished, sent: Path) -> None:
    runs = sorted((sent / "results").iterdir())
    again = orch(sent / "results", "review", "series.mbox", "--tested-by", TESTER, cwd=sent)
    assert (again.status, again.out) == (0, reviewed.out), again.err
    assert sorted((sent / "results").iterdir()) == runs
    assert f"the answer is that of {reviewed.run}" in again.err


def test_a_series_that_crashes_the_kernel_says_so_and_proposes_no_trailer(sent: Path) -> None:
    as_mail(PATCHES / "oops-in-fault.patch", sent / "oops.mbox")
    crashed = orch(sent / "oops", "review", "oops.mbox", "--tested-by", TESTER, cwd=sent)
    assert crashed.status == 1, crashed.err
    text = " ".join(crashed.out.split())
    assert "* patched crashes, and base does not: the guest kernel oopsed: kernel BUG at" in text
    assert "Tested-by" not in crashed.out
    assert "no Tested-by: something got worse" in crashed.err


def test_a_series_that_does_not_compile_says_so(sent: Path) -> None:
    as_mail(PATCHES / "syntax-error.patch", sent / "syntax.mbox")
    failed = orch(sent / "syntax", "review", "syntax.mbox", cwd=sent)
    assert failed.status == 1, failed.err
    assert re.search(r"^\* patched does not build:", failed.out, re.MULTILINE)
    assert ".cache" not in failed.out


def test_a_series_of_another_subsystem_is_refused_before_anything_is_run(sent: Path) -> None:
    patch = "--- a/net/core/dev.c\n+++ b/net/core/dev.c\n@@ -1 +1 @@\n-x\n+y\n"
    (sent / "net.patch").write_text(patch)
    refused = orch(sent / "net", "review", "net.patch", "--base", "linux-source-7.3", cwd=sent)
    assert refused.status == 2
    assert refused.err.splitlines()[-1] == (
        "orch: orch review: no scenario is known for what it touches (net/core/dev.c); "
        "name one with --scenario, such as scenarios/pud.yaml"
    )
    assert not (sent / "net").exists()

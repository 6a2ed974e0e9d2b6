# SPDX-License-Identifier: GPL-2.0-only
"""Files that are no patch, or are too large: refused in one sentence, and fast."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from orchestrator.errors import PatchError
from orchestrator.host.local import LocalHost
from orchestrator.kernel.patch.series import read_series

DIFF = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n-- \n2\n"
FROM = "From mboxrd@z Thu Jan  1 00:00:00 1970\n"
HEAD = "From: A <a@x>\nMessage-ID: <1@x>\nSubject: [PATCH] t\n"
SECONDS = 4.0
"""A limit in seconds, many times the duration on an idle machine."""


def nested(count: int) -> str:
    begin = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(count))
    end = "".join(f"--b{n}--\n" for n in reversed(range(count)))
    return f"{FROM}{HEAD}{begin}Content-Type: text/plain\n\n{DIFF}{end}"


TOO_MUCH = {
    "nested": (nested(2000), "'t' has 2000 messages or multiparts inside one another"),
    "forwarded": (HEAD + "Content-Type: message/rfc822\n\n" * 2000 + DIFF, "has 2000 messages or multiparts"),
    "parts": (
        f'{HEAD}Content-Type: multipart/mixed; boundary="x"\n\n' + "--x\nContent-Type: text/plain\n\nq\n" * 9000,
        "has 9001 parts",
    ),
    "header": (f"{FROM}{HEAD}X: {'a' * 5_000_000}\n\n{FROM}{HEAD}\n{DIFF}", "has a header of 50000.. bytes"),
    "messages": ((FROM + "Subject: a\n\nx\n\n") * 100_000, "has 100000 messages, more than 5000; save one thread only"),
    "versions": (
        "".join(f"{FROM}From: A <a@x>\nSubject: [PATCH v{n}] t\n\n{DIFF}\n" for n in range(300)),
        "has 300 versions of a series, more than 100",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_more_than_a_mailbox_can_have_is_refused_soon(tmp_path: Path, name: str) -> None:
    text, expected = TOO_MUCH[name]
    (tmp_path / "x.mbox").write_text(text)
    started = monotonic()
    with pytest.raises(PatchError, match=rf"x\.mbox: .*{expected}"):
        read_series(LocalHost(), tmp_path / "x.mbox")
    assert monotonic() - started < SECONDS


LONG = {
    "From": f"From {'a' * 200_000}\n{HEAD}\n{DIFF}",
    "From with times": f"From {'1:00 ' * 40_000}\n{HEAD}\n{DIFF}",
    "From with years": f"From {'1:00 2024' * 20_000}x\n{HEAD}\n{DIFF}",
    "many From lines": f"{FROM}{HEAD}\n{DIFF}\n" + ("From " + "1:00:00 " * 30 + "\n\n") * 9000,
    "subject": f"{FROM}{HEAD}\n{DIFF}\n{FROM}Subject: {'[1/' * 60_000}\n\nx\n",
    "words of a subject": f"{FROM}{HEAD}\n{DIFF}\n{FROM}Subject: {'=?utf-8?q?a?=' * 15_000}\n\nx\n",
    "references": f"{FROM}{HEAD}References: {'<' * 200_000}\n\n{DIFF}",
    "type": f"{HEAD}Content-Type:{' ' * 200_000}text/plain\n\n{DIFF}",
    "broken lines": f"{FROM}{HEAD}Content-Type: text/plain; format=flowed\n\n" + "aaaa \n" * 200_000 + "\n" + DIFF,
    "words": f"{DIFF}\nOnly in a{':' * 100_000} \nFiles {' differ' * 50_000}x\n",
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_line_takes_no_long_time(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.mbox").write_text(LONG[name])
    started = monotonic()
    (patch,) = read_series(LocalHost(), tmp_path / "x.mbox")
    assert monotonic() - started < SECONDS
    assert patch.files == ("f",)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 500 << 20)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "is no regular file; save the patch as a file"),
    "zeros": (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
    "nothing": (lambda path: path.symlink_to("/dev/null"), "is no regular file"),
    "itself": (lambda path: path.symlink_to(path), "cannot be read as a patch: Too many levels of symbolic links"),
    "lost link": (lambda path: path.symlink_to("gone"), "cannot be read as a patch: No such file"),
    "directory": (lambda path: path.mkdir(), "no patch series here; list the patches"),
    "large": (sparse, "has more than 100 MiB"),
    "empty": (lambda path: path.touch(), "holds no diff|no patch in the one message"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("suffix", [".patch", ".mbox"])
def test_what_is_no_file_of_a_patch_is_refused_soon(tmp_path: Path, name: str, suffix: str) -> None:
    make, expected = ODD[name]
    path = tmp_path / f"x{suffix}"
    make(path)
    started = monotonic()
    with pytest.raises(PatchError, match=rf"x{suffix}: (?:{expected})"):
        read_series(LocalHost(), path)
    assert monotonic() - started < SECONDS


def test_a_fifo_in_a_series_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.patch")
    (tmp_path / "series").write_text("a.patch\n")
    with pytest.raises(PatchError, match=r"a\.patch: is no regular file"):
        read_series(LocalHost(), tmp_path)

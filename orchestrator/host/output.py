# SPDX-License-Identifier: GPL-2.0-only
"""Distribute a command's output to the log, to `on_line` and to `Completed.output`."""

from __future__ import annotations

import codecs
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from orchestrator.host.base import LineSink
from orchestrator.host.full import failure

LONGEST_LINE = 1 << 16
"""The number of characters after which an unfinished line is passed on in pieces, which bounds memory for /dev/zero."""


class Output:
    """Takes a command's output in chunks.

    A context manager, because the log is a file.  The log gets every byte at once, so a killed run loses nothing.  The
    text is UTF-8; invalid bytes are replaced.
    """

    def __init__(self, on_line: LineSink | None, log: Path | None) -> None:
        """Open the log.

        `on_line` gets every line without its end, `log` every byte.  Raises CommandError if the log cannot be written.
        """
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._texts: list[str] = []
        self._unfinished = ""
        self._files = ExitStack()
        try:
            self._log = self._files.enter_context(log.open("ab", buffering=0)) if log else None
        except OSError as error:
            raise failure(f"{log}: cannot write the log: {error.strerror}", error) from error

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._files.close()

    @property
    def text(self) -> str:
        """All output so far, with its original line ends."""
        return "".join(self._texts)

    def feed(self, chunk: bytes) -> None:
        """Pass a chunk on.

        Raises CommandError if the log cannot be written, and any error of `on_line`.
        """
        self._write_log(chunk)
        self._pass_on(self._decoder.decode(chunk))

    def finish(self) -> None:
        """Pass on the last line if it has no newline."""
        self._pass_on(self._decoder.decode(b"", final=True))
        if self._unfinished:
            self._emit(self._unfinished)

    def _pass_on(self, text: str) -> None:
        self._texts.append(text)
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            self._emit(line)
        if len(self._unfinished) > LONGEST_LINE:
            self._emit(self._unfinished)
            self._unfinished = ""

    def _emit(self, line: str) -> None:
        if self._on_line:
            self._on_line(line.rstrip("\r"))

    def _write_log(self, chunk: bytes) -> None:
        try:
            while self._log and chunk:
                chunk = chunk[self._log.write(chunk) or 0 :]
        except OSError as error:
            name = self._log and self._log.name
            raise failure(f"{name}: cannot write the log: {error.strerror}", error) from error

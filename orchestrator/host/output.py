# SPDX-License-Identifier: GPL-2.0-only
"""What a command writes, on its way to the log, to whoever watches the lines, and to `Completed.output`."""

from __future__ import annotations

import codecs
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from orchestrator.errors import CommandError
from orchestrator.host.base import LineSink

LONGEST_LINE = 1 << 16
"""Characters after which a line without an end is passed on in pieces, so that /dev/zero costs no more than text."""


class Output:
    """Takes a command's output in chunks; a context manager, because the log is a file.

    The log gets every byte at once: a killed run loses nothing.  The text is UTF-8 with what is not replaced.
    """

    def __init__(self, on_line: LineSink | None, log: Path | None) -> None:
        """`on_line` gets every line without its end, `log` every byte; raises CommandError on an unwritable log."""
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._texts: list[str] = []
        self._unfinished = ""
        self._files = ExitStack()
        try:
            self._log = self._files.enter_context(log.open("ab", buffering=0)) if log else None
        except OSError as error:
            raise CommandError(f"{log}: cannot write the log: {error.strerror}") from error

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._files.close()

    @property
    def text(self) -> str:
        """Everything that was written so far, line ends as they came."""
        return "".join(self._texts)

    def feed(self, chunk: bytes) -> None:
        """Pass a chunk on; raises CommandError where the log cannot be written, and whatever `on_line` raises."""
        self._write_log(chunk)
        self._pass_on(self._decoder.decode(chunk))

    def finish(self) -> None:
        """Pass on what the command left without a newline at its end."""
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
            raise CommandError(f"{self._log and self._log.name}: cannot write the log: {error.strerror}") from error

# SPDX-License-Identifier: GPL-2.0-only
"""The entry point of ``orch``: the only place that prints an error and chooses the exit status for it.

What it does not need for ``orch --help`` is imported where it is used, so that this stays fast.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from orchestrator.cli.parser import parse
from orchestrator.errors import InfrastructureError, Interrupted, OrchError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status; print an error on stderr, one line for each sentence."""
    for stream in (sys.stdout, sys.stderr):  # a path can have bytes that are not UTF-8; so can the locale
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    invocation = parse(argv)
    try:
        return invocation.run()
    except OrchError as error:
        _print_error(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        hint = "; 'orch compare' shows what was done" if invocation.verb == "run" else ""
        _print_error(f"interrupted; all it started is stopped{hint}")
        return Interrupted.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        _print_error(f"{error.filename}: {error.strerror}; check --cache, --results, and your permissions")
        return InfrastructureError.exit_status


def _print_error(text: str) -> None:
    """Print `text` on stderr, each line after "orch: ", with its control characters escaped."""
    from orchestrator.report.text import LONGEST_TEXT, say  # noqa: PLC0415 -- see above
    from orchestrator.result.store.bounds import cut  # noqa: PLC0415 -- see above

    say(*(f"orch: {cut(line, LONGEST_TEXT)}" for line in text.strip("\n").split("\n")), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

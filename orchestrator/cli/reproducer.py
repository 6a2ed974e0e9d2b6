# SPDX-License-Identifier: GPL-2.0-only
"""``orch reproducer``: the C program that shows one failing case of a run without orch."""

from __future__ import annotations

from orchestrator.cli.options import ReproducerOptions
from orchestrator.errors import UsageError
from orchestrator.report.reproducer import reproducer as program_of
from orchestrator.report.text import say
from orchestrator.result.store.load import find_run, load_run


def reproducer(options: ReproducerOptions) -> int:
    """Print the program, or write it to a file.  Raises UsageError if there can be none."""
    text = program_of(load_run(find_run(options.results, options.run)), options.case)
    if options.output is None:
        say(text, end="")
        return 0
    try:
        options.output.write_text(text)
    except OSError as error:
        raise UsageError(f"{options.output}: cannot write the program: {error.strerror}") from error
    return 0

# SPDX-License-Identifier: GPL-2.0-only
"""A separate program: b4's library chooses among the versions of one series.

It reads one JSON object from stdin: `mails`, each with id, subject, date, from, answers (a message id or "") and patch
(whether it has a diff), and `version`, the wanted one or null.  It prints one line of JSON: the chosen version, the ids
of its patches by number (null for a missing one), and the ids of those that b4 took from the version before (a partial
reroll).  The bodies of mails are left out: b4 only needs the place of each mail in the thread.
"""

from __future__ import annotations

import json
import logging
import sys
from email.message import EmailMessage

import b4

_DIFF = "---\n f | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n"


def choose(mails: list[dict[str, str]], version: int | None) -> dict[str, object]:
    """Return what b4 chooses from `mails`, in the form of the output (see the module)."""
    box = b4.LoreMailbox()
    for mail in mails:
        message = EmailMessage()
        message["Message-ID"] = f"<{mail['id']}>"
        message["Subject"] = mail["subject"]
        message["From"] = mail["from"]
        message["Date"] = mail["date"]
        if mail["answers"]:
            message["In-Reply-To"] = f"<{mail['answers']}>"
        message.set_content(_DIFF if mail["patch"] else "Words.\n")
        box.add_message(message)
    series = box.get_series(revision=version, codereview_trailers=False)
    if series is None:
        return {"version": None, "patches": [], "older": []}
    patches = series.patches[1:]
    older = [p.msgid for p in patches if p is not None and p.reroll_from_revision not in (None, series.revision)]
    return {"version": series.revision, "patches": [p and p.msgid for p in patches], "older": older}


def main() -> None:
    """Read the input from stdin, and print the answer."""
    logging.disable()
    b4.can_network = False
    question = json.load(sys.stdin)
    sys.stdout.write(json.dumps(choose(question["mails"], question["version"])) + "\n")


if __name__ == "__main__":
    main()

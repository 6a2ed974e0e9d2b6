# SPDX-License-Identifier: GPL-2.0-only
"""The files of a run that are rendered each time a job ends."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report import junit
from orchestrator.result.store.writer import View

VIEWS: Mapping[str, View] = {"junit.xml": junit.render}
"""The functions that render the files, by file name."""

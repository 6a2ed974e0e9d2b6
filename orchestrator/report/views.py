# SPDX-License-Identifier: GPL-2.0-only
"""The files in a run's directory that are rendered from the run each time that a job ends."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report import junit
from orchestrator.result.store.writer import View

VIEWS: Mapping[str, View] = {"junit.xml": junit.render}
"""By name."""

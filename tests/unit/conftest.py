# SPDX-License-Identifier: GPL-2.0-only
"""Settings for every unit test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("orch", deadline=None)
settings.load_profile("orch")

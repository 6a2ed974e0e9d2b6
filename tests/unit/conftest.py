# SPDX-License-Identifier: GPL-2.0-only
"""Settings for every unit test."""

from __future__ import annotations

import os
import sys

from hypothesis import settings

# The programs that tests start import orch, and a worker that builds imports it once more for each kernel: compiling it
# every time would be most of what they do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine is no failure.
settings.register_profile("orch", deadline=None)
settings.load_profile("orch")

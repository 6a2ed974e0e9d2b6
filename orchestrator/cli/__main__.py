# SPDX-License-Identifier: GPL-2.0-only
"""``python -m orchestrator.cli``: orch without its entry point, such as in a checkout that is not installed."""

import sys

from orchestrator.cli.main import main

sys.exit(main())

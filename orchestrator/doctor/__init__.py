# SPDX-License-Identifier: GPL-2.0-only
"""Check a host for the needs of a run, and give commands that fix problems."""

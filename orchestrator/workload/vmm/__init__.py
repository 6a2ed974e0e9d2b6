# SPDX-License-Identifier: GPL-2.0-only
"""VMMs that run in the guest."""

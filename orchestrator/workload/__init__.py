# SPDX-License-Identifier: GPL-2.0-only
"""The workloads that run in the guest, and the protocols of their results."""

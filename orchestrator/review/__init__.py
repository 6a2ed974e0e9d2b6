# SPDX-License-Identifier: GPL-2.0-only
"""A review of a series: what it is, its base, the scenarios that answer, and runs that did so before."""

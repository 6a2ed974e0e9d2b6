# SPDX-License-Identifier: GPL-2.0-only
"""The base of a series: the source that its author made it from."""

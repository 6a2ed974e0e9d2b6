# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx: the HTML pages and the man pages, from one source."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "_ext")]

os.environ["COLUMNS"] = "68"  # of the usage lines: with their indent they fit a man page of 80 columns

project = "orch"
author = "the orch developers"
copyright = "the orch developers; GPL-2.0-only"
extensions = ["myst_parser", "sphinxarg.ext", "scenario_schema"]
exclude_patterns = ["_build"]
root_doc = "index"
html_theme = "furo"
html_title = "orch"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
myst_heading_anchors = 3
man_pages = [
    ("reference/command-line", "orch", "test kernel patches in virtual machines", author, 1),
    ("reference/scenario", "orch-scenario", "the scenario file of orch", author, 5),
]
man_show_urls = True

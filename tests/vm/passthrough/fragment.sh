# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel with the fragment for KVM, under KVM.
step fragment orch run fragment.yaml -v --results /tmp/results-fragment
cp -a /tmp/results-fragment $steps/fragment-results

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# The question of scenarios/pud.yaml, under KVM.
step pud orch run pud.yaml -v --results /tmp/results-pud
cp -a /tmp/results-pud $steps/pud-results

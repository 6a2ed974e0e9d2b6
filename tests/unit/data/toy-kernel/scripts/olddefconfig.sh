# SPDX-License-Identifier: GPL-2.0-only
# What Kconfig does not know is dropped.
known=$(sed -n 's/^config //p' ../Kconfig | paste -sd '|' -)
cp .config .config.old
grep -E "CONFIG_($known)[= ]" .config.old > .config

# SPDX-License-Identifier: GPL-2.0-only
# Touch the marker of every option that is not as it was, as scripts/kconfig does.
mkdir -p include/config
touch include/config/auto.conf.old
[ -e include/config/auto.conf ] && cp include/config/auto.conf include/config/auto.conf.old
grep '=y$' .config > include/config/auto.conf
cat include/config/auto.conf include/config/auto.conf.old | sort | uniq -u | while IFS== read -r name value; do
	touch "include/config/${name#CONFIG_}"
done

# SPDX-License-Identifier: GPL-2.0-only
# Everything off but what $KCONFIG_ALLCONFIG asks for, of what Kconfig knows and whose dependency is asked for, too.
asked() { grep -qx "CONFIG_$1=y" "$KCONFIG_ALLCONFIG"; }
awk '/^config /{ name = $2; print name } /depends on/{ print name, $3 }' ../Kconfig | sort -k1,1 -k2,2r | sort -u -k1,1 |
while read -r name needed; do
	if asked "$name" && { [ -z "$needed" ] || asked "$needed"; }; then
		echo "CONFIG_$name=y"
	else
		echo "# CONFIG_$name is not set"
	fi
done > "${KCONFIG_CONFIG:-.config}"

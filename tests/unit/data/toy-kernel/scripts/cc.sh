# SPDX-License-Identifier: GPL-2.0-only
# "Compile" $2 to $1, and leave a record as scripts/basic/fixdep does.
record="$(dirname "$1")/.$(basename "$1").cmd"
headers=$(sed -n 's|^#include "\(.*\)"|../include/\1|p' "$2")
echo "  CC      $1"
if number=$(grep -n '^BROKEN' "$2"); then
	echo "$2:${number%%:*}:1: error: unknown type name 'BROKEN'"
	exit 1
fi
if grep -q '^HUNGRY' "$2"; then
	echo "$2:1:1: error: something"
	echo "fatal error: error writing to $1: No space left on device"
	exit 1
fi
mkdir -p "$(dirname "$1")"
options=$(grep -oh 'CONFIG_[A-Z_]*' "$2" $headers | sort -u)
{
	cat "$2"
	# What the preprocessor would take from the headers, as far as the source uses it.
	! grep -q "special(" "$2" || for option in $options; do grep -x "$option=y" include/config/auto.conf; done
} > "$1"
{
	printf 'savedcmd_%s := sh %s/cc.sh\n\nsource_%s := %s\n\ndeps_%s := \\\n' "$1" "$(realpath ../scripts)" "$1" "$2" "$1"
	for option in $options; do printf '    $(wildcard include/config/%s) \\\n' "${option#CONFIG_}"; done
	for header in $headers; do printf '  %s \\\n' "$header"; done
	printf '\n%s: $(deps_%s)\n\n$(deps_%s):\n' "$1" "$1" "$1"
} > "$record"

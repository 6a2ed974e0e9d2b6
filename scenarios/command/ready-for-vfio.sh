#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Says, in KTAP, whether VFIO can give the device away: the program of ../command.yaml.

device=/sys/bus/pci/devices/$ORCH_DEVICE
number=0

result() # status-of-the-test name diagnostic
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
	else
		echo "# $3"
		echo "not ok $number $2"
	fi
}

bar_size() # number-of-the-bar
{
	set -- $(sed -n "$(($1 + 1))p" "$device/resource")
	echo $(($2 - $1 + 1))
}

echo "KTAP version 1"
echo "1..3"

driver=$(basename "$(readlink "$device/driver")")
[ "$driver" = vfio-pci ]
result $? driver "the driver is '$driver', not vfio-pci"

members=$(ls "$device/iommu_group/devices" | wc -l)
[ "$members" -eq 1 ]
result $? alone-in-its-group "the IOMMU group has $members devices"

size=$(bar_size 2)
[ "$size" -eq "$EXPECTED_BAR_SIZE" ]
result $? bar-size "BAR 2 has $size bytes, not $EXPECTED_BAR_SIZE"

lspci -vs "$ORCH_DEVICE" > "$ORCH_RESULTS/lspci.txt" 2>/dev/null
exit 0

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What orch refuses, and what it leaves when it is killed in each phase.
step devices orch devices --json
# What virtme-ng does by itself: with a function that is not bound to vfio-pci, and with half a group.
step vng-alone vng_alone $NIC
echo vfio-pci > /sys/bus/pci/devices/$FIRST/driver_override
echo $FIRST > /sys/bus/pci/drivers_probe
step vng-group vng_alone $FIRST
echo $FIRST > /sys/bus/pci/drivers/vfio-pci/unbind
echo > /sys/bus/pci/devices/$FIRST/driver_override
step in-use orch run nic.yaml --results /tmp/results-in-use
# Root without CAP_IPC_LOCK, as in a container: VFIO counts what the guest would have locked.
step memlock setpriv --bounding-set=-ipc_lock bash -c 'ulimit -l 65536; exec orch run free.yaml --results /tmp/memlock'
step group-in-use orch run group.yaml --results /tmp/results-group-in-use

# A guest that does not come up in time.
step failed orch run short.yaml -v --results /tmp/results-failed
cp -a /tmp/results-failed $steps/failed-results

# The run is killed where its only trace is the journal; where the device is bound; in the boot; in the workload.
hit journal known journalled KILL
hit bound known bound KILL
hit boot known guest_runs KILL
hit stopped known guest_runs TERM
hit workload known measures KILL

# The group: with its second member idle, both leave their drivers, and come back.
ip link set eth1 down
hit group group group_bound TERM

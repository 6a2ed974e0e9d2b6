#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the outer guest, which stands for a host with an IOMMU: orch gives this guest's devices to guests of its own.
# Every step leaves its output, and what the host is like afterwards, in the share; the tests read them there.
#
# TESTDEV is free; NIC has an interface that is up; FIRST and SECOND are one IOMMU group, behind a bridge.
share=/mnt/orch/passthrough
steps=$share/steps
mkdir -p $steps
exec > $share/log 2>&1

mount -t tmpfs tmpfs /tmp
mkdir -p /tmp/home/.cache
export HOME=/tmp/home PATH=$ORCH_BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
cp -a $share/cache /tmp/home/.cache/orch
cp -a $share/inner /tmp/inner
cd /tmp/inner
ip link set eth0 up
ip link set eth1 up

driver() { basename "$(readlink /sys/bus/pci/devices/$1/driver)"; }

# What the host is like: drivers, journals, leases that are held.
devices() {
    for device in $TESTDEV $NIC $FIRST $SECOND; do
        echo "driver $device $(driver $device)"
        echo "override $device $(cat /sys/bus/pci/devices/$device/driver_override)"
    done
    ls /run/orch/journals 2>/dev/null | sed 's/^/journal /'
    for lease in /run/orch/leases/*; do
        [ -e $lease ] && ! flock -n $lease true && echo "lease $(basename $lease)"
    done
}

# The same, and processes of orch and of guests.
state() {
    devices
    ps -eo args= | grep -E 'qemu-system|supervisor.py|orchestrator.onhost|bin/orch ' | grep -v grep |
        sed -E 's/^(.{,100}).*/process \1/'
}

# step NAME COMMAND...: run it to its end.
step() {
    name=$1; shift
    date "+%T $name"
    "$@" > $steps/$name.out 2> $steps/$name.err
    echo $? > $steps/$name.status
    state > $steps/$name.state
}

# until_true SECONDS COMMAND...
until_true() {
    end=$(($(date +%s) + $1)); shift
    until "$@"; do
        [ "$(date +%s)" -lt $end ] || return 1
        sleep 0.1
    done
}

journalled() { ls /run/orch/journals/*.json > /dev/null 2>&1; }
bound() { [ "$(driver $TESTDEV)" = vfio-pci ]; }
group_bound() { [ "$(driver $FIRST)$(driver $SECOND)" = vfio-pcivfio-pci ]; }
guest_runs() { pgrep -f 'qemu-system.* -name orch' > /dev/null; }
measures() { grep -qs 'Subtest' $results/latest/boots/*/*/console.log; }
settled() { ! guest_runs && ! pgrep -f 'orchestrator.onhost|supervisor.py' > /dev/null; }

# hit NAME SCENARIO WHEN SIGNAL [AT_ONCE]: start a run, and send its orch a signal once WHEN is so.  Without AT_ONCE, whatever
# orch started then ends by itself; with it, every process of orch is killed, the keeper of the device, too.
hit() {
    name=$1 scenario=$2 when=$3 signal=$4 at_once=$5 results=/tmp/results-$1
    date "+%T $name"
    orch run $scenario.yaml -v --results $results > $steps/$name.out 2> $steps/$name.err &
    pid=$!
    until_true 600 $when || echo "it never came to $when" > $steps/$name.missed
    devices > $steps/$name.before
    kill -$signal $pid
    [ -z "$at_once" ] || pkill -KILL -f 'supervisor.py|orchestrator.onhost'
    wait $pid
    echo $? > $steps/$name.status
    [ -n "$at_once" ] || until_true 120 settled
    state > $steps/$name.state
    cp -a $results $steps/$name-results
}

step devices orch devices --json
# What virtme-ng does by itself with a function that is not bound to vfio-pci.
step vng-alone vng --run vmlinux --disable-kvm --disable-microvm --root / --vfio-pci $NIC --exec true
step in-use orch run nic.yaml --results /tmp/results-in-use
step group-in-use orch run group.yaml --results /tmp/results-group-in-use

# The run is killed where its only trace is the journal; where the device is bound; in the boot; in the workload.
hit journal inner journalled KILL
hit bound inner bound KILL
hit boot inner guest_runs KILL
hit stopped inner guest_runs TERM
hit workload inner measures KILL

# Everything is killed at once: the guest lives on, and the journal stays, for `orch devices restore`.
hit all inner guest_runs KILL at-once
step restore orch devices restore
hit all-again inner bound KILL at-once

# The next start reads the journal, too.  It runs to its end; a second one waits for it, and then is told to stop.
orch run inner.yaml -v --results /tmp/results-second > $steps/second.out 2> $steps/second.err < /dev/null &
first=$!
until_true 600 guest_runs
orch devices > $steps/leased.out 2>&1
orch run inner.yaml -v --results /tmp/results-queue > $steps/queue.out 2> $steps/queue.err &
queue=$!
until_true 300 grep -q 'waits for' $steps/queue.err
kill -TERM $queue
wait $queue
echo $? > $steps/queue.status
wait $first
echo $? > $steps/second.status
until_true 60 settled
state > $steps/second.state
cp -a /tmp/results-second $steps/second-results

# The group: with its second member idle, both leave their drivers, and come back.
ip link set eth1 down
hit group group group_bound TERM
date "+%T the end"

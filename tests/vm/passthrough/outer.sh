#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the outer guest, which stands for a host with an IOMMU and with KVM: orch gives this guest's devices to guests
# of its own.  Every step leaves its output, and what the host is like afterwards, in the share; the tests read them
# there.  The steps are in the file that $PART names.
#
# TESTDEV is free; NIC has an interface that is up; FIRST and SECOND are one IOMMU group, behind a bridge.
share=/mnt/orch/passthrough
steps=$share/steps
mkdir -p $steps
exec > $share/log 2>&1

mount -t tmpfs tmpfs /tmp
mkdir -p /tmp/home/.cache
export HOME=/tmp/home PATH=$ORCH_BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
tar -xf $share/given.tar -C /tmp
mv /tmp/cache /tmp/home/.cache/orch
cd /tmp/inner
ip link set eth0 up
ip link set eth1 up

driver() { basename "$(readlink /sys/bus/pci/devices/$1/driver)"; }

hosts=()

# What the host is like: drivers, journals, leases that are held.
devices() {
    for device in $TESTDEV $NIC $FIRST $SECOND; do
        echo "driver $device $(driver $device)"
        echo "override $device $(cat /sys/bus/pci/devices/$device/driver_override)"
    done
    ls /run/orch/journals 2>/dev/null | sed 's/^/journal /'
    find /tmp/lab/*/runs -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/directory /'
    for lease in /run/orch/leases/*; do
        [ -e $lease ] && ! flock -n $lease true && echo "lease $(basename $lease)"
    done
}

# The same, and processes of orch and of guests.
state() {
    devices
    # Init of this guest, a shell, does not wait for the children of those that were killed.
    ps -eo stat=,args= | sed -n 's/^[^Z ]* *//p' | grep -E 'qemu-system|fork_server.py|orchestrator.agent|bin/orch ' |
        grep -vE 'grep|defunct' |
        sed -E 's/^(.{,100}).*/process \1/'
}

# step NAME COMMAND...: run it to its end.
step() {
    local name=$1; shift
    date "+%T $name"
    "$@" > $steps/$name.out 2> $steps/$name.err
    echo $? > $steps/$name.status
    state > $steps/$name.state
}

# until_true SECONDS COMMAND...: without a process for each look, which would take the only CPU from what is looked at.
mkfifo /tmp/never
exec {never}<> /tmp/never
until_true() {
    local end=$((SECONDS + $1)); shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        read -r -t 0.1 -u $never
    done
    return 0
}

any() { [ -e "$1" ]; }
vfio() { [ -e /sys/bus/pci/drivers/vfio-pci/$1 ]; }
journalled() { any /run/orch/journals/*.json; }
bound() { vfio $TESTDEV; }
group_bound() { vfio $FIRST && vfio $SECOND; }
# KVM has a directory for each virtual machine, PID-FD.
guest_runs() { any /sys/kernel/debug/kvm/*-*; }
# QEMU opens the group after KVM's virtual machine is there.
in_use() { ls -l /proc/[0-9]*/fd 2> /dev/null | grep -q ' /dev/vfio/[0-9]'; }
measures() { grep -qs Subtest $results/latest/boots/*/*/console.log; }
waits() { grep -qs 'waits for' $steps/$1.err; }
settled() { ! guest_runs && ! pgrep -f 'orchestrator.agent|fork_server.py' > /dev/null; }

# hit NAME SCENARIO WHEN SIGNAL [AT_ONCE]: start a run, and send its orch a signal once WHEN is so.  Without AT_ONCE, whatever
# orch started then ends by itself; with it, every process of orch is killed, the keeper of the device, too.
hit() {
    local name=$1 scenario=$2 when=$3 signal=$4 at_once=$5
    results=/tmp/results-$1
    date "+%T $name"
    orch run $scenario.yaml -v "${hosts[@]}" --results $results > $steps/$name.out 2> $steps/$name.err &
    pid=$!
    until_true 600 $when || echo "it never came to $when" > $steps/$name.missed
    devices > $steps/$name.before
    # In one go, or the keeper would have given back already.
    if [ -n "$at_once" ]; then pkill -KILL -f 'bin/orch run|fork_server.py|orchestrator.agent'; else kill -$signal $pid; fi
    wait $pid
    echo $? > $steps/$name.status
    [ -n "$at_once" ] || until_true 300 settled
    state > $steps/$name.state
    cp -a $results $steps/$name-results
}

# virtme-ng without orch.
vng_alone() { vng --run vmlinux --disable-kvm --disable-microvm --root / --vfio-pci $1 --exec true; }

. $share/$PART.sh
date "+%T the end"

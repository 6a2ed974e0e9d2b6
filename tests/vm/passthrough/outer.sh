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
leased() { ! flock -n /run/orch/leases/$TESTDEV true; }
group_bound() { [ "$(driver $FIRST)$(driver $SECOND)" = vfio-pcivfio-pci ]; }
guest_runs() { pgrep -f 'qemu-system.* -name orch' > /dev/null; }
measures() { grep -qs 'Subtest' $results/latest/boots/*/*/console.log; }
settled() { ! guest_runs && ! pgrep -f 'orchestrator.agent|fork_server.py' > /dev/null; }

# hit NAME SCENARIO WHEN SIGNAL [AT_ONCE]: start a run, and send its orch a signal once WHEN is so.  Without AT_ONCE, whatever
# orch started then ends by itself; with it, every process of orch is killed, the keeper of the device, too.
hit() {
    name=$1 scenario=$2 when=$3 signal=$4 at_once=$5 results=/tmp/results-$1
    date "+%T $name"
    orch run $scenario.yaml -v --hosts /tmp/lab/hosts.yaml --results $results > $steps/$name.out 2> $steps/$name.err &
    pid=$!
    until_true 600 $when || echo "it never came to $when" > $steps/$name.missed
    devices > $steps/$name.before
    # In one go, or the keeper would have given back already.
    if [ -n "$at_once" ]; then pkill -KILL -f 'bin/orch run|fork_server.py|orchestrator.agent'; else kill -$signal $pid; fi
    wait $pid
    echo $? > $steps/$name.status
    [ -n "$at_once" ] || until_true 120 settled
    state > $steps/$name.state
    cp -a $results $steps/$name-results
}

# This guest as a lab host, behind an sshd of its own.
lab() {
    ip link set lo up
    mkdir -p /run/sshd /tmp/lab
    for key in host user; do ssh-keygen -q -t ed25519 -N '' -f /tmp/lab/${key}_key; done
    echo "127.0.0.1 $(cat /tmp/lab/host_key.pub)" > /tmp/lab/known_hosts
    # sshd lets nobody in whose account is locked, and has one of its own.
    (cat /etc/passwd; echo 'sshd:x:105:65534::/run/sshd:/bin/false') > /tmp/lab/passwd
    echo 'root:*:::::::' > /tmp/lab/shadow
    for file in passwd shadow; do mount --bind /tmp/lab/$file /etc/$file; done
    cat > /tmp/lab/sshd_config <<EOF
ListenAddress 127.0.0.1
HostKey /tmp/lab/host_key
AuthorizedKeysFile /tmp/lab/user_key.pub
PidFile none
StrictModes no
UsePAM no
EOF
    cat > /tmp/lab/hosts.yaml <<EOF
hosts:
  near: {address: 127.0.0.1, user: root, key: /tmp/lab/user_key, known-hosts: /tmp/lab/known_hosts,
         directory: /tmp/lab/near, devices: ["$SECOND"], tags: [iommu]}
  lab: {address: 127.0.0.1, user: root, key: /tmp/lab/user_key, known-hosts: /tmp/lab/known_hosts,
        directory: /tmp/lab/kept, devices: ["$TESTDEV"], tags: [iommu]}
EOF
    /usr/sbin/sshd -f /tmp/lab/sshd_config -E $share/sshd.log
}

lab
step devices orch devices --json
# What virtme-ng does by itself: with a function that is not bound to vfio-pci, and with half a group.
vng_alone() { vng --run vmlinux --disable-kvm --disable-microvm --root / --vfio-pci $1 --exec true; }
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
hit journal inner journalled KILL
hit bound inner bound KILL
hit boot inner guest_runs KILL
hit stopped inner guest_runs TERM
hit workload inner measures KILL

# Everything is killed at once, the keeper too: the journal stays, for `orch devices restore`.
hit all inner guest_runs KILL at-once
step restore orch devices restore
hit all-again inner bound KILL at-once

# The next start reads the journal, too.  It runs to its end; a second one, over SSH and to a host that is chosen by tag,
# waits for it, then has the device, and runs to its end as well.
orch run inner.yaml -v --results /tmp/results-second > $steps/second.out 2> $steps/second.err < /dev/null &
first=$!
until_true 600 leased
orch run tagged.yaml -v --hosts /tmp/lab/hosts.yaml --results /tmp/results-queue \
    > $steps/queue.out 2> $steps/queue.err < /dev/null &
queue=$!
until_true 600 guest_runs
orch devices > $steps/leased.out 2>&1
step vng-busy vng_alone $TESTDEV
wait $first
echo $? > $steps/second.status
date "+%T the second has ended"
until_true 600 guest_runs
devices > $steps/queue.before
wait $queue
echo $? > $steps/queue.status
until_true 60 settled
state > $steps/queue.state
for name in second queue; do cp -a /tmp/results-$name $steps/$name-results; done

# Over SSH, and the connection is gone with the orch that had it: the host cleans up by itself.
hit lost tagged guest_runs KILL

# The group: with its second member idle, both leave their drivers, and come back.
ip link set eth1 down
hit group group group_bound TERM
date "+%T the end"

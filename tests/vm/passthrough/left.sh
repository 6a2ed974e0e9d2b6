# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What is left when everything is killed at once; a queue of runs; over SSH.

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
    hosts=(--hosts /tmp/lab/hosts.yaml)
    /usr/sbin/sshd -f /tmp/lab/sshd_config -E $share/sshd.log
}

lab
# It boots a guest to find out whether KVM works, and the runs below believe it.
step doctor orch doctor --json

# Everything is killed at once, the keeper too: the journal stays, for `orch devices restore`.
hit all inner guest_runs KILL at-once
step restore orch devices restore
hit all-again inner bound KILL at-once

# The next start reads the journal, too.  It runs to its end; a second one, over SSH and to a host that is chosen by tag,
# waits for it, then has the device, and runs to its end as well.
orch run inner.yaml -v --results /tmp/results-second > $steps/second.out 2> $steps/second.err < /dev/null &
first=$!
# Its guest has the device, and then stands still until the second run waits for it.
until_true 600 in_use
pkill -STOP -f 'qemu-system.* -name orch'
orch run tagged.yaml -v "${hosts[@]}" --results /tmp/results-queue \
    > $steps/queue.out 2> $steps/queue.err < /dev/null &
queue=$!
until_true 600 waits queue
orch devices > $steps/leased.out 2>&1
step vng-busy vng_alone $TESTDEV
pkill -CONT -f 'qemu-system.* -name orch'
wait $first
echo $? > $steps/second.status
date "+%T the second has ended"
until_true 600 guest_runs
devices > $steps/queue.before
wait $queue
echo $? > $steps/queue.status
until_true 300 settled
state > $steps/queue.state
for name in second queue; do cp -a /tmp/results-$name $steps/$name-results; done

# Over SSH, and the connection is gone with the orch that had it: the host cleans up by itself.
hit lost tagged guest_runs KILL

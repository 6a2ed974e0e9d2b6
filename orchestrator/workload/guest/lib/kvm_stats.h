/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The binary statistics of KVM (Linux, Documentation/virt/kvm/api.rst,
 * KVM_GET_STATS_FD): the same numbers as below /sys/kernel/debug/kvm, without
 * debugfs.
 */
#ifndef ALIGNMENT_KVM_STATS_H
#define ALIGNMENT_KVM_STATS_H

#include <linux/types.h>

/* The statistics of a virtual machine, or of a vCPU.  Returns a file, or -errno. */
int __kvm_stats_open(int fd);

/* One number, by its name.  0, -ENOENT if there is no such number, or -errno. */
int __kvm_stat_read(int stats, const char *name, __u64 *value);

#endif /* ALIGNMENT_KVM_STATS_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The root file system of an inner guest: this program as init, and a console.
 */
#ifndef ALIGNMENT_INITRD_H
#define ALIGNMENT_INITRD_H

/* Write it to a file.  0 or -errno. */
int __initrd_write(const char *path);

#endif /* ALIGNMENT_INITRD_H */

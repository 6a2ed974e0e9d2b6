/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program as init of the guest of a VMM that runs in the guest (the inner
 * guest): it reads every page of a BAR of the device that the VMM passes
 * through.  It writes lines to its console, which begin with INNER_MARK and one
 * of the words below, and the test `vmm` reads them there.
 *
 * After INNER_MAPPED and INNER_READ it waits for a line on its console, or
 * INNER_PATIENCE, so that the test can count.
 */
#ifndef ALIGNMENT_INNER_H
#define ALIGNMENT_INNER_H

#include "lib/compiler.h"

#define INNER_MARK	"orch-inner: "

#define INNER_STARTED	"started"
#define INNER_MAPPED	"mapped"	/* and address and size, hexadecimal */
#define INNER_READ	"read"
#define INNER_FAILED	"failed:"	/* and why */

/* Milliseconds. */
#define INNER_PATIENCE	10000

/* Parameters of the inner kernel, which it hands to init as environment. */
#define INNER_DEVICE	"orch_device"	/* vendor:device, as in 1b36:0005 */
#define INNER_BAR	"orch_bar"

/* Ends with a restart, which ends a VMM. */
__noreturn void inner_main(void);

#endif /* ALIGNMENT_INNER_H */

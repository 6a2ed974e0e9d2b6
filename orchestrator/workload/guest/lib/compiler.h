/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attributes of the compiler and helper macros, by the kernel's names.
 */
#ifndef ALIGNMENT_COMPILER_H
#define ALIGNMENT_COMPILER_H

#define noinline		__attribute__((__noinline__))
#define __noreturn		__attribute__((__noreturn__))
#define __printf(a, b)		__attribute__((__format__(printf, a, b)))

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))

/* Accesses that the compiler must neither remove nor move. */
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))

#endif /* ALIGNMENT_COMPILER_H */

// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE		/* execvpe(), pipe2() */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/compiler.h"
#include "lib/initrd.h"
#include "lib/vmm.h"

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

__u64 vmm_age(const struct vmm *vmm)
{
	return now() - vmm->started;
}

static int __bind(const char *source, const char *root, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, target);
	return mount(source, path, NULL, MS_BIND | MS_REC, NULL) ? -errno : 0;
}

static int __bind_all(const char *root)
{
	static const char * const paths[] = {
		"/dev", "/proc", "/sys", VMM_FILES,
	};
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(paths); i++)
		ret = __bind(paths[i], root, paths[i]);
	return ret;
}

int __vmm_prepare(const char *root, const char *kernel, const char **step)
{
	int ret;

	*step = "mount a file system on " VMM_FILES;
	if (mount("tmpfs", VMM_FILES, "tmpfs", 0, NULL))
		return -errno;
	*step = "mount the kernel's directory";
	if (mkdir(VMM_KERNEL, 0755))
		return -errno;
	ret = __bind(kernel, "", VMM_KERNEL);
	if (ret)
		return ret;
	*step = "write the root of the inner guest";
	ret = __initrd_write(VMM_INITRD);
	if (ret || !root)
		return ret;
	*step = "mount /dev, /proc and /sys in the VMM's root";
	return __bind_all(root);
}

static __noreturn void run(const char *root, char **command, int in, int out)
{
	static char * const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" VMM_FILES, "LC_ALL=C", NULL,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (root && chroot(root))
		perror("cannot change the root");
	else if (chdir("/"))
		perror("cannot change the directory");
	else {
		execvpe(*command, command, environment);
		fprintf(stderr, "cannot start %s: %s\n", *command,
			strerror(errno));
	}
	_exit(127);
}

int __vmm_start(struct vmm *vmm, const char *root, char **command)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	vmm->started = now();
	vmm->pid = fork();
	if (vmm->pid < 0)
		return -errno;
	if (!vmm->pid)
		run(root, command, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	vmm->input = in[1];
	vmm->output = fdopen(out[0], "re");
	return vmm->output ? 0 : -errno;
}

void vmm_continue(const struct vmm *vmm)
{
	/* A VMM that does not read it only makes the inner guest wait. */
	if (write(vmm->input, "\n", 1) < 0)
		return;
}

int vmm_end(struct vmm *vmm, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(vmm->pid, SIGKILL);
	while (waitpid(vmm->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(vmm->input);
	fclose(vmm->output);
	return status;
}

static FILE *open_proc(const struct vmm *vmm, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", vmm->pid, name);
	return fopen(path, "re");
}

/* False for a line of another mapping. */
static bool parse_mapping(const char *line, __u64 fd_offset, __u64 size,
			  struct vmm_mapping *mapping)
{
	char mode[8];
	int name;

	if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %n", &mapping->start,
		   &mapping->end, mode, &mapping->offset, &name) != 4 ||
	    !strstr(line + name, "vfio"))
		return false;
	mapping->writable = mode[1] == 'w';
	if (mapping->offset < fd_offset || mapping->offset >= fd_offset + size)
		return false;
	mapping->offset -= fd_offset;
	return true;
}

int __vmm_find_mapping(const struct vmm *vmm, __u64 fd_offset, __u64 size,
		       struct vmm_mapping *largest)
{
	FILE *maps = open_proc(vmm, "maps");
	struct vmm_mapping mapping;
	char line[PATH_MAX];
	int count = 0;

	if (!maps)
		return -errno;
	*largest = (struct vmm_mapping) { 0 };
	while (fgets(line, sizeof(line), maps)) {
		if (!parse_mapping(line, fd_offset, size, &mapping))
			continue;
		count++;
		if (mapping.end - mapping.start > largest->end - largest->start)
			*largest = mapping;
	}
	fclose(maps);
	return count;
}

/* The fields behind the name, which may have blanks; see proc_pid_stat(5). */
static int __read_faults(const struct vmm *vmm, __u64 *faults)
{
	FILE *stat = open_proc(vmm, "stat");
	char line[1024] = "";
	const char *fields;

	if (!stat)
		return -errno;
	fields = fgets(line, sizeof(line), stat) ? strrchr(line, ')') : NULL;
	fclose(stat);
	if (!fields || sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %llu",
			      faults) != 1)
		return -EPROTO;
	return 0;
}

static int __read_tables(const struct vmm *vmm, __u64 *tables)
{
	FILE *status = open_proc(vmm, "status");
	char line[256];
	int ret = -EPROTO;

	if (!status)
		return -errno;
	while (ret && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmPTE: %llu kB", tables) == 1)
			ret = 0;
	fclose(status);
	*tables *= 1024;
	return ret;
}

int __vmm_cost(const struct vmm *vmm, struct vmm_cost *cost)
{
	int ret = __read_faults(vmm, &cost->faults);

	return ret ? ret : __read_tables(vmm, &cost->tables);
}

/* The directory of a VM has the name of the process and of its file. */
static int __find_kvm(const struct vmm *vmm, char path[PATH_MAX])
{
	DIR *machines = opendir(KVM_DEBUGFS);
	int pid, ret = -ENOENT;
	struct dirent *entry;

	if (!machines)
		return -errno;
	while (ret && (entry = readdir(machines))) {
		if (sscanf(entry->d_name, "%d-", &pid) != 1 || pid != vmm->pid)
			continue;
		snprintf(path, PATH_MAX, KVM_DEBUGFS "/%s", entry->d_name);
		ret = 0;
	}
	closedir(machines);
	return ret;
}

static int __read_counter(const char *machine, const char *name, __u64 *value)
{
	char path[PATH_MAX + 32];
	FILE *file;
	int found;

	snprintf(path, sizeof(path), "%s/%s", machine, name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	found = fscanf(file, "%llu", value);
	fclose(file);
	return found == 1 ? 0 : -EPROTO;
}

int __vmm_stage2(const struct vmm *vmm, struct stage2 *stage2)
{
	const struct {
		const char *name;
		__u64 *value;
	} counters[] = {
		{ "pages_4k", &stage2->pte },
		{ "pages_2m", &stage2->pmd },
		{ "pages_1g", &stage2->pud },
		{ "pf_taken", &stage2->faults },
	};
	char machine[PATH_MAX];
	int ret = __find_kvm(vmm, machine);
	size_t i;

	for (i = 0; !ret && i < ARRAY_SIZE(counters); i++)
		ret = __read_counter(machine, counters[i].name,
				     counters[i].value);
	return ret;
}

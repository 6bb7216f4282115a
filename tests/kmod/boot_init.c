/* SPDX-License-Identifier: MIT */
/*
 * The first process of the machine that boot.py starts: mounts what the tools read, runs
 * /run.sh on the console, and switches the machine off.
 */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char shell[] = "sh", script[] = "/run.sh", path[] = "PATH=/bin";
	char *const arguments[] = { shell, script, NULL };
	char *const environment[] = { path, NULL };

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	pid_t child = fork();
	if (child == 0) {
		dup2(1, 2);
		execve("/bin/sh", arguments, environment);
		_exit(127);
	}
	int status = -1;
	waitpid(child, &status, 0);
	printf("== end %d\n", status);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The first and only process of the test kernels: hands files to the kernel as
 * modules, says what became of each, and turns the machine off. Static, without
 * arguments.
 *
 * /cases has a line for each call, fields separated by tabs:
 *
 *   ID CALL FLAGS KEEP FILE
 *
 * CALL is finit_module or init_module, FLAGS the number for finit_module. A
 * module that was loaded is unloaded again unless KEEP is 1.
 *
 * To the first serial line go lines of fields separated by tabs. What does not
 * begin with @ is the kernel talking before this program ran.
 *
 *   @kernel RELEASE ENFORCED LOCKDOWN   as the kernel says in sysfs; - if it does not
 *   @key LINE                           a line of /proc/keys, if there is one
 *   @log ID TEXT                        a line that the kernel logged during the call
 *   @result ID ERRNO TAINT KERNEL       name of the errno, 0 if the module was loaded;
 *                                       its taint flags in /proc/modules: none, or - if
 *                                       it is not there; /proc/sys/kernel/tainted
 *   @trouble TEXT                       this program could not do its work
 *   @end COUNT                          results written; without this line none is good
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#define KLOG_CONSOLE_OFF 6

static FILE *out;

static void trouble(const char *format, ...)
{
	va_list args;

	fputs("@trouble\t", out);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
	fflush(out);
}

static void power_off(void)
{
	if (out) {
		fflush(out);
		/* What the line still holds would be lost. */
		tcdrain(fileno(out));
	}
	/* The emulator takes a reboot as the end; there is no ACPI here. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static const char *errno_name(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ 0, "0" },
		{ EPERM, "EPERM" },
		{ ENOENT, "ENOENT" },
		{ EIO, "EIO" },
		{ ENOEXEC, "ENOEXEC" },
		{ ENOMEM, "ENOMEM" },
		{ EFAULT, "EFAULT" },
		{ EBUSY, "EBUSY" },
		{ EEXIST, "EEXIST" },
		{ ENODEV, "ENODEV" },
		{ EINVAL, "EINVAL" },
		{ ENOSPC, "ENOSPC" },
		{ EBADMSG, "EBADMSG" },
		{ EOPNOTSUPP, "EOPNOTSUPP" },
		{ ENODATA, "ENODATA" },
		{ ENOPKG, "ENOPKG" },
		{ ENOKEY, "ENOKEY" },
		{ EKEYREVOKED, "EKEYREVOKED" },
		{ EKEYREJECTED, "EKEYREJECTED" },
	};
	static char number[24];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].err == err)
			return names[i].name;
	snprintf(number, sizeof(number), "errno-%d", err);
	return number;
}

/* The first line of a small file, or what else says that there is none. */
static char *first_line(const char *path, char *line, int size, const char *otherwise)
{
	FILE *file = fopen(path, "r");

	if (!file || !fgets(line, size, file))
		snprintf(line, size, "%s", otherwise);
	else
		line[strcspn(line, "\n")] = 0;
	if (file)
		fclose(file);
	return line;
}

static int modules_loaded(void)
{
	FILE *file = fopen("/proc/modules", "r");
	int c, lines = 0;

	if (!file) {
		trouble("/proc/modules: %m");
		return 0;
	}
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/* The newest module comes first: NAME SIZE REFS USERS STATE ADDRESS [(TAINT)] */
static void newest_module(char *name, char *taint)
{
	char line[512], *bracket;

	first_line("/proc/modules", line, sizeof(line), "");
	sscanf(line, "%63s", name);
	bracket = strrchr(line, '(');
	if (!bracket || sscanf(bracket, "(%15[A-Z])", taint) != 1)
		strcpy(taint, "none");
}

static void show_log(int kmsg, const char *id)
{
	char record[4096];
	ssize_t n;

	/* LEVEL,SEQUENCE,TIME,FLAGS;TEXT and then lines of details. */
	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		char *text;

		if (n <= 0)
			continue;
		record[n] = 0;
		text = strchr(record, ';');
		if (!text)
			continue;
		text++;
		text[strcspn(text, "\n")] = 0;
		fprintf(out, "@log\t%s\t%s\n", id, text);
	}
}

static int call_init_module(const char *path)
{
	int fd = open(path, O_RDONLY), err = 0;
	struct stat st;
	char *bytes;

	if (fd < 0 || fstat(fd, &st) || !(bytes = malloc(st.st_size + 1)) ||
	    read(fd, bytes, st.st_size) != st.st_size) {
		trouble("%s: %m", path);
		return -1;
	}
	if (syscall(SYS_init_module, bytes, st.st_size, ""))
		err = errno;
	free(bytes);
	close(fd);
	return err;
}

static int call_finit_module(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0) {
		trouble("%s: %m", path);
		return -1;
	}
	if (syscall(SYS_finit_module, fd, "", flags))
		err = errno;
	close(fd);
	return err;
}

static void one_case(char *line, int kmsg)
{
	char *id = strsep(&line, "\t"), *call = strsep(&line, "\t");
	char *flags = strsep(&line, "\t"), *keep = strsep(&line, "\t");
	char name[64] = "", taint[16] = "-", tainted[16];
	int before = modules_loaded(), err;

	if (!line) {
		trouble("/cases: a line of too few fields");
		return;
	}
	lseek(kmsg, 0, SEEK_END);
	if (strcmp(call, "init_module"))
		err = call_finit_module(line, atoi(flags));
	else
		err = call_init_module(line);
	if (err < 0)
		return;

	if (modules_loaded() > before)
		newest_module(name, taint);
	else if (!err)
		trouble("%s: loaded, but not in /proc/modules", id);
	show_log(kmsg, id);
	first_line("/proc/sys/kernel/tainted", tainted, sizeof(tainted), "-");
	fprintf(out, "@result\t%s\t%s\t%s\t%s\n", id, errno_name(err), taint, tainted);
	fflush(out);

	if (name[0] && strcmp(keep, "1") && syscall(SYS_delete_module, name, O_NONBLOCK))
		trouble("%s: unloading %s: %m", id, name);
}

static void show_kernel(void)
{
	char enforced[16], lockdown[128];
	struct utsname uts;

	uname(&uts);
	fprintf(out, "@kernel\t%s\t%s\t%s\n", uts.release,
		first_line("/sys/module/module/parameters/sig_enforce", enforced, sizeof(enforced), "-"),
		first_line("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown), "-"));
}

static void show_keys(void)
{
	FILE *file = fopen("/proc/keys", "r");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		fprintf(out, "@key\t%s", line);
	if (file)
		fclose(file);
}

int main(void)
{
	char line[1024];
	int kmsg, count = 0;
	FILE *cases;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mknod("/dev/ttyS0", S_IFCHR | 0600, makedev(4, 64));
	mknod("/dev/kmsg", S_IFCHR | 0600, makedev(1, 11));
	klogctl(KLOG_CONSOLE_OFF, NULL, 0);

	out = fopen("/dev/ttyS0", "w");
	if (!out)
		power_off();
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL))
		trouble("mounting: %m");
	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	cases = fopen("/cases", "r");
	if (kmsg < 0 || !cases) {
		trouble("/dev/kmsg, /cases: %m");
		power_off();
	}

	/* Nothing of the kernel's own output shares a line with ours. */
	fputc('\n', out);
	show_kernel();
	show_keys();
	while (fgets(line, sizeof(line), cases)) {
		line[strcspn(line, "\n")] = 0;
		one_case(line, kmsg);
		count++;
	}
	fprintf(out, "@end\t%d\n", count);
	power_off();
}

/*
 * Run a command, and tell what memory the board took meanwhile, as one line of JSON.
 *
 *     phase NAME COMMAND...
 *
 * The kernel's own peak of mmid.service (memory.peak, which counts files in memory, too) is
 * exact. Who had what of it is sampled, as proportional set size (PSS): what is shared counts
 * for each process with its share, so the parts add up. C, because another Python would be as
 * large as what is measured.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVICE "/system.slice/mmid.service"
#define TEST_EVENTS "/sys/fs/cgroup/system.slice/board-test.service/memory.events"
#define PEAK "/sys/fs/cgroup" SERVICE "/memory.peak"

enum { SAMPLE_MS = 500, TOLD_BYTES = 1500 };

/* mmid and its children first: they are one sum. */
enum part { DAEMON, CHILDREN, CLIENT, SYSTEMD, BUS, TEST, MMID, ALL, PARTS };

static const char *const PART_NAMES[PARTS] = {
    "daemon", "children", "client", "systemd", "bus", "test", "mmid", "all",
};

static long most_pss[PARTS], least_available = 1L << 30;

/* The number after a name at the beginning of a line; 0 if there is none. */
static long number_in(const char *path, const char *name)
{
    char line[256];
    long value = 0;
    FILE *file = fopen(path, "r");

    if (!file)
        return 0;
    while (!value && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            value = atol(line + strlen(name));
    fclose(file);
    return value;
}

static int is_in(const char *path, const char *text)
{
    char content[256] = "";
    FILE *file = fopen(path, "r");

    if (!file)
        return 0;
    content[fread(content, 1, sizeof content - 1, file)] = 0;
    fclose(file);
    return strstr(content, text) != NULL;
}

static enum part part_of(const char *process)
{
    char path[300], status[300];

    snprintf(path, sizeof path, "/proc/%s/cgroup", process);
    snprintf(status, sizeof status, "/proc/%s/status", process);
    if (is_in(path, SERVICE)) /* systemd started the daemon, and the daemon the rest */
        return number_in(status, "PPid:") == 1 ? DAEMON : CHILDREN;
    snprintf(path, sizeof path, "/proc/%s/comm", process);
    if (is_in(path, "mmictl") || is_in(path, "python")) /* there is no Python but it and its own */
        return CLIENT;
    return is_in(path, "systemd") ? SYSTEMD : is_in(path, "dbus") ? BUS : TEST;
}

static void sample(void)
{
    long pss[PARTS] = {0}, available = number_in("/proc/meminfo", "MemAvailable:");
    DIR *processes = opendir("/proc");
    struct dirent *entry;

    while (processes && (entry = readdir(processes))) {
        char path[300];
        long one;

        if (!isdigit(entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/smaps_rollup", entry->d_name);
        if ((one = number_in(path, "Pss:"))) /* a thread of the kernel has none */
            pss[part_of(entry->d_name)] += one;
    }
    if (processes)
        closedir(processes);
    pss[MMID] = pss[DAEMON] + pss[CHILDREN];
    for (int part = 0; part < MMID; part++)
        pss[ALL] += pss[part];
    for (int part = 0; part < PARTS; part++)
        most_pss[part] = pss[part] > most_pss[part] ? pss[part] : most_pss[part];
    least_available = available < least_available ? available : least_available;
}

/* From Linux 6.12 on the peak begins anew for who writes to its file, and reads it there. */
static int begin_peak(void)
{
    int file = open(PEAK, O_RDWR | O_CLOEXEC);

    if (file >= 0 && write(file, "0", 1) < 0)
        perror(PEAK);
    return file;
}

static long peak_kib(int file)
{
    char text[32] = "";

    /* A service that was started anew has another group, whose peak began with it. */
    if (file < 0 || pread(file, text, sizeof text - 1, 0) <= 0)
        if ((file = open(PEAK, O_RDONLY | O_CLOEXEC)) < 0 ||
            read(file, text, sizeof text - 1) <= 0)
            return 0;
    return atol(text) / 1024;
}

/* Run it with its output in a file, and sample until it ends. */
static int run(char **command, int output)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, WNOHANG) == 0) {
        sample();
        nanosleep(&(struct timespec){.tv_nsec = SAMPLE_MS * 1000000L}, NULL);
    }
    return status;
}

/* Return the end of what was put out, as the inside of a JSON string. */
static const char *told(int output)
{
    static char text[TOLD_BYTES + 1];
    off_t size = lseek(output, 0, SEEK_END);
    ssize_t length = pread(output, text, TOLD_BYTES, size > TOLD_BYTES ? size - TOLD_BYTES : 0);

    text[length > 0 ? length : 0] = 0;
    for (char *at = text; *at; at++)
        *at = *at == '"' ? '\'' : *at == '\\' || !isprint((unsigned char)*at) ? ' ' : *at;
    return text;
}

int main(int count, char **arguments)
{
    FILE *scratch = tmpfile();
    struct timespec began, ended;
    int peak = begin_peak(), status;

    if (count < 3 || !scratch)
        return 64;
    clock_gettime(CLOCK_MONOTONIC, &began);
    status = run(arguments + 2, fileno(scratch));
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("{\"phase\": \"%s\", \"good\": %s, \"seconds\": %ld, ", arguments[1],
           status ? "false" : "true", (long)(ended.tv_sec - began.tv_sec));
    /* Tools run in the test's own group, and are there to be killed before the daemon. */
    long tools_killed = number_in(TEST_EVENTS, "oom_kill ");
    printf("\"oom_kills\": %ld, \"tools_killed\": %ld, \"memory_peak_kib\": %ld, "
           "\"least_available_kib\": %ld, \"total_kib\": %ld, ",
           number_in("/proc/vmstat", "oom_kill ") - tools_killed, tools_killed, peak_kib(peak),
           least_available, number_in("/proc/meminfo", "MemTotal:"));
    for (int part = 0; part < PARTS; part++)
        printf("%s\"%s\": %ld", part ? ", " : "\"pss_kib\": {", PART_NAMES[part], most_pss[part]);
    printf("}, \"told\": \"%s\"}\n", told(fileno(scratch)));
    return status != 0;
}

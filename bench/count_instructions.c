/*
 * A plug-in of qemu-user that counts the instructions of the program that it runs.
 *
 *   counts      a directory: the file that is named by the process id holds the number so far,
 *               64 bits as this machine has them, and may be read at any time
 *
 * All threads count into it together, a forked child into its parent's. QEMU adds to it in the
 * code that it makes, which leaves the program its speed where a call would take more than half
 * of it; so what two threads add at one moment may be lost, and Python's take turns. What the
 * kernel does is not in it. Debian 12 has no qemu-plugin.h: what is needed is declared here.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { ADD_U64 };

typedef void on_translated(qemu_plugin_id_t, struct qemu_plugin_tb *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, on_translated *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op,
					      void *number, uint64_t added);

int qemu_plugin_version = 1;

static uint64_t *count;

/* Each block of instructions is left at its end only, or by a fault, which is rare. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, count,
						 qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *about, int argc, char **argv)
{
	char path[4096];
	int file;

	(void)about;
	if (argc != 1 || strncmp(argv[0], "counts=", 7))
		return 1;
	snprintf(path, sizeof(path), "%s/%d", argv[0] + 7, (int)getpid());
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, sizeof(*count)))
		return 1;
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (count == MAP_FAILED)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}

/*
 * An ALSA PCM without a sound card that takes its time: type "paced".
 *
 * It plays and records at its rate by the monotonic clock and runs over and
 * under as a card does, which alsa-lib's own file and null PCMs never do.
 * Recording gives the frames 0, 1, 2, ... (modulo 2^16); playing appends the
 * frames to a file.
 *
 *   file        where the played frames go
 *   late_ms     until then the position does not move
 *   stuck_ms    from then on the position does not move
 *   gone_ms     from then on the device is unplugged
 *   deaf        1: no frame is taken
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

struct paced {
	snd_pcm_ioplug_t io;
	FILE *file;
	long late_ms, stuck_ms, gone_ms, deaf;
	int64_t started_ns;
	uint16_t next_frame;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int paced_start(snd_pcm_ioplug_t *io)
{
	struct paced *paced = io->private_data;

	paced->started_ns = now_ns();
	return 0;
}

static int paced_stop(snd_pcm_ioplug_t *io)
{
	(void)io;
	return 0;
}

static snd_pcm_sframes_t paced_pointer(snd_pcm_ioplug_t *io)
{
	struct paced *paced = io->private_data;
	int64_t ns = now_ns() - paced->started_ns;
	int64_t frames;

	if (io->state != SND_PCM_STATE_RUNNING && io->state != SND_PCM_STATE_DRAINING)
		return io->hw_ptr % io->buffer_size;
	if (paced->gone_ms >= 0 && ns >= paced->gone_ms * INT64_C(1000000))
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
	if (paced->stuck_ms >= 0 && ns >= paced->stuck_ms * INT64_C(1000000))
		ns = paced->stuck_ms * INT64_C(1000000);
	ns -= paced->late_ms * INT64_C(1000000);
	if (ns < 0)
		ns = 0;
	frames = ns * io->rate / 1000000000;
	if (io->stream == SND_PCM_STREAM_PLAYBACK ? frames >= (int64_t)io->appl_ptr
						  : frames - (int64_t)io->appl_ptr > (int64_t)io->buffer_size)
		return -EPIPE;
	return frames % io->buffer_size;
}

static snd_pcm_sframes_t paced_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
					snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct paced *paced = io->private_data;
	uint16_t *samples = (uint16_t *)((char *)areas->addr + areas->first / 8) + offset;
	snd_pcm_uframes_t i;

	if (paced->deaf)
		return -EAGAIN;
	if (io->stream == SND_PCM_STREAM_PLAYBACK)
		return paced->file && fwrite(samples, 2, size, paced->file) != size ? -EIO : (long)size;
	for (i = 0; i < size; i++)
		samples[i] = paced->next_frame++;
	return size;
}

static int paced_close(snd_pcm_ioplug_t *io)
{
	struct paced *paced = io->private_data;

	if (paced->file)
		fclose(paced->file);
	free(paced);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = paced_start,
	.stop = paced_stop,
	.pointer = paced_pointer,
	.transfer = paced_transfer,
	.close = paced_close,
};

static int limit(snd_pcm_ioplug_t *io)
{
	/* Converters, such as type rate, want the mapped kind; alsa-lib maps for us. */
	unsigned int access[] = { SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED };
	unsigned int format = SND_PCM_FORMAT_S16_LE;
	int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);

	if (!error)
		error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, &format);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, 1, 1);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, 8000, 48000);
	return error;
}

SND_PCM_PLUGIN_DEFINE_FUNC(paced)
{
	struct paced *paced = calloc(1, sizeof(*paced));
	snd_config_iterator_t i, next;
	const char *path = NULL;
	int error;

	(void)root;
	if (!paced)
		return -ENOMEM;
	paced->stuck_ms = paced->gone_ms = -1;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;

		if (snd_config_get_id(entry, &id) < 0)
			continue;
		if (!strcmp(id, "file"))
			snd_config_get_string(entry, &path);
		else if (!strcmp(id, "deaf"))
			snd_config_get_integer(entry, &paced->deaf);
		else if (!strcmp(id, "late_ms"))
			snd_config_get_integer(entry, &paced->late_ms);
		else if (!strcmp(id, "stuck_ms"))
			snd_config_get_integer(entry, &paced->stuck_ms);
		else if (!strcmp(id, "gone_ms"))
			snd_config_get_integer(entry, &paced->gone_ms);
	}
	if (path && stream == SND_PCM_STREAM_PLAYBACK && !(paced->file = fopen(path, "wb"))) {
		free(paced);
		return -errno;
	}
	paced->io.version = SND_PCM_IOPLUG_VERSION;
	paced->io.name = "paced without a sound card";
	paced->io.callback = &callbacks;
	paced->io.private_data = paced;
	paced->io.poll_fd = -1;
	error = snd_pcm_ioplug_create(&paced->io, name, stream, mode);
	if (!error)
		error = limit(&paced->io);
	if (error) {
		if (paced->file)
			fclose(paced->file);
		free(paced);
		return error;
	}
	*pcmp = paced->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(paced);

/*
 * A loudspeaker and a microphone in one room, without a sound card: type "loop".
 *
 * What one PCM of this type plays, another of it records in the same process,
 * delayed, scaled and with noise. Both run at their rate by the monotonic clock.
 *
 *   delay_ms    how long the sound takes
 *   gain        percent; negative: inverted; 0: nothing arrives
 *   noise       amplitude of white noise, in steps of a 16-bit sample
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

#define ROOM_FRAMES (20 * 48000)

/* What was played last, for whoever records. */
static struct {
	int16_t frames[ROOM_FRAMES];
	int64_t written;
	int64_t started_ns;
	unsigned int rate;
} room;

struct loop {
	snd_pcm_ioplug_t io;
	long delay_ms, gain, noise;
	int64_t started_ns, transferred;
	uint32_t dice;
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int loop_start(snd_pcm_ioplug_t *io)
{
	struct loop *loop = io->private_data;

	loop->started_ns = now_ns();
	if (io->stream == SND_PCM_STREAM_PLAYBACK)
		room.started_ns = loop->started_ns;
	return 0;
}

static int loop_prepare(snd_pcm_ioplug_t *io)
{
	struct loop *loop = io->private_data;

	loop->transferred = 0;
	if (io->stream == SND_PCM_STREAM_PLAYBACK) {
		room.written = room.started_ns = 0;
		room.rate = io->rate;
	}
	return 0;
}

static int loop_stop(snd_pcm_ioplug_t *io)
{
	(void)io;
	return 0;
}

static snd_pcm_sframes_t loop_pointer(snd_pcm_ioplug_t *io)
{
	struct loop *loop = io->private_data;
	int64_t frames;

	if (io->state != SND_PCM_STATE_RUNNING && io->state != SND_PCM_STATE_DRAINING)
		return io->hw_ptr % io->buffer_size;
	frames = (now_ns() - loop->started_ns) * io->rate / 1000000000;
	if (io->stream == SND_PCM_STREAM_PLAYBACK ? frames >= (int64_t)io->appl_ptr
						  : frames - (int64_t)io->appl_ptr > (int64_t)io->buffer_size)
		return -EPIPE;
	return frames % io->buffer_size;
}

/* What is heard at a moment: the nearest frame is near enough. */
static int heard(const struct loop *loop, int64_t ns)
{
	int64_t at = ns - room.started_ns - loop->delay_ms * INT64_C(1000000);

	if (!room.started_ns || at < 0)
		return 0;
	at = at * room.rate / 1000000000;
	return at < room.written ? room.frames[at] : 0;
}

static int16_t clipped(long value)
{
	return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : value;
}

static snd_pcm_sframes_t loop_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				       snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct loop *loop = io->private_data;
	int16_t *samples = (int16_t *)((char *)areas->addr + areas->first / 8) + offset;
	snd_pcm_uframes_t i;

	for (i = 0; i < size; i++, loop->transferred++) {
		long noise = 0;

		if (io->stream == SND_PCM_STREAM_PLAYBACK) {
			if (room.written < ROOM_FRAMES)
				room.frames[room.written++] = samples[i];
			continue;
		}
		if (loop->noise) {
			loop->dice = loop->dice * 1664525 + 1013904223;
			noise = (long)(loop->dice >> 8) % (2 * loop->noise + 1) - loop->noise;
		}
		samples[i] = clipped(noise + loop->gain * heard(loop, loop->started_ns +
				     loop->transferred * INT64_C(1000000000) / io->rate) / 100);
	}
	return size;
}

static int loop_close(snd_pcm_ioplug_t *io)
{
	free(io->private_data);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = loop_start,
	.prepare = loop_prepare,
	.stop = loop_stop,
	.pointer = loop_pointer,
	.transfer = loop_transfer,
	.close = loop_close,
};

static int limit(snd_pcm_ioplug_t *io)
{
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

SND_PCM_PLUGIN_DEFINE_FUNC(loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	snd_config_iterator_t i, next;
	int error;

	(void)root;
	if (!loop)
		return -ENOMEM;
	loop->gain = 100;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;

		if (snd_config_get_id(entry, &id) < 0)
			continue;
		if (!strcmp(id, "delay_ms"))
			snd_config_get_integer(entry, &loop->delay_ms);
		else if (!strcmp(id, "gain"))
			snd_config_get_integer(entry, &loop->gain);
		else if (!strcmp(id, "noise"))
			snd_config_get_integer(entry, &loop->noise);
	}
	loop->io.version = SND_PCM_IOPLUG_VERSION;
	loop->io.name = "loudspeaker and microphone in one room";
	loop->io.callback = &callbacks;
	loop->io.private_data = loop;
	loop->io.poll_fd = -1;
	error = snd_pcm_ioplug_create(&loop->io, name, stream, mode);
	if (!error)
		error = limit(&loop->io);
	if (error) {
		free(loop);
		return error;
	}
	*pcmp = loop->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(loop);

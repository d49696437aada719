/*
 * An ALSA PCM without a sound card that takes its time: type "paced".
 *
 * It plays and records at its rate by the monotonic clock and runs over and
 * under as a card does, which alsa-lib's own file and null PCMs never do.
 * Recording gives the frames 0, 1, 2, ... (modulo 2^16) from its start on;
 * playing appends the frames to a file.
 *
 *   file        where the played frames go, when they are written
 *   heard       where they go when a loudspeaker would sound: what is dropped never gets there
 *   starts      a file that grows by one byte whenever the stream starts
 *   away        while a file of this name exists, the device is unplugged
 *   busy        while a file of this name exists, somebody else has it open
 *   suspend_ms  so long after it was started the device is suspended
 *   open_ms     how long it takes to open
 *   rate        the one rate it has (else 8000 to 48000)
 *   channels    how many it has (else 1); all record the same
 *   bits        of a sample, 16 (else) or 32, of which the upper 16 count
 *   period_min_ms, period_max_ms, buffer_min_ms, buffer_max_ms
 *               the limits of its sizes at that rate (else none)
 *   coarse      1: the position moves by whole periods, as dmix has it
 *   late_ms     until then the position does not move
 *   stuck_ms    from then on the position does not move
 *   gone_ms     from then on the device is unplugged
 *   deaf        1: no frame is taken
 *   silent      1: it records silence
 *   echo        1: it records what one of this process plays, 30 ms later and 30 dB quieter
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

struct paced {
	snd_pcm_ioplug_t io;
	FILE *file, *heard;
	char *starts, *away;
	long late_ms, stuck_ms, gone_ms, suspend_ms, deaf, silent, echo, coarse, channels, bits;
	int64_t started_ns;
	/* Since the last start: the frames that were written, and how many of them sounded. */
	char *frames;
	size_t written, sounded;
};

#define ECHO_NS 30000000
#define ECHO_FRAMES (1 << 16)

/* What the last loudspeaker with an echo plays, since it started. */
static struct {
	int64_t started_ns, written;
	unsigned int rate;
	int16_t frames[ECHO_FRAMES];
} loudspeaker;

/* The time of tests in which waiting takes none (virtual_time.py); 0: the monotonic clock. */
int64_t virtual_ns;

static int64_t now_ns(void)
{
	struct timespec now;

	if (virtual_ns)
		return virtual_ns;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int exists(const char *path)
{
	return path && !access(path, F_OK);
}

static size_t frame_bytes(const struct paced *paced)
{
	return paced->channels * paced->bits / 8;
}

/* Let the frames sound whose time has come. */
static void sound(struct paced *paced)
{
	int64_t due = (now_ns() - paced->started_ns) * paced->io.rate / 1000000000;
	size_t until = due < (int64_t)paced->written ? due : (int64_t)paced->written;

	if (paced->heard && paced->started_ns && until > paced->sounded) {
		fwrite(paced->frames + paced->sounded * frame_bytes(paced), frame_bytes(paced),
		       until - paced->sounded, paced->heard);
		fflush(paced->heard);
		paced->sounded = until;
	}
}

static int paced_start(snd_pcm_ioplug_t *io)
{
	struct paced *paced = io->private_data;
	FILE *starts = paced->starts ? fopen(paced->starts, "ab") : NULL;

	if (starts) {
		fputc('.', starts);
		fclose(starts);
	}
	paced->started_ns = now_ns();
	if (paced->echo && io->stream == SND_PCM_STREAM_PLAYBACK) {
		loudspeaker.started_ns = paced->started_ns;
		loudspeaker.rate = io->rate;
	}
	return 0;
}

static int paced_stop(snd_pcm_ioplug_t *io)
{
	struct paced *paced = io->private_data;

	sound(paced);
	paced->written = paced->sounded = 0;
	paced->started_ns = 0;
	if (paced->echo && io->stream == SND_PCM_STREAM_PLAYBACK)
		loudspeaker.started_ns = loudspeaker.written = 0;
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
	if (exists(paced->away))
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
	if (paced->suspend_ms >= 0 && ns >= paced->suspend_ms * INT64_C(1000000)) {
		paced->suspend_ms = -1;
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_SUSPENDED);
	}
	sound(paced);
	if (paced->stuck_ms >= 0 && ns >= paced->stuck_ms * INT64_C(1000000))
		ns = paced->stuck_ms * INT64_C(1000000);
	ns -= paced->late_ms * INT64_C(1000000);
	if (ns < 0)
		ns = 0;
	frames = ns * io->rate / 1000000000;
	if (io->stream == SND_PCM_STREAM_PLAYBACK ? frames >= (int64_t)io->appl_ptr
						  : frames - (int64_t)io->appl_ptr > (int64_t)io->buffer_size)
		return -EPIPE;
	if (paced->coarse)
		frames -= frames % io->period_size;
	return frames % io->buffer_size;
}

/* Record the echo: a loudspeaker's frame for each of the microphone's, in steps of 1/65536. */
static void hear(const snd_pcm_ioplug_t *io, const struct paced *paced, int16_t *samples, int size)
{
	int64_t start_ns = paced->started_ns - ECHO_NS - loudspeaker.started_ns;
	int64_t at = 0, step = ((int64_t)loudspeaker.rate << 16) / io->rate;
	int i;

	if (loudspeaker.started_ns)
		at = start_ns / 1000 * loudspeaker.rate / 1000000 * 65536 + io->appl_ptr * step;
	for (i = 0; i < size; i++, at += step) {
		int64_t frame = at >> 16, ago = loudspeaker.written - frame;

		samples[i] = frame > 0 && ago > 0 && ago <= ECHO_FRAMES
			? loudspeaker.frames[frame % ECHO_FRAMES] / 32 : 0;
	}
}

static snd_pcm_sframes_t paced_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
					snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct paced *paced = io->private_data;
	size_t frame = frame_bytes(paced);
	char *samples = (char *)areas->addr + areas->first / 8 + offset * frame;
	snd_pcm_uframes_t i;

	if (paced->deaf)
		return -EAGAIN;
	if (paced->echo && io->stream == SND_PCM_STREAM_CAPTURE) {
		hear(io, paced, (int16_t *)samples, size);
		return size;
	}
	for (i = 0; paced->echo && i < size; i++, loudspeaker.written++)
		loudspeaker.frames[loudspeaker.written % ECHO_FRAMES] = ((int16_t *)samples)[i];
	if (io->stream == SND_PCM_STREAM_CAPTURE) {
		uint16_t first = io->appl_ptr;

		/* A mapped buffer is filled at any place, and again if nobody has taken it yet. */
		if (io->access == SND_PCM_ACCESS_MMAP_INTERLEAVED)
			first += (offset + io->buffer_size - io->appl_ptr % io->buffer_size) % io->buffer_size;
		for (i = 0; i < size * paced->channels; i++) {
			uint16_t sample = paced->silent ? 0 : first + i / paced->channels;

			if (paced->bits == 32)
				((uint32_t *)samples)[i] = (uint32_t)sample << 16;
			else
				((uint16_t *)samples)[i] = sample;
		}
		return size;
	}
	if (paced->heard) {
		paced->frames = realloc(paced->frames, (paced->written + size) * frame);
		if (!paced->frames)
			abort();
		memcpy(paced->frames + paced->written * frame, samples, size * frame);
		paced->written += size;
	}
	return paced->file && fwrite(samples, frame, size, paced->file) != size ? -EIO : (long)size;
}

static void discard(struct paced *paced)
{
	if (paced->file)
		fclose(paced->file);
	if (paced->heard)
		fclose(paced->heard);
	free(paced->starts);
	free(paced->away);
	free(paced->frames);
	free(paced);
}

static int paced_close(snd_pcm_ioplug_t *io)
{
	discard(io->private_data);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = paced_start,
	.stop = paced_stop,
	.pointer = paced_pointer,
	.transfer = paced_transfer,
	.close = paced_close,
};

static int limit_ms(snd_pcm_ioplug_t *io, int size, long rate, const long least_most_ms[2])
{
	size_t second = rate * frame_bytes(io->private_data);

	if (!least_most_ms[1])
		return 0;
	return snd_pcm_ioplug_set_param_minmax(io, size, second * least_most_ms[0] / 1000,
					       second * least_most_ms[1] / 1000);
}

static int limit(snd_pcm_ioplug_t *io, long rate)
{
	struct paced *paced = io->private_data;
	/* Converters, such as type rate, want the mapped kind; alsa-lib maps for us. */
	unsigned int access[] = { SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED };
	unsigned int format = paced->bits == 32 ? SND_PCM_FORMAT_S32_LE : SND_PCM_FORMAT_S16_LE;
	int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);

	if (!error)
		error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, &format);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, paced->channels,
							paced->channels);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, rate ? rate : 8000,
							rate ? rate : 48000);
	return error;
}

/* What the entry says if it is that text, or else what was known of it. */
static const char *text(snd_config_t *entry, const char *id, const char *wanted, const char *known)
{
	if (!strcmp(id, wanted))
		snd_config_get_string(entry, &known);
	return known;
}

static void number(snd_config_t *entry, const char *id, const char *wanted, long *value)
{
	if (!strcmp(id, wanted))
		snd_config_get_integer(entry, value);
}

SND_PCM_PLUGIN_DEFINE_FUNC(paced)
{
	struct paced *paced = calloc(1, sizeof(*paced));
	long period_ms[2] = { 0, 0 }, buffer_ms[2] = { 0, 0 };
	snd_config_iterator_t i, next;
	const char *file = NULL, *heard = NULL, *starts = NULL, *away = NULL, *busy = NULL;
	long rate = 0, open_ms = 0;
	int error = 0;

	(void)root;
	if (!paced)
		return -ENOMEM;
	paced->stuck_ms = paced->gone_ms = paced->suspend_ms = -1;
	paced->channels = 1;
	paced->bits = 16;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;

		if (snd_config_get_id(entry, &id) < 0)
			continue;
		file = text(entry, id, "file", file);
		heard = text(entry, id, "heard", heard);
		starts = text(entry, id, "starts", starts);
		away = text(entry, id, "away", away);
		busy = text(entry, id, "busy", busy);
		number(entry, id, "deaf", &paced->deaf);
		number(entry, id, "silent", &paced->silent);
		number(entry, id, "echo", &paced->echo);
		number(entry, id, "coarse", &paced->coarse);
		number(entry, id, "late_ms", &paced->late_ms);
		number(entry, id, "stuck_ms", &paced->stuck_ms);
		number(entry, id, "gone_ms", &paced->gone_ms);
		number(entry, id, "suspend_ms", &paced->suspend_ms);
		number(entry, id, "open_ms", &open_ms);
		number(entry, id, "rate", &rate);
		number(entry, id, "channels", &paced->channels);
		number(entry, id, "bits", &paced->bits);
		number(entry, id, "period_min_ms", &period_ms[0]);
		number(entry, id, "period_max_ms", &period_ms[1]);
		number(entry, id, "buffer_min_ms", &buffer_ms[0]);
		number(entry, id, "buffer_max_ms", &buffer_ms[1]);
	}
	usleep(open_ms * 1000);
	if (exists(busy))
		error = -EBUSY;
	if (exists(away))
		error = -ENODEV;
	paced->starts = starts ? strdup(starts) : NULL;
	paced->away = away ? strdup(away) : NULL;
	if (!error && stream == SND_PCM_STREAM_PLAYBACK) {
		if (file && !(paced->file = fopen(file, "wb")))
			error = -errno;
		if (!error && heard && !(paced->heard = fopen(heard, "ab")))
			error = -errno;
	}
	paced->io.version = SND_PCM_IOPLUG_VERSION;
	paced->io.name = "paced without a sound card";
	paced->io.callback = &callbacks;
	paced->io.private_data = paced;
	paced->io.poll_fd = -1;
	if (!error)
		error = snd_pcm_ioplug_create(&paced->io, name, stream, mode);
	if (!error)
		error = limit(&paced->io, rate);
	if (!error)
		error = limit_ms(&paced->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, rate, period_ms);
	if (!error)
		error = limit_ms(&paced->io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, rate, buffer_ms);
	if (error) {
		discard(paced);
		return error;
	}
	*pcmp = paced->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(paced);

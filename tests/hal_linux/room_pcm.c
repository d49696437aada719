/*
 * A loudspeaker and a microphone in one room, without a sound card: type "room".
 *
 * What one PCM of this type plays, another of it records in the same process. Both run at
 * their rate by the monotonic clock. The room itself (room_new, room_play, room_hear) knows no
 * ALSA and no clock: tests call it through ctypes, faster than real time.
 *
 *   delay_ms    how long the sound takes
 *   gain        percent; negative: inverted; 0: nothing arrives
 *   noise       amplitude of white noise, in steps of a 16-bit sample
 *   clip        percent of full scale around which the loudspeaker bends; 0: it never does
 *   rt60_ms     how long an echo takes to fall by 60 dB; 0: the direct sound only
 *   drift_ppm   by how much the loudspeaker's clock is faster than the microphone's
 *   channels    2: the second one records what the loudspeaker plays, before the room
 *   talker      a file of samples at the microphone's rate: what is appended to it is said then
 *   trace       where to append what is played and what is said, in turns, by the microphone's clock
 *   away        while a file of this name exists, the device is unplugged
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>

/* The convolution is nearly all of the work. */
#pragma GCC optimize("O3", "fast-math")

#define RING_FRAMES (1 << 20) /* of the loudspeaker: 21 s at 48 kHz */
#define HALF_WIDTH 16         /* of the interpolation, in frames of the loudspeaker */
#define STEPS 512             /* of its table, in a frame */

struct room {
	double play_hz, capture_hz, delay_s, lead_s, drift, gain;
	double clip, noise;
	int64_t written, recorded;
	int taps;
	uint32_t dice;
	float kernel[HALF_WIDTH * STEPS + 2];
	float played[RING_FRAMES];
	/* Newest last; `past` holds the dry sound twice, so that a window lies in one piece. */
	float *response, *past;
};

static double chance(struct room *room)
{
	room->dice = room->dice * 1664525 + 1013904223;
	return (double)(room->dice >> 8) / (1 << 23) - 1;
}

/* The echoes of a room: noise that fades, 60 dB in rt60_ms; its energy is 1. */
static void furnish(struct room *room, double rt60_ms)
{
	int i, taps = 1 + (int)(rt60_ms / 1000 * room->capture_hz);
	double energy = 0;

	room->taps = taps;
	room->response = calloc(taps, sizeof(float));
	room->past = calloc(2 * taps, sizeof(float));
	if (!room->response || !room->past)
		abort();
	for (i = 0; i < taps; i++) {
		/* The microphone of a device is near: the direct sound is half of what it hears. */
		double echo = i ? chance(room) * exp(-6.9 * i / taps) / sqrt(taps / 42.0 + 1) : 1;

		room->response[taps - 1 - i] = echo;
		energy += echo * echo;
	}
	for (i = 0; i < taps; i++)
		room->response[i] /= sqrt(energy);
}

void room_free(struct room *room)
{
	if (room) {
		free(room->response);
		free(room->past);
	}
	free(room);
}

/* Make the interpolation's table: a sinc of what both rates can carry, under a window. */
static void tune(struct room *room, double play_hz)
{
	double band = play_hz > room->capture_hz ? 0.95 * room->capture_hz / play_hz : 0.95;
	int i;

	room->play_hz = play_hz;
	for (i = 0; i <= HALF_WIDTH * STEPS; i++) {
		double x = (double)i / STEPS, turn = M_PI * band * x;
		double window = 0.5 + 0.5 * cos(M_PI * x / HALF_WIDTH);

		room->kernel[i] = band * window * (i ? sin(turn) / turn : 1);
	}
}

struct room *room_new(double play_hz, double capture_hz, double rt60_ms, double drift_ppm,
		      double clip_percent, double noise)
{
	struct room *room = calloc(1, sizeof(*room));

	if (!room)
		abort();
	room->capture_hz = capture_hz;
	room->drift = 1 + drift_ppm / 1e6;
	room->clip = clip_percent / 100 * 32768;
	room->noise = noise;
	room->gain = 1;
	tune(room, play_hz);
	furnish(room, rt60_ms);
	return room;
}

/* How far the microphone is away, and how loud the loudspeaker is. */
void room_change(struct room *room, double delay_ms, double gain_percent)
{
	room->delay_s = delay_ms / 1000;
	room->gain = gain_percent / 100;
}

void room_play(struct room *room, const int16_t *samples, int count)
{
	for (; count > 0; count--, room->written++) {
		double x = *samples++;

		if (room->clip > 0)
			x /= sqrt(1 + x * x / (room->clip * room->clip));
		room->played[room->written % RING_FRAMES] = x;
	}
}

/* What the loudspeaker plays at a moment, in its frames. */
static float sound_at(const struct room *room, double at)
{
	int64_t i, first = (int64_t)floor(at) - HALF_WIDTH + 1;
	float sum = 0;

	for (i = first; i < first + 2 * HALF_WIDTH; i++) {
		if (i >= 0 && i < room->written && i > room->written - RING_FRAMES)
			sum += room->played[i % RING_FRAMES] *
			       room->kernel[(int)(fabs(at - i) * STEPS + 0.5)];
	}
	return sum;
}

static int16_t clipped(double value)
{
	return value > INT16_MAX ? INT16_MAX : value < INT16_MIN ? INT16_MIN : lrint(value);
}

/* Record the next frames; `dry`, if wanted, is what the loudspeaker plays meanwhile. */
void room_hear(struct room *room, int16_t *samples, int16_t *dry, int count)
{
	int i, k;

	for (i = 0; i < count; i++, room->recorded++) {
		int slot = room->recorded % room->taps;
		double now = (room->recorded / room->capture_hz + room->lead_s) * room->drift;
		const float *window = room->past + slot + 1;
		float echo = 0;

		room->past[slot] = room->past[slot + room->taps] =
			sound_at(room, (now - room->delay_s) * room->play_hz);
		for (k = 0; k < room->taps; k++)
			echo += window[k] * room->response[k];
		samples[i] = clipped(room->gain * echo + room->noise * chance(room));
		if (dry)
			dry[i] = clipped(sound_at(room, now * room->play_hz));
	}
}

/* --- the two PCMs ----------------------------------------------------------------------- */

#define SILENT_S -1e9 /* the lead of a loudspeaker that does not run */

/* What the two ends of this process have in common. */
static struct {
	struct room *room;
	int64_t playback_ns, capture_ns; /* when they started; 0: they do not run */
	int playing; /* the loudspeaker is open: as a card's, it is for one only */
} place;

struct end {
	snd_pcm_ioplug_t io;
	double delay_ms, gain, noise, clip, rt60_ms, drift_ppm;
	long channels;
	char *talker, *trace, *away;
	FILE *talking, *tracing;
	int64_t started_ns;
};

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

static void set_lead(void)
{
	if (place.room)
		place.room->lead_s = place.playback_ns && place.capture_ns
			? (place.capture_ns - place.playback_ns) / 1e9 : SILENT_S;
}

/* A microphone's rate and options make the room; what was played already stays in it. */
static void enter(const struct end *end, double play_hz, double capture_hz)
{
	struct room *before = place.room;

	place.room = room_new(play_hz, capture_hz, end->rt60_ms, end->drift_ppm, end->clip, end->noise);
	room_change(place.room, end->delay_ms, end->gain);
	if (before) {
		memcpy(place.room->played, before->played, sizeof(before->played));
		place.room->written = before->written;
		room_free(before);
	}
	set_lead();
}

static int end_prepare(snd_pcm_ioplug_t *io)
{
	const struct end *end = io->private_data;

	if (io->stream == SND_PCM_STREAM_CAPTURE) {
		enter(end, place.room ? place.room->play_hz : io->rate, io->rate);
		return 0;
	}
	if (!place.room)
		enter(end, io->rate, io->rate);
	tune(place.room, io->rate);
	place.room->written = 0;
	place.playback_ns = 0;
	set_lead();
	return 0;
}

static int end_start(snd_pcm_ioplug_t *io)
{
	struct end *end = io->private_data;
	int64_t *started_ns = io->stream == SND_PCM_STREAM_CAPTURE ? &place.capture_ns : &place.playback_ns;

	end->started_ns = *started_ns = now_ns();
	set_lead();
	return 0;
}

static int end_stop(snd_pcm_ioplug_t *io)
{
	if (io->stream == SND_PCM_STREAM_PLAYBACK)
		place.playback_ns = 0;
	set_lead();
	return 0;
}

static snd_pcm_sframes_t end_pointer(snd_pcm_ioplug_t *io)
{
	struct end *end = io->private_data;
	int playback = io->stream == SND_PCM_STREAM_PLAYBACK;
	double drift = playback ? 1 + end->drift_ppm / 1e6 : 1;
	int64_t frames;

	if (exists(end->away))
		snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
	if (io->state != SND_PCM_STATE_RUNNING && io->state != SND_PCM_STATE_DRAINING)
		return io->hw_ptr % io->buffer_size;
	frames = (now_ns() - end->started_ns) / 1e9 * io->rate * drift;
	if (playback ? frames >= (int64_t)io->appl_ptr
		     : frames - (int64_t)io->appl_ptr > (int64_t)io->buffer_size)
		return -EPIPE;
	return frames % io->buffer_size;
}

/* Whoever talks is in the room, too; at the end of the file it is quiet again. */
static int16_t said(struct end *end)
{
	int16_t voice = 0;

	if (!end->talking && exists(end->talker))
		end->talking = fopen(end->talker, "rb");
	if (!end->talking || fread(&voice, sizeof(voice), 1, end->talking) == 1)
		return voice;
	clearerr(end->talking); /* more may come */
	return 0;
}

static void record(struct end *end, int16_t *samples, int count)
{
	int16_t *heard = malloc(2 * count * sizeof(*heard)), *dry = heard + count;
	int i, k;

	if (!heard)
		abort();
	room_hear(place.room, heard, dry, count);
	for (i = 0; i < count; i++) {
		int16_t both[2] = { dry[i], said(end) };

		for (k = 0; k < end->channels; k++)
			*samples++ = k ? dry[i] : clipped((double)heard[i] + both[1]);
		if (end->tracing)
			fwrite(both, sizeof(both), 1, end->tracing);
	}
	if (end->tracing)
		fflush(end->tracing);
	free(heard);
}

static snd_pcm_sframes_t end_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				      snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct end *end = io->private_data;
	int16_t *samples = (int16_t *)((char *)areas->addr + areas->first / 8) + offset * io->channels;

	if (io->stream == SND_PCM_STREAM_PLAYBACK)
		room_play(place.room, samples, size);
	else
		record(end, samples, size);
	return size;
}

static void discard(struct end *end)
{
	if (end->talking)
		fclose(end->talking);
	if (end->tracing)
		fclose(end->tracing);
	free(end->talker);
	free(end->trace);
	free(end->away);
	free(end);
}

static int end_close(snd_pcm_ioplug_t *io)
{
	if (io->stream == SND_PCM_STREAM_CAPTURE)
		place.capture_ns = 0;
	else
		place.playing = 0;
	discard(io->private_data);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.prepare = end_prepare,
	.start = end_start,
	.stop = end_stop,
	.pointer = end_pointer,
	.transfer = end_transfer,
	.close = end_close,
};

static int limit(snd_pcm_ioplug_t *io, long channels)
{
	unsigned int access[] = { SND_PCM_ACCESS_RW_INTERLEAVED, SND_PCM_ACCESS_MMAP_INTERLEAVED };
	unsigned int format = SND_PCM_FORMAT_S16_LE;
	int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);

	if (!error)
		error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, &format);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, channels, channels);
	if (!error)
		error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, 8000, 48000);
	return error;
}

static void number(snd_config_t *entry, const char *id, const char *wanted, double *value)
{
	if (!strcmp(id, wanted))
		snd_config_get_ireal(entry, value);
}

static void path(snd_config_t *entry, const char *id, const char *wanted, char **value)
{
	const char *text;

	if (!strcmp(id, wanted) && !snd_config_get_string(entry, &text))
		*value = strdup(text);
}

SND_PCM_PLUGIN_DEFINE_FUNC(room)
{
	struct end *end = calloc(1, sizeof(*end));
	snd_config_iterator_t i, next;
	double channels = 1;
	int error;

	(void)root;
	if (!end)
		return -ENOMEM;
	end->gain = 100;
	snd_config_for_each(i, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(i);
		const char *id;

		if (snd_config_get_id(entry, &id) < 0)
			continue;
		number(entry, id, "delay_ms", &end->delay_ms);
		number(entry, id, "gain", &end->gain);
		number(entry, id, "noise", &end->noise);
		number(entry, id, "clip", &end->clip);
		number(entry, id, "rt60_ms", &end->rt60_ms);
		number(entry, id, "drift_ppm", &end->drift_ppm);
		number(entry, id, "channels", &channels);
		path(entry, id, "talker", &end->talker);
		path(entry, id, "trace", &end->trace);
		path(entry, id, "away", &end->away);
	}
	end->channels = stream == SND_PCM_STREAM_CAPTURE ? channels : 1;
	if (end->trace && stream == SND_PCM_STREAM_CAPTURE)
		end->tracing = fopen(end->trace, "ab");
	end->io.version = SND_PCM_IOPLUG_VERSION;
	end->io.name = "loudspeaker and microphone in one room";
	end->io.callback = &callbacks;
	end->io.private_data = end;
	end->io.poll_fd = -1;
	if (exists(end->away))
		error = -ENODEV;
	else if (stream == SND_PCM_STREAM_PLAYBACK && place.playing)
		error = -EBUSY;
	else
		error = snd_pcm_ioplug_create(&end->io, name, stream, mode);
	if (!error)
		error = limit(&end->io, end->channels);
	if (error) {
		discard(end);
		return error;
	}
	if (stream == SND_PCM_STREAM_PLAYBACK)
		place.playing = 1;
	*pcmp = end->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(room);

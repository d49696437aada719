/*
 * An ALSA card with volumes and mute switches but without a sound card: type "mixer".
 *
 * Its simple mixer controls: Master (volume 0 to 87 and a switch, no decibels), Plain (a
 * volume alone), Digital (-103.5 to 0 dB, as real DACs have), Headphone (the same range, two
 * of one name, with switches), Line (-18 to 0 dB) and Mic, which only records.
 * The values outlive a close, as a card's do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <alsa/asoundlib.h>
#include <alsa/control_external.h>

#define DECIBELS(least, step) { SND_CTL_TLVT_DB_SCALE, 8, (unsigned int)(least), (step) }

static unsigned int wide[] = DECIBELS(-10350, 50), narrow[] = DECIBELS(-1800, 100);

static struct control {
	const char *name;
	unsigned int index;
	long largest; /* 1: a switch */
	unsigned int *decibels;
	long value;
} controls[] = {
	{ "Master Playback Volume", 0, 87, NULL, 87 },
	{ "Master Playback Switch", 0, 1, NULL, 1 },
	{ "Plain Playback Volume", 0, 87, NULL, 87 },
	{ "Digital Playback Volume", 0, 207, wide, 207 },
	{ "Headphone Playback Volume", 0, 207, wide, 207 },
	{ "Headphone Playback Switch", 0, 1, NULL, 1 },
	{ "Headphone Playback Volume", 1, 207, wide, 207 },
	{ "Headphone Playback Switch", 1, 1, NULL, 1 },
	{ "Line Playback Volume", 0, 18, narrow, 18 },
	{ "Mic Capture Volume", 0, 87, NULL, 87 },
};

static int elem_count(snd_ctl_ext_t *ext)
{
	(void)ext;
	return sizeof(controls) / sizeof(controls[0]);
}

static int elem_list(snd_ctl_ext_t *ext, unsigned int offset, snd_ctl_elem_id_t *id)
{
	(void)ext;
	snd_ctl_elem_id_set_interface(id, SND_CTL_ELEM_IFACE_MIXER);
	snd_ctl_elem_id_set_name(id, controls[offset].name);
	snd_ctl_elem_id_set_index(id, controls[offset].index);
	return 0;
}

static snd_ctl_ext_key_t find_elem(snd_ctl_ext_t *ext, const snd_ctl_elem_id_t *id)
{
	int i;

	for (i = 0; i < elem_count(ext); i++)
		if (!strcmp(controls[i].name, snd_ctl_elem_id_get_name(id)) &&
		    controls[i].index == snd_ctl_elem_id_get_index(id))
			return i;
	return SND_CTL_EXT_KEY_NOT_FOUND;
}

static int get_attribute(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int *type,
			 unsigned int *access, unsigned int *count)
{
	ext->tlv.p = controls[key].decibels;
	*type = controls[key].largest == 1 ? SND_CTL_ELEM_TYPE_BOOLEAN : SND_CTL_ELEM_TYPE_INTEGER;
	*access = SND_CTL_EXT_ACCESS_READWRITE;
	if (ext->tlv.p)
		*access |= SND_CTL_EXT_ACCESS_TLV_READ;
	*count = 1;
	return 0;
}

static int get_integer_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *least, long *most,
			    long *step)
{
	(void)ext;
	*least = 0;
	*most = controls[key].largest;
	*step = 1;
	return 0;
}

static int read_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	(void)ext;
	*value = controls[key].value;
	return 0;
}

static int write_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	(void)ext;
	controls[key].value = *value;
	return 1;
}

static void subscribe_events(snd_ctl_ext_t *ext, int subscribe)
{
	(void)ext, (void)subscribe;
}

static int read_event(snd_ctl_ext_t *ext, snd_ctl_elem_id_t *id, unsigned int *mask)
{
	(void)ext, (void)id, (void)mask;
	return -EAGAIN;
}

static const snd_ctl_ext_callback_t callbacks = {
	.elem_count = elem_count,
	.elem_list = elem_list,
	.find_elem = find_elem,
	.get_attribute = get_attribute,
	.get_integer_info = get_integer_info,
	.read_integer = read_integer,
	.write_integer = write_integer,
	.subscribe_events = subscribe_events,
	.read_event = read_event,
};

SND_CTL_PLUGIN_DEFINE_FUNC(mixer)
{
	static snd_ctl_ext_t card;
	int error;

	(void)root, (void)conf;
	memset(&card, 0, sizeof(card));
	card.version = SND_CTL_EXT_VERSION;
	strcpy(card.id, "mixer");
	strcpy(card.driver, "mixer");
	strcpy(card.name, "mixer without a sound card");
	strcpy(card.mixername, "mixer");
	card.poll_fd = -1;
	card.callback = &callbacks;
	error = snd_ctl_ext_create(&card, name, mode);
	if (!error)
		*handlep = card.handle;
	return error;
}

SND_CTL_PLUGIN_SYMBOL(mixer);

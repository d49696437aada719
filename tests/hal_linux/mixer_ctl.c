/*
 * An ALSA card with a volume and a mute switch but without a sound card: type "mixer".
 *
 * Its simple mixer controls are Master (volume 0 to 87 and a switch) and
 * Plain (a volume alone). The values outlive a close, as a card's do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <alsa/asoundlib.h>
#include <alsa/control_external.h>

#define LARGEST 87

static const char *const names[] = {
	"Master Playback Volume", "Master Playback Switch", "Plain Playback Volume",
};
static const int is_switch[] = { 0, 1, 0 };
static long values[] = { LARGEST, 1, LARGEST };

static int elem_count(snd_ctl_ext_t *ext)
{
	(void)ext;
	return sizeof(names) / sizeof(names[0]);
}

static int elem_list(snd_ctl_ext_t *ext, unsigned int offset, snd_ctl_elem_id_t *id)
{
	(void)ext;
	snd_ctl_elem_id_set_interface(id, SND_CTL_ELEM_IFACE_MIXER);
	snd_ctl_elem_id_set_name(id, names[offset]);
	return 0;
}

static snd_ctl_ext_key_t find_elem(snd_ctl_ext_t *ext, const snd_ctl_elem_id_t *id)
{
	int i;

	for (i = 0; i < elem_count(ext); i++)
		if (!strcmp(names[i], snd_ctl_elem_id_get_name(id)))
			return i;
	return SND_CTL_EXT_KEY_NOT_FOUND;
}

static int get_attribute(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int *type,
			 unsigned int *access, unsigned int *count)
{
	(void)ext;
	*type = is_switch[key] ? SND_CTL_ELEM_TYPE_BOOLEAN : SND_CTL_ELEM_TYPE_INTEGER;
	*access = SND_CTL_EXT_ACCESS_READWRITE;
	*count = 1;
	return 0;
}

static int get_integer_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *least, long *most,
			    long *step)
{
	(void)ext, (void)key;
	*least = 0;
	*most = LARGEST;
	*step = 1;
	return 0;
}

static int read_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	(void)ext;
	*value = values[key];
	return 0;
}

static int write_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	(void)ext;
	values[key] = *value;
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

/*
 * A push-to-talk key: press to speak, release to hear the answer.
 *
 *     cc -O2 -Wall -o push_to_talk push_to_talk.c $(pkg-config --cflags --libs libsystemd)
 *     ./push_to_talk /dev/input/by-path/platform-gpio-keys-event KEY_CODE
 *
 * The key is one of the kernel's input subsystem: a gpio-keys node of the device
 * tree, a USB pedal, a remote control. KEY_CODE is a number of
 * linux/input-event-codes.h (KEY_VOICECOMMAND is 582); 0 takes any key. Run it as a
 * user in the groups input and mmid.
 *
 * The microphone belongs to this program's connection to the bus: if it crashes
 * while the key is held, mmid releases the microphone by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

enum { RELEASED = 0, PRESSED = 1 }; /* 2 is auto-repeat */

struct key {
    sd_bus *bus;
    unsigned code;
};

/* The answer of StartSpeech or StopSpeech. The messages are meant for people. */
static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    (void)ignored;
    if (error)
        fprintf(stderr, "%s: %s\n", (const char *)userdata, error->message);
    else
        printf("%s\n", (const char *)userdata);
    fflush(stdout);
    return 0;
}

static int call(sd_bus *bus, const char *method)
{
    return sd_bus_call_method_async(bus, NULL, "org.mmid1", "/org/mmid1", "org.mmid1.Dialog",
                                    method, on_reply, (void *)method, "");
}

static int on_input(sd_event_source *source, int fd, uint32_t ready, void *userdata)
{
    struct key *key = userdata;
    struct input_event event;
    ssize_t length = read(fd, &event, sizeof event);
    int result;

    (void)ready;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (length != (ssize_t)sizeof event) /* the key was unplugged */
        return sd_event_exit(sd_event_source_get_event(source), length < 0 ? -errno : 0);
    if (event.type != EV_KEY || (key->code && event.code != key->code))
        return 0;
    if (event.value == PRESSED)
        result = call(key->bus, "StartSpeech");
    else if (event.value == RELEASED)
        result = call(key->bus, "StopSpeech");
    else
        return 0;
    return result < 0 ? sd_event_exit(sd_event_source_get_event(source), result) : 0;
}

int main(int count, char **arguments)
{
    struct key key = {0};
    sd_event *event = NULL;
    int fd, result;

    if (count != 3) {
        fprintf(stderr, "usage: %s INPUT_DEVICE KEY_CODE\n", arguments[0]);
        return 64;
    }
    fd = open(arguments[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", arguments[1], strerror(errno));
        return 66;
    }
    key.code = strtoul(arguments[2], NULL, 0);
    if ((result = sd_bus_open_system(&key.bus)) < 0 || (result = sd_event_default(&event)) < 0 ||
        (result = sd_bus_attach_event(key.bus, event, 0)) < 0 ||
        (result = sd_event_add_io(event, NULL, fd, EPOLLIN, on_input, &key)) < 0 ||
        (result = sd_bus_set_exit_on_disconnect(key.bus, 1)) < 0 ||
        (result = sd_event_loop(event)) < 0)
        fprintf(stderr, "%s\n", strerror(-result));
    /* Leaving the bus releases the microphone, if we still have it. */
    sd_bus_flush_close_unref(key.bus);
    sd_event_unref(event);
    close(fd);
    return result < 0 ? 69 : 0;
}

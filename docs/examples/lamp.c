/*
 * A lamp that shows what mmid is doing: on while the microphone is open, and while
 * mmid thinks or speaks.
 *
 *     cc -O2 -Wall -o lamp lamp.c $(pkg-config --cflags --libs libsystemd)
 *     ./lamp /sys/class/leds/voice/brightness
 *
 * It follows two properties of org.mmid1.Dialog: State and Talker. It asks for their
 * values once, and hears of every change (PropertiesChanged); nothing is polled. When
 * mmid goes, the lamp goes out; when mmid comes, they are asked for again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define DIALOG "org.mmid1.Dialog"
#define PROPERTIES "org.freedesktop.DBus.Properties"

struct lamp {
    const char *file;
    int working; /* State is thinking or responding */
    int talking; /* Talker is somebody */
    int lit;     /* what the lamp shows; -1 before it shows anything */
};

static void show(struct lamp *lamp)
{
    int lit = lamp->working || lamp->talking;
    FILE *file;

    if (lit == lamp->lit)
        return;
    file = fopen(lamp->file, "w");
    if (!file) {
        fprintf(stderr, "%s: %s\n", lamp->file, strerror(errno));
        return;
    }
    fprintf(file, "%d\n", lit);
    fclose(file);
    lamp->lit = lit;
}

/* Read an a{sv} of properties, as GetAll returns and PropertiesChanged carries it. */
static int read_properties(sd_bus_message *message, struct lamp *lamp)
{
    const char *name, *value;
    int result;

    if ((result = sd_bus_message_enter_container(message, 'a', "{sv}")) < 0)
        return result;
    while ((result = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        if ((result = sd_bus_message_read(message, "s", &name)) < 0)
            return result;
        if (!strcmp(name, "State") || !strcmp(name, "Talker")) {
            if ((result = sd_bus_message_read(message, "v", "s", &value)) < 0)
                return result;
            if (!strcmp(name, "Talker"))
                lamp->talking = *value != '\0';
            else
                lamp->working = !strcmp(value, "thinking") || !strcmp(value, "responding");
        } else if ((result = sd_bus_message_skip(message, "v")) < 0) {
            return result;
        }
        if ((result = sd_bus_message_exit_container(message)) < 0)
            return result;
    }
    if (result >= 0)
        show(lamp);
    return result;
}

static int on_values(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
    (void)ignored;
    if (sd_bus_message_is_method_error(reply, NULL))
        return 0; /* mmid is not there yet: on_owner will be called */
    return read_properties(reply, userdata);
}

static int ask_values(sd_bus *bus, struct lamp *lamp)
{
    sd_bus_message *call = NULL;
    int result = sd_bus_message_new_method_call(bus, &call, "org.mmid1", "/org/mmid1", PROPERTIES,
                                                "GetAll");

    if (result >= 0)
        result = sd_bus_message_append(call, "s", DIALOG);
    if (result >= 0) /* a lamp is no reason to start mmid */
        result = sd_bus_message_set_auto_start(call, 0);
    if (result >= 0)
        result = sd_bus_call_async(bus, NULL, call, on_values, lamp, 0);
    sd_bus_message_unref(call);
    return result;
}

static int on_change(sd_bus_message *signal, void *userdata, sd_bus_error *ignored)
{
    const char *interface;
    int result = sd_bus_message_read(signal, "s", &interface);

    (void)ignored;
    if (result < 0 || strcmp(interface, DIALOG))
        return result;
    return read_properties(signal, userdata);
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *ignored)
{
    struct lamp *lamp = userdata;
    const char *name, *before, *now;
    int result = sd_bus_message_read(signal, "sss", &name, &before, &now);

    (void)ignored;
    if (result < 0)
        return result;
    if (*now)
        return ask_values(sd_bus_message_get_bus(signal), lamp);
    lamp->working = lamp->talking = 0;
    show(lamp);
    return 0;
}

int main(int count, char **arguments)
{
    struct lamp lamp = {.lit = -1};
    sd_bus *bus = NULL;
    sd_event *event = NULL;
    int result;

    if (count != 2) {
        fprintf(stderr, "usage: %s BRIGHTNESS_FILE\n", arguments[0]);
        return 64;
    }
    lamp.file = arguments[1];
    /* First listen, then ask: nothing that happens in between is missed. */
    if ((result = sd_bus_open_system(&bus)) < 0 || (result = sd_event_default(&event)) < 0 ||
        (result = sd_bus_attach_event(bus, event, 0)) < 0 ||
        (result = sd_bus_set_exit_on_disconnect(bus, 1)) < 0 ||
        (result = sd_bus_match_signal(bus, NULL, "org.mmid1", "/org/mmid1", PROPERTIES,
                                      "PropertiesChanged", on_change, &lamp)) < 0 ||
        (result = sd_bus_add_match(bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='org.mmid1'",
                                   on_owner, &lamp)) < 0 ||
        (result = ask_values(bus, &lamp)) < 0 || (result = sd_event_loop(event)) < 0)
        fprintf(stderr, "%s\n", strerror(-result));
    sd_bus_flush_close_unref(bus);
    sd_event_unref(event);
    return result < 0 ? 69 : 0;
}

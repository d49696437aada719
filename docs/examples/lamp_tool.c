/*
 * A lamp that the cloud's model can turn on and off: "turn on the lamp, please".
 *
 *     cc -O2 -Wall -o lamp_tool lamp_tool.c $(pkg-config --cflags --libs libsystemd)
 *     ./lamp_tool /sys/class/leds/lamp/brightness
 *
 * It registers the function "lamp" on org.mmid1.Tools, and mmid calls the method Call of its own
 * object. When mmid comes back after a restart, it registers again: mmid forgets its tools.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define PATH "/lamp"
#define DESCRIPTION "Turns the lamp of this room on or off."
#define SCHEMA                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"on\":{\"type\":\"boolean\"}},\"required\":[\"on\"]}"

static int turn(const char *file, int on)
{
    FILE *brightness = fopen(file, "w");

    if (!brightness)
        return -errno;
    fprintf(brightness, "%d\n", on);
    return fclose(brightness) ? -errno : 0;
}

/* mmid has checked that "on" is there. With more arguments than one, use a library for JSON. */
static int wants_light(const char *arguments)
{
    const char *value = strstr(arguments, "\"on\"");

    value = value ? strchr(value, ':') : NULL;
    return value && !strncmp(value + 1 + strspn(value + 1, " \t\n"), "true", 4);
}

static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
    const char *name, *arguments;
    int on, result = sd_bus_message_read(call, "ss", &name, &arguments);

    if (result < 0)
        return result;
    on = wants_light(arguments);
    if ((result = turn(userdata, on)) < 0) /* what the model is told: a sentence */
        return sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "the lamp does not react: %s",
                                 strerror(-result));
    return sd_bus_reply_method_return(call, "s", on ? "{\"lamp\":\"on\"}" : "{\"lamp\":\"off\"}");
}

static const sd_bus_vtable tool[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Call", "ss", "s", on_call, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int on_registered(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    (void)userdata, (void)ignored;
    if (error)
        fprintf(stderr, "not registered yet: %s\n", error->message);
    else
        printf("the model may turn the lamp\n");
    fflush(stdout);
    return 0;
}

static int register_tool(sd_bus *bus)
{
    return sd_bus_call_method_async(bus, NULL, "org.mmid1", "/org/mmid1", "org.mmid1.Tools",
                                    "Register", on_registered, NULL, "osss", PATH, "lamp",
                                    DESCRIPTION, SCHEMA);
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *ignored)
{
    const char *name, *before, *now;
    int result = sd_bus_message_read(signal, "sss", &name, &before, &now);

    (void)userdata, (void)ignored;
    if (result < 0)
        return result;
    return *now ? register_tool(sd_bus_message_get_bus(signal)) : 0;
}

int main(int count, char **arguments)
{
    sd_bus *bus = NULL;
    sd_event *event = NULL;
    int result;

    if (count != 2) {
        fprintf(stderr, "usage: %s BRIGHTNESS_FILE\n", arguments[0]);
        return 64;
    }
    if ((result = sd_bus_open_system(&bus)) < 0 || (result = sd_event_default(&event)) < 0 ||
        (result = sd_bus_attach_event(bus, event, 0)) < 0 ||
        (result = sd_bus_set_exit_on_disconnect(bus, 1)) < 0 ||
        (result = sd_bus_add_object_vtable(bus, NULL, PATH, "org.mmid1.Tool", tool,
                                           arguments[1])) < 0 ||
        (result = sd_bus_add_match(bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='org.mmid1'",
                                   on_owner, NULL)) < 0 ||
        (result = register_tool(bus)) < 0 || (result = sd_event_loop(event)) < 0)
        fprintf(stderr, "%s\n", strerror(-result));
    sd_bus_flush_close_unref(bus);
    sd_event_unref(event);
    return result < 0 ? 69 : 0;
}

/*
 * Hold dialogs one after the other, as a button's program does.
 *
 *     dialogs COUNT SPEECH_MS    press, wait, release, hear the reply out
 *     dialogs COUNT 0            hear out what begins without a press, in duplex
 *     dialogs 0 0                only wait until mmid listens
 *
 * Exit status 0 if each was answered: TtsEnd came, and no Error. That the cloud is slower than
 * speech is counted, and no failure: it shares a machine with this emulated board. C, because
 * another Python would be as large as what is measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

static const char NAME[] = "org.mmid1", PATH[] = "/org/mmid1", DIALOG[] = "org.mmid1.Dialog";

/* An emulated board on a busy machine starts slower than any real one. */
enum { LISTENING_LIMIT_S = 600, REPLY_LIMIT_S = 120, POLL_US = 200000 };

static int ended, failed, slow;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *ignored)
{
    const char *code = "", *text = "";

    (void)userdata, (void)ignored;
    if (sd_bus_message_is_signal(message, DIALOG, "TtsEnd"))
        ended = 1;
    if (sd_bus_message_is_signal(message, DIALOG, "Error")) {
        sd_bus_message_read(message, "ss", &code, &text);
        if (!strcmp(code, "network-slow")) {
            slow++;
            return 0;
        }
        failed = 1;
        printf("Error %s: %s\n", code, text);
    }
    return 0;
}

/* Take what comes for so long, or until a flag is set; return the flag. */
static int wait_for(sd_bus *bus, const int *flag, double seconds)
{
    double until = now_s() + seconds;

    while (!*flag && now_s() < until) {
        int result = sd_bus_process(bus, NULL);

        if (result < 0 || (!result && sd_bus_wait(bus, POLL_US) < 0))
            return 0;
    }
    return *flag;
}

static int is_listening(sd_bus *bus)
{
    char *state = NULL;
    int yes = sd_bus_get_property_string(bus, NAME, PATH, DIALOG, "State", NULL, &state) >= 0 &&
              !strcmp(state, "listening");

    free(state);
    return yes;
}

static int until_listening(sd_bus *bus)
{
    const int never = 0;
    double until = now_s() + LISTENING_LIMIT_S;

    while (!is_listening(bus)) {
        if (now_s() > until) {
            printf("it never listened\n");
            return 0;
        }
        wait_for(bus, &never, POLL_US / 1e6);
    }
    return 1;
}

static int call(sd_bus *bus, const char *method)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int result = sd_bus_call_method(bus, NAME, PATH, DIALOG, method, &error, NULL, "");

    if (result < 0)
        printf("%s: %s\n", method, error.message ? error.message : strerror(-result));
    sd_bus_error_free(&error);
    return result >= 0;
}

static int dialog(sd_bus *bus, int speech_ms)
{
    ended = failed = 0;
    if (!until_listening(bus))
        return 0;
    if (speech_ms) {
        if (!call(bus, "StartSpeech"))
            return 0;
        wait_for(bus, &failed, speech_ms / 1e3);
        if (failed || !call(bus, "StopSpeech"))
            return 0;
    }
    if (!wait_for(bus, &ended, REPLY_LIMIT_S))
        printf("no reply ended\n");
    return ended && !failed;
}

int main(int count, char **arguments)
{
    int good = 0, wanted, speech_ms;
    sd_bus *bus = NULL;

    if (count != 3)
        return 64;
    wanted = atoi(arguments[1]), speech_ms = atoi(arguments[2]);
    if (sd_bus_open_system(&bus) < 0 ||
        sd_bus_match_signal(bus, NULL, NAME, PATH, DIALOG, NULL, on_signal, NULL) < 0)
        return 69;
    for (int number = 0; number < wanted; number++)
        good += dialog(bus, speech_ms);
    if (wanted)
        printf("%d of %d dialogs answered, %d with a slow cloud\n", good, wanted, slow);
    good = until_listening(bus) && good == wanted;
    sd_bus_flush_close_unref(bus);
    return !good;
}

/*
 * What the vendor's static library calls back, for Linux, and what mmid asks of it besides.
 *
 * The library is written for RTOS chips: memory, random numbers, storage, time and mutexes come
 * from the firmware (its headers c_utils/hal_util_*.h). Linked with this file it becomes the
 * shared library that license.codec names. It runs in mmid's short-lived license child: one
 * request, then the process ends.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The numbers of the library's own error list. */
enum { UTIL_SUCCESS = 0, UTIL_ERR_INVALID_PARAM = 4, UTIL_ERR_NOT_FOUND = 5, UTIL_ERR_TIMEOUT = 8 };

#define EXPORT __attribute__((visibility("default")))

/* --- memory ------------------------------------------------------------------------------- */

EXPORT void *util_malloc(int32_t size)
{
    return size > 0 ? malloc((size_t)size) : NULL;
}

EXPORT void util_free(void *block)
{
    free(block);
}

/* --- random numbers: the kernel's. A seed would make nonces repeat, so it is not used. ------- */

EXPORT int32_t util_random_init(uint32_t seed)
{
    (void)seed;
    return UTIL_SUCCESS;
}

EXPORT uint32_t util_random(void)
{
    uint32_t value;

    if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
        abort(); /* a nonce that can be guessed is worse than none */
    return value;
}

/* --- storage: in memory. mmid keeps what c_license_get_storage_data gives, in its own record. - */

static uint8_t stored[4096];
static uint32_t stored_bytes;

EXPORT int32_t util_storage_erase(void)
{
    stored_bytes = 0;
    return UTIL_SUCCESS;
}

EXPORT int32_t util_storage_storage(uint8_t *data, uint32_t size)
{
    if (data == NULL || size == 0 || size > sizeof stored)
        return UTIL_ERR_INVALID_PARAM;
    memcpy(stored, data, size);
    stored_bytes = size;
    return UTIL_SUCCESS;
}

EXPORT int32_t util_storage_load(uint8_t *data, uint32_t size)
{
    if (data == NULL || size == 0)
        return UTIL_ERR_INVALID_PARAM;
    if (size > stored_bytes)
        return UTIL_ERR_NOT_FOUND;
    memcpy(data, stored, size);
    return UTIL_SUCCESS;
}

/* --- time ----------------------------------------------------------------------------------- */

static int64_t milliseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

EXPORT int64_t util_now_ms(void)
{
    return milliseconds(CLOCK_MONOTONIC);
}

EXPORT int64_t util_get_timestamp(void)
{
    return milliseconds(CLOCK_REALTIME);
}

EXPORT int64_t util_get_timestamp_ms(void)
{
    return util_get_timestamp();
}

/* mmid starts the license child only when the clock is trusted. */
EXPORT uint8_t util_timestamp_inited(void)
{
    return 1;
}

EXPORT void util_msleep(uint32_t ms)
{
    struct timespec left = {ms / 1000, (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* --- mutexes -------------------------------------------------------------------------------- */

typedef struct _util_mutex_t {
    void *mutex_handle;
} util_mutex_t;

EXPORT util_mutex_t *util_mutex_create(void)
{
    util_mutex_t *mutex = malloc(sizeof *mutex);
    pthread_mutex_t *handle = malloc(sizeof *handle);

    if (mutex == NULL || handle == NULL || pthread_mutex_init(handle, NULL) != 0) {
        free(mutex);
        free(handle);
        return NULL;
    }
    mutex->mutex_handle = handle;
    return mutex;
}

EXPORT void util_mutex_delete(util_mutex_t *mutex)
{
    if (mutex == NULL)
        return;
    pthread_mutex_destroy(mutex->mutex_handle);
    free(mutex->mutex_handle);
    free(mutex);
}

/* MUTEX_WAIT_FOREVER is negative as the signed number that this takes. */
EXPORT int32_t util_mutex_lock(util_mutex_t *mutex, int32_t timeout_ms)
{
    struct timespec until;

    if (mutex == NULL)
        return UTIL_ERR_INVALID_PARAM;
    if (timeout_ms < 0)
        return pthread_mutex_lock(mutex->mutex_handle) == 0 ? UTIL_SUCCESS : UTIL_ERR_INVALID_PARAM;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000;
    }
    return pthread_mutex_timedlock(mutex->mutex_handle, &until) == 0 ? UTIL_SUCCESS
                                                                     : UTIL_ERR_TIMEOUT;
}

EXPORT int32_t util_mutex_unlock(util_mutex_t *mutex)
{
    if (mutex == NULL)
        return UTIL_ERR_INVALID_PARAM;
    return pthread_mutex_unlock(mutex->mutex_handle) == 0 ? UTIL_SUCCESS : UTIL_ERR_INVALID_PARAM;
}

/* --- the token ------------------------------------------------------------------------------ */

/*
 * The library has no function that gives the token. It writes it into the headers of the
 * WebSocket's upgrade request, "Authorization: Bearer <token>", as c_mmi_get_wss_header
 * (its c_mmi.h) returns them.
 */
char *c_mmi_get_wss_header(void);

EXPORT int32_t mmid_license_token(char *buffer, uint32_t size)
{
    static const char bearer[] = "Bearer ";
    const char *header = c_mmi_get_wss_header();
    const char *token = header == NULL ? NULL : strstr(header, bearer);
    size_t length;

    if (token == NULL)
        return UTIL_ERR_NOT_FOUND;
    token += sizeof bearer - 1;
    length = strcspn(token, " \t\r\n");
    if (length == 0 || length >= size)
        return UTIL_ERR_INVALID_PARAM;
    memcpy(buffer, token, length);
    buffer[length] = '\0';
    return UTIL_SUCCESS;
}

/*
 * A library with the names and shapes of the vendor's, whose algorithm is the one of mmid's
 * built-in codec: so simcloud understands it, and the two check each other.
 *
 * GENERATION 11 has the functions of 1.1, 12 those of 1.2. The variable VENDOR_FAULT in the
 * environment makes it misbehave: "<function>:crash", ":hang", ":exit", ":refuse" or
 * ":nonsense"; "at-exit:hang" when the process ends. What hangs makes the file VENDOR_HANGS.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the firmware, here packaging/vendor-codec/hal.c, has for it. */
void *util_malloc(int32_t size);
void util_free(void *block);
uint32_t util_random(void);
int64_t util_get_timestamp(void);
uint8_t util_timestamp_inited(void);
typedef struct _util_mutex_t util_mutex_t;
util_mutex_t *util_mutex_create(void);
int32_t util_mutex_lock(util_mutex_t *mutex, int32_t timeout_ms);
int32_t util_mutex_unlock(util_mutex_t *mutex);
void util_mutex_delete(util_mutex_t *mutex);

enum { KEY = 16, NONCE = 13, TAG = 4, TEXT = 2048 };

/* --- AES-128, one block (FIPS 197) ---------------------------------------------------------- */

static uint8_t sbox[256];

static uint8_t doubled(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
}

static void make_sbox(void)
{
    uint8_t p = 1, q = 1;

    do {
        p ^= doubled(p); /* times 3, and q divided by 3 */
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        if (q & 0x80)
            q ^= 0x09;
        sbox[p] = (uint8_t)(q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^
                            (q << 4 | q >> 4) ^ 0x63);
    } while (p != 1);
    sbox[0] = 0x63;
}

static void next_round_key(uint8_t key[KEY], uint8_t *constant)
{
    for (int i = 0; i < 4; i++)
        key[i] ^= sbox[key[12 + (i + 1) % 4]];
    key[0] ^= *constant;
    *constant = doubled(*constant);
    for (int i = 4; i < KEY; i++)
        key[i] ^= key[i - 4];
}

static void encrypt_block(const uint8_t secret[KEY], uint8_t block[16])
{
    uint8_t key[KEY], shifted[16], constant = 1;

    memcpy(key, secret, KEY);
    for (int i = 0; i < 16; i++)
        block[i] ^= key[i];
    for (int round = 1; round <= 10; round++) {
        for (int i = 0; i < 16; i++)
            shifted[i] = sbox[block[(i + 4 * (i % 4)) % 16]];
        next_round_key(key, &constant);
        for (int i = 0; i < 16; i++) {
            const uint8_t *column = shifted + i / 4 * 4;
            uint8_t one = column[i % 4], two = column[(i + 1) % 4];
            uint8_t rest = column[(i + 2) % 4] ^ column[(i + 3) % 4];
            uint8_t mixed = round == 10 ? one : doubled(one) ^ doubled(two) ^ two ^ rest;
            block[i] = mixed ^ key[i];
        }
    }
}

/* --- CCM with a nonce of 13 bytes, a tag of 4, nothing associated (RFC 3610) ----------------- */

static void mask(const uint8_t key[KEY], const uint8_t nonce[NONCE], unsigned number,
                 uint8_t out[16])
{
    out[0] = 1;
    memcpy(out + 1, nonce, NONCE);
    out[14] = (uint8_t)(number >> 8);
    out[15] = (uint8_t)number;
    encrypt_block(key, out);
}

static void apply_stream(const uint8_t key[KEY], const uint8_t nonce[NONCE], uint8_t *text, size_t length)
{
    uint8_t stream[16];

    for (size_t i = 0; i < length; i++) {
        if (i % 16 == 0)
            mask(key, nonce, (unsigned)(i / 16) + 1, stream);
        text[i] ^= stream[i % 16];
    }
}

static void make_tag(const uint8_t key[KEY], const uint8_t nonce[NONCE], const uint8_t *text,
                     size_t length, uint8_t tag[TAG])
{
    uint8_t state[16] = {(TAG - 2) / 2 << 3 | 1}, first[16];

    memcpy(state + 1, nonce, NONCE);
    state[14] = (uint8_t)(length >> 8);
    state[15] = (uint8_t)length;
    encrypt_block(key, state);
    for (size_t i = 0; i < length; i++) {
        state[i % 16] ^= text[i];
        if (i % 16 == 15 || i + 1 == length)
            encrypt_block(key, state);
    }
    mask(key, nonce, 0, first);
    for (int i = 0; i < TAG; i++)
        tag[i] = state[i] ^ first[i];
}

/* --- base64 and hex -------------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void to_base64(const uint8_t *data, size_t length, char *out)
{
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16;

        three |= i + 1 < length ? (uint32_t)data[i + 1] << 8 : 0;
        three |= i + 2 < length ? data[i + 2] : 0;
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = i + 1 < length ? digits[three >> 6 & 63] : '=';
        *out++ = i + 2 < length ? digits[three & 63] : '=';
    }
    *out = '\0';
}

static size_t from_base64(const char *text, uint8_t *out)
{
    uint32_t bits = 0;
    unsigned kept = 0;
    size_t length = 0;

    for (; *text && *text != '='; text++) {
        const char *digit = strchr(digits, *text);

        bits = bits << 6 | (uint32_t)(digit ? digit - digits : 0);
        kept += 6;
        if (kept >= 8) {
            kept -= 8;
            out[length++] = (uint8_t)(bits >> kept);
        }
    }
    return length;
}

static void to_hex(const uint8_t *data, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++)
        sprintf(out + 2 * i, "%02x", data[i]);
}

static int from_hex(const char *text, uint8_t *out, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned value;

        if (sscanf(text + 2 * i, "%2x", &value) != 1)
            return 0;
        out[i] = (uint8_t)value;
    }
    return 1;
}

/* --- what it keeps: 176 bytes, the size that the vendor's log shows -------------------------- */

static struct {
    uint32_t version, flags;
    char app_id[40], device_name[33];
    uint8_t app_secret[KEY], nonce[NONCE], device_secret[KEY];
    uint8_t unused[50];
} kept;

_Static_assert(sizeof kept == 176, "the size that the vendor's log shows");

enum { APP_ID = 1, APP_SECRET = 2, DEVICE_NAME = 4, HAS_NONCE = 8, DEVICE_SECRET = 16 };

static util_mutex_t *mutex;
static char header[256];
static char workspace[64];
static int64_t token_until_ms;

#if GENERATION >= 12
static int64_t (*now_ms)(void);
#endif

static void hang(void)
{
    const char *path = getenv("VENDOR_HANGS");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (file != NULL)
        fclose(file);
    for (;;)
        pause();
}

static int fault(const char *function, char *buffer, uint32_t size)
{
    const char *wanted = getenv("VENDOR_FAULT");
    size_t length = strlen(function);

    printf("[LICENSE][I][%s]app_secret [%.16s]\n", function, "printed-secrets!"); /* as it does */
    fflush(stdout);
    if (wanted == NULL || strncmp(wanted, function, length) != 0 || wanted[length] != ':')
        return 0;
    wanted += length + 1;
    if (strcmp(wanted, "crash") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(wanted, "hang") == 0)
        hang();
    if (strcmp(wanted, "exit") == 0)
        exit(0);
    if (strcmp(wanted, "scribble") == 0) {
        for (int descriptor = 3; descriptor < 16; descriptor++)
            dprintf(descriptor, "[LICENSE] ready\n7\n");
        return 0;
    }
    if (strcmp(wanted, "nonsense") == 0 && buffer != NULL)
        memset(buffer, 'x', size);
    return strcmp(wanted, "refuse") == 0 ? 3 : -1;
}

__attribute__((destructor)) static void at_exit(void)
{
    fault("at-exit", NULL, 0);
}

/* Returns 0 to go on; what else a function shall return at once is in *answer. */
#define FAULT(buffer, size)                               \
    do {                                                  \
        int f = fault(__func__, (char *)(buffer), size);  \
        if (f != 0)                                       \
            return f > 0 ? f : 0;                         \
    } while (0)

#if GENERATION >= 12
int32_t c_license_init(uint8_t *data, uint32_t size, int64_t (*time_function)(void))
{
    now_ms = time_function;
#else
int32_t c_license_init(uint8_t *data, uint32_t size)
{
#endif
    void *probe = util_malloc(16);

    FAULT(NULL, 0);
    util_free(probe);
    make_sbox();
    mutex = util_mutex_create();
    if (probe == NULL || mutex == NULL || !util_timestamp_inited() || size != sizeof kept)
        return 4;
    memcpy(&kept, data, sizeof kept);
    kept.version = 0x00010100;
    return 0;
}

int32_t c_license_set_app_id_str(char *app_id)
{
    snprintf(kept.app_id, sizeof kept.app_id, "%s", app_id);
    kept.flags |= APP_ID;
    return 0;
}

int32_t c_license_set_app_secret_str(char *app_secret)
{
    kept.flags |= APP_SECRET;
    return from_hex(app_secret, kept.app_secret, KEY) ? 0 : 4;
}

int32_t c_license_set_device_name(char *device_name)
{
    snprintf(kept.device_name, sizeof kept.device_name, "%s", device_name);
    kept.flags |= DEVICE_NAME;
    return 0;
}

int32_t c_license_set_device_secret_str(char *device_secret)
{
    kept.flags |= DEVICE_SECRET;
    return from_hex(device_secret, kept.device_secret, KEY) ? 0 : 4;
}

uint32_t c_license_get_storage_data(uint8_t *data, uint32_t size)
{
    if (fault(__func__, NULL, 0) != 0)
        return 1u << 30;
    if (size < sizeof kept)
        return 0;
    memcpy(data, &kept, sizeof kept);
    return sizeof kept;
}

/* --- messages -------------------------------------------------------------------------------- */

static void seal(const uint8_t key[KEY], const uint8_t nonce[NONCE], const char *plaintext,
                 char *signature)
{
    uint8_t sealed[TEXT];
    size_t length = strlen(plaintext);

    memcpy(sealed, plaintext, length);
    make_tag(key, nonce, sealed, length, sealed + length);
    apply_stream(key, nonce, sealed, length);
    to_base64(sealed, length + TAG, signature);
}

static int field(const char *json, const char *name, char *out, size_t size)
{
    char wanted[64];
    const char *found, *end;

    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    found = strstr(json, wanted);
    end = found == NULL ? NULL : strchr(found + strlen(wanted), '"');
    if (end == NULL || (size_t)(end - found) - strlen(wanted) >= size)
        return 0;
    found += strlen(wanted);
    memcpy(out, found, (size_t)(end - found));
    out[end - found] = '\0';
    return 1;
}

static int open_answer(const uint8_t key[KEY], const char *json, char *plaintext)
{
    char signature[TEXT], nonce_hex[2 * NONCE + 1];
    uint8_t nonce[NONCE], sealed[TEXT], tag[TAG];
    size_t length;

    if (!field(json, "signature", signature, sizeof signature) ||
        !field(json, "nonce", nonce_hex, sizeof nonce_hex) || !from_hex(nonce_hex, nonce, NONCE))
        return 0;
    length = from_base64(signature, sealed);
    if (length <= TAG)
        return 0;
    length -= TAG;
    apply_stream(key, nonce, sealed, length);
    make_tag(key, nonce, sealed, length, tag);
    if (memcmp(tag, sealed + length, TAG) != 0)
        return 0;
    memcpy(plaintext, sealed, length);
    plaintext[length] = '\0';
    return 1;
}

static void new_nonce(void)
{
    for (int i = 0; i < NONCE; i++)
        kept.nonce[i] = (uint8_t)util_random();
    kept.flags |= HAS_NONCE;
}

static int32_t write_request(char *buffer, uint32_t size, const char *time_ms, const char *token,
                             const char *api_key)
{
    char nonce[2 * NONCE + 1], plaintext[TEXT], signature[TEXT], key_part[320] = "";

    util_mutex_lock(mutex, -1);
    new_nonce();
    to_hex(kept.nonce, NONCE, nonce);
    if (api_key != NULL)
        snprintf(key_part, sizeof key_part, "\"apiKey\":\"%s\",", api_key);
    snprintf(plaintext, sizeof plaintext,
             "{%s\"appId\":\"%s\",\"deviceName\":\"%s\",\"payMode\":\"LICENSE\","
             "\"requestTime\":\"%s\",\"sdkVersion\":\"1.1.0\"%s}",
             key_part, kept.app_id, kept.device_name, time_ms, token);
    seal(*token ? kept.device_secret : kept.app_secret, kept.nonce, plaintext, signature);
    util_mutex_unlock(mutex);
    return snprintf(buffer, size,
                    "{\"appId\":\"%s\",\"deviceName\":\"%s\",\"nonce\":\"%s\",\"requestTime\":"
                    "\"%s\",\"sdkVersion\":\"1.1.0\"%s,\"signature\":\"%s\"}",
                    kept.app_id, kept.device_name, nonce, time_ms, token,
                    signature) < (int)size
               ? 0
               : 4;
}

#define TOKEN ",\"tokenType\":\"MMI\""

#if GENERATION >= 12
static char *time_text(void)
{
    static char text[21];

    snprintf(text, sizeof text, "%lld", (long long)now_ms());
    return text;
}

int32_t c_license_gen_register_str_v2(char *buffer, uint32_t size)
{
    FAULT(buffer, size);
    return write_request(buffer, size, time_text(), "", NULL);
}

int32_t c_license_gen_get_token_str_v2(char *buffer, uint32_t size, char *api_key)
{
    FAULT(buffer, size);
    return write_request(buffer, size, time_text(), TOKEN, api_key);
}

uint8_t c_license_is_token_expire_v2(void)
{
    return now_ms() < token_until_ms; /* 1 is valid: the vendor's name lies */
}

int32_t c_license_get_ws_id(char *ws_id)
{
    strcpy(ws_id, workspace);
    return *workspace ? 0 : 5;
}
#else
int32_t c_license_gen_register_str(char *buffer, uint32_t size, char *time_ms)
{
    FAULT(buffer, size);
    return write_request(buffer, size, time_ms, "", NULL);
}

int32_t c_license_gen_get_token_str(char *buffer, uint32_t size, char *time_ms, char *api_key)
{
    FAULT(buffer, size);
    return write_request(buffer, size, time_ms, TOKEN, api_key);
}

uint8_t c_license_is_token_expire(int64_t now)
{
    return now < token_until_ms;
}
#endif

int32_t c_license_analyze_register_rsp(char *answer)
{
    char plaintext[TEXT], secret[2 * KEY + 1];

    FAULT(NULL, 0);
    if (!open_answer(kept.app_secret, answer, plaintext) ||
        !field(plaintext, "deviceSecret", secret, sizeof secret))
        return 1;
    return c_license_set_device_secret_str(secret);
}

int32_t c_license_analyze_get_token_rsp(char *answer)
{
    char plaintext[TEXT], token[128], until[21];

    FAULT(NULL, 0);
    if (!open_answer(kept.device_secret, answer, plaintext) ||
        !field(plaintext, "dashToken", token, sizeof token) ||
        !field(plaintext, "expireTime", until, sizeof until))
        return 1;
    field(plaintext, "workspaceId", workspace, sizeof workspace);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    token_until_ms = atoll(until);
    return 0;
}

/* Of the vendor's other library, c_mmi.h. */
char *c_mmi_get_wss_header(void)
{
    if (fault(__func__, NULL, 0) != 0)
        return "Authorization: Bearer \xff\r\n";
    return header;
}

/* --- the signature of a task ------------------------------------------------------------------ */

static int32_t sign(char *buffer, uint32_t size, const char *timestamp, const char *task)
{
    char plaintext[TEXT], license[TEXT], device[TEXT];
    uint8_t id[16];

    if (!from_hex(task, id, sizeof id))
        return 4;
    snprintf(plaintext, sizeof plaintext,
             "{\"appId\":\"%s\",\"payMode\":\"LICENSE\",\"taskId\":\"%s\",\"timestamp\":\"%s\"}",
             kept.app_id, task, timestamp);
    seal(kept.device_secret, id, plaintext, license);
    snprintf(plaintext, sizeof plaintext,
             "{\"deviceName\":\"%s\",\"taskId\":\"%s\",\"timestamp\":\"%s\"}", kept.device_name,
             task, timestamp);
    seal(kept.device_secret, id + 3, plaintext, device);
    return snprintf(buffer, size,
                    "{\"timestamp\":\"%s\",\"license_info\":\"%s\",\"device_info\":\"%s\"}",
                    timestamp, license, device) < (int)size
               ? 0
               : 4;
}

#if GENERATION >= 12
int32_t c_license_mmi_gen_signature(char *buffer, uint32_t size, char *task)
{
    FAULT(buffer, size);
    return sign(buffer, size, time_text(), task);
}
#else
int32_t c_license_mmi_gen_signature(char *buffer, uint32_t size, char *timestamp, uint8_t *task)
{
    char text[33];

    FAULT(buffer, size);
    to_hex(task, 16, text);
    return sign(buffer, size, timestamp, text);
}
#endif

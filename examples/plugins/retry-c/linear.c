/* A retry policy: before the n-th repetition it waits n times `delay_ms`, until `attempts` were made.
 *
 * All that the ABI asks of it stands in this file: options with a schema, an instance, decisions, a descriptor.
 */
#include "batchmill_plugin.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) ((bm_str){(const uint8_t *)(literal), sizeof(literal) - 1})
#define STATIC_TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

BM_PLUGIN_HEADER("linear", "1.0.0", 1u << BM_KIND_RETRY);

/* ---- Options ------------------------------------------------------------------------------------------------------- */

struct linear {
    uint64_t attempts;
    uint64_t delay_ms;
};

static const struct linear DEFAULTS = {.attempts = 3, .delay_ms = 1000};

#define ATTEMPTS_MAX 100
#define DELAY_MS_MAX 3600000

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":3,"
    "\"description\":\"How often a job is tried in all.\"},"
    "\"delay_ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600000,\"default\":1000,"
    "\"description\":\"How much longer each wait is than the one before, in milliseconds.\"}}}";

static int32_t schema(void *ctx, const bm_writer *out) {
    (void)ctx;
    return out->write(out->ctx, TEXT(SCHEMA));
}

/* What is left of the options, and where what is wrong with them goes. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    const bm_writer *problems; /* null: nobody wants to know */
    unsigned problem_count;
};

static bool is_space(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

/* The next byte that is not white, or 0 behind the last one. */
static uint8_t peek(struct reader *in) {
    while (in->at < in->end && is_space(*in->at)) {
        in->at++;
    }
    return in->at < in->end ? *in->at : 0;
}

/* A string without its quotes, still escaped; `at` is at its first quote. */
static bm_str string(struct reader *in) {
    const uint8_t *start = ++in->at;
    while (in->at < in->end && *in->at != '"') {
        in->at += *in->at == '\\' && in->at + 1 < in->end ? 2 : 1;
    }
    bm_str text = {start, (size_t)(in->at - start)};
    if (in->at < in->end) {
        in->at++;
    }
    return text;
}

/* Passes over any value; true where it is a whole number that fits, which goes to `number`. */
static bool value(struct reader *in, uint64_t *number) {
    bool is_number = peek(in) >= '0' && peek(in) <= '9';
    unsigned depth = 0;
    *number = 0;
    while (in->at < in->end) {
        uint8_t byte = *in->at;
        if (depth == 0 && (byte == ',' || byte == '}')) {
            break;
        }
        if (byte == '"') {
            string(in);
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        if (byte >= '0' && byte <= '9' && *number <= UINT32_MAX) {
            *number = *number * 10 + (byte - '0');
        } else if (!is_space(byte)) {
            is_number = false;
        }
        in->at++;
    }
    return is_number;
}

/* One more problem in the list. The key comes from JSON, so it is escaped already. */
static void problem(struct reader *in, bm_str key, bm_str at_key, bm_str message) {
    const bm_writer *out = in->problems;
    in->problem_count++;
    if (out == NULL) {
        return;
    }
    out->write(out->ctx, in->problem_count == 1 ? TEXT("[{\"path\":[\"") : TEXT(",{\"path\":[\""));
    out->write(out->ctx, key);
    out->write(out->ctx, TEXT("\"],\"at_key\":"));
    out->write(out->ctx, at_key);
    out->write(out->ctx, TEXT(",\"message\":\""));
    out->write(out->ctx, message);
    out->write(out->ctx, TEXT("\"}"));
}

static bool is(bm_str text, bm_str other) { return text.len == other.len && memcmp(text.ptr, other.ptr, text.len) == 0; }

static void option(struct reader *in, bm_str key, struct linear *out) {
    uint64_t number;
    bool is_number = value(in, &number);
    if (is(key, TEXT("attempts"))) {
        if (is_number && number >= 1 && number <= ATTEMPTS_MAX) {
            out->attempts = number;
        } else {
            problem(in, key, TEXT("false"), TEXT("must be a whole number from 1 to 100"));
        }
    } else if (is(key, TEXT("delay_ms"))) {
        if (is_number && number <= DELAY_MS_MAX) {
            out->delay_ms = number;
        } else {
            problem(in, key, TEXT("false"), TEXT("must be a whole number from 0 to 3600000"));
        }
    } else {
        problem(in, key, TEXT("true"), TEXT("is no option of linear, which has attempts and delay_ms"));
    }
}

/* Reads the options, an object as the host wrote it, and tells every problem. */
static int32_t read_options(bm_str json, const bm_writer *problems, struct linear *out) {
    struct reader in = {.at = json.ptr, .end = json.ptr + json.len, .problems = problems};
    *out = DEFAULTS;
    if (peek(&in) == '{') {
        in.at++;
    }
    while (peek(&in) == '"') {
        bm_str key = string(&in);
        if (peek(&in) == ':') {
            in.at++;
        }
        option(&in, key, out);
        if (peek(&in) == ',') {
            in.at++;
        }
    }
    if (in.problem_count == 0) {
        return BM_OK;
    }
    if (problems != NULL) {
        problems->write(problems->ctx, TEXT("]"));
    }
    return BM_CONFIG;
}

static int32_t validate(void *ctx, bm_str options, const bm_writer *problems) {
    (void)ctx;
    struct linear ignored;
    return read_options(options, problems, &ignored);
}

/* ---- The policy ---------------------------------------------------------------------------------------------------- */

static int32_t create(void *ctx, bm_str options, const bm_build_info *info, void **out, const bm_writer *error) {
    (void)ctx, (void)info;
    struct linear *self = malloc(sizeof *self);
    if (self == NULL) {
        error->write(error->ctx, TEXT("no memory"));
        return BM_ERROR;
    }
    int32_t done = read_options(options, error, self);
    if (done != BM_OK) {
        free(self);
        return done;
    }
    *out = self;
    return BM_OK;
}

static int32_t destroy(void *self) {
    free(self);
    return BM_OK;
}

/* Called from many threads at once: it reads only. */
static int32_t decide(void *this, const bm_failed_attempt *failed, bm_retry_decision *out, const bm_writer *reason,
                      const bm_writer *error) {
    (void)error;
    const struct linear *self = this;
    if (failed->attempt >= self->attempts) {
        reason->write(reason->ctx, TEXT("all attempts are used"));
        out->action = BM_RETRY_GIVE_UP;
        return BM_OK;
    }
    uint64_t delay_ns = failed->attempt * self->delay_ms * UINT64_C(1000000);
    out->action = BM_RETRY_AFTER;
    out->delay_ns = failed->has_hint && failed->hint_ns > delay_ns ? failed->hint_ns : delay_ns;
    return BM_OK;
}

/* ---- What the host is told ----------------------------------------------------------------------------------------- */

static const bm_retry table = {
    .size = sizeof(bm_retry),
    .create = create,
    .destroy = destroy,
    .decide = decide,
};

static const bm_ext_desc extensions[] = {{
    .size = sizeof(bm_ext_desc),
    .kind = BM_KIND_RETRY,
    .kind_version = BM_KIND_VERSION,
    .table = &table,
    .name = STATIC_TEXT("linear"),
    .about = STATIC_TEXT("repeats failed attempts, each wait longer than the last one by the same time"),
    .schema = schema,
    .validate = validate,
}};

static const bm_plugin_desc descriptor = {
    .size = sizeof(bm_plugin_desc),
    .abi_major = BM_ABI_MAJOR,
    .magic = BM_MAGIC,
    .header = &bm_plugin_header,
    .extensions = extensions,
    .extension_count = 1,
    .extension_stride = sizeof(bm_ext_desc),
};

const bm_plugin_desc *bm_plugin_v1(void) { return &descriptor; }

/* The plugin ABI of Batchmill, version 1.1.
 *
 * FROZEN. Fields and functions are appended at the end of a struct, with a new minor version; none is ever removed, moved,
 * retyped or given another meaning. Every struct begins with its size in bytes as the side that made it knows it: look at a
 * field only if the size covers it. A function that is null has a default behaviour, where its comment says so.
 *
 * OWNERSHIP. No memory ever changes its owner.
 *  - Text and structs in: borrowed until the call returns; copy what you keep. Text is UTF-8, a pointer and a length, and
 *    does not end with a zero.
 *  - Text out: only through the bm_writer of the call. The host takes 1 MiB a call.
 *  - An instance: made by `create`, ended by `destroy`, both of the plugin; the host only hands the pointer back.
 *  - Jobs are tokens, calls of sinks are tickets: numbers of the host.
 *  - Descriptor, tables and names are static.
 *
 * THREADS. Scheduler, failure strategy and governor: one call at a time, from any thread. Retry policy: many at once. Sink:
 * one call at a time; it answers soon and completes its ticket from any thread.
 *
 * A decision must not block: it is made under the lock of all decisions. One that does not return in a second ends the host.
 *
 * A plugin must not: change signal handlers, the environment or the working directory, fork, write to stdout, exit. An
 * exception must not leave it.
 *
 * BUILD
 *     cc -shared -fPIC -O2 -o libNAME.so NAME.c
 * and put BM_PLUGIN_HEADER(...) into one of its files.
 */
#ifndef BATCHMILL_PLUGIN_H
#define BATCHMILL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BM_MAGIC UINT64_C(0x424d504c5547494e) /* "BMPLUGIN" */
#define BM_ABI_MAJOR 1
#define BM_ABI_MINOR 1
#define BM_NEVER UINT64_MAX /* no moment, no deadline, not known */

/* Answers of functions. Any other negative number is an error. */
#define BM_OK 0
#define BM_NONE 1       /* nothing to answer: not here, no value */
#define BM_ERROR (-1)   /* it failed; the message says why */
#define BM_PANIC (-2)   /* it panicked; the instance is not called any more */
#define BM_POISONED (-3) /* it panicked before */
#define BM_CONFIG (-4)  /* the options are wrong; the message is a JSON list of problems */
#define BM_TEMPORARY (-5) /* it failed; the same again may help (of sinks) */
#define BM_CLOSED (-6)  /* the reader is gone and nobody wants the rest (of sinks) */

/* Flags of the header. */
#define BM_FLAG_PANIC_ABORT 1 /* a panic ends the process: refused */
#define BM_FLAG_DEBUG 2       /* built without optimisation */
#define BM_FLAG_THREADS 4     /* has threads of its own */

/* Kinds. */
#define BM_KIND_SCHEDULER 1
#define BM_KIND_RETRY 2
#define BM_KIND_FAILURE 3
#define BM_KIND_GOVERNOR 4
#define BM_KIND_SINK 5
#define BM_KIND_NODE 6         /* not frozen (version 0): not loaded */
#define BM_KIND_CHECKPOINTER 7 /* not frozen (version 0): not loaded */
#define BM_KIND_VERSION 1      /* of the frozen kinds */

/* Error classes. */
#define BM_CLASS_NONE 0
#define BM_CLASS_TRANSIENT 1
#define BM_CLASS_RECOVERABLE 2
#define BM_CLASS_PERMANENT 3
#define BM_CLASS_FATAL 4
#define BM_CLASS_TIMEOUT 5
#define BM_CLASS_RESOURCE 6
#define BM_CLASS_CRASH 7
#define BM_CLASS_CANCELLED 8

/* How jobs end. */
#define BM_STATUS_SUCCEEDED 1
#define BM_STATUS_FAILED 2
#define BM_STATUS_TIMED_OUT 3
#define BM_STATUS_CANCELLED 4
#define BM_STATUS_SKIPPED 5
#define BM_STATUS_QUARANTINED 6

/* Levels of the log. */
#define BM_LOG_ERROR 1
#define BM_LOG_WARN 2
#define BM_LOG_INFO 3
#define BM_LOG_DEBUG 4
#define BM_LOG_TRACE 5

/* Metrics: what they are, and what is done to them. */
#define BM_METRIC_COUNTER 0
#define BM_METRIC_GAUGE 1
#define BM_METRIC_HISTOGRAM 2
#define BM_METRIC_ADD 0
#define BM_METRIC_SET 1
#define BM_METRIC_RECORD 2

typedef struct bm_str {
    const uint8_t *ptr; /* may be null where len is 0 */
    size_t len;
} bm_str;

/* The only way for text out of a plugin. May be called several times; what is written is appended. */
typedef struct bm_writer {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    int32_t (*write)(void *ctx, bm_str text);
} bm_writer;

/* In the section .bmplugin of the file, read before any code of the plugin runs. Texts are padded with zeros. */
typedef struct bm_header {
    uint64_t magic;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t header_size;
    uint32_t flags;
    uint32_t min_host_minor; /* the oldest host that the plugin can do with */
    uint32_t kinds;          /* bit 1 << BM_KIND_* of each kind in it */
    char name[64];           /* [a-z0-9_-], 1 to 63 characters */
    char version[32];
    char toolchain[64];
    char target[48];
    uint8_t reserved[64];
} bm_header;

typedef struct bm_completion {
    uint32_t size;
    int32_t status; /* BM_OK, BM_ERROR, BM_TEMPORARY, BM_CLOSED */
    uint32_t value; /* of resume: BM_RESUMED_* */
    uint32_t reserved;
    bm_str message;
} bm_completion;

/* What the host offers, valid until the process ends. Call any of these from any thread, also inside a call from the host. */
typedef struct bm_host {
    uint32_t size;
    uint32_t abi_minor;
    void *ctx; /* the first argument of every function */
    int32_t (*log_enabled)(void *ctx, uint32_t level, bm_str target);
    void (*log)(void *ctx, uint32_t level, bm_str target, bm_str message, bm_str fields_json);
    /* Answers with an id, 0 where it is refused: names of `batchmill_` are the host's. The host adds the label `plugin`. */
    uint64_t (*metric_register)(void *ctx, uint32_t kind, bm_str name, bm_str labels_json);
    void (*metric_update)(void *ctx, uint64_t id, uint32_t operation, double value);
    void (*complete)(void *ctx, uint64_t ticket, const bm_completion *completion);
    int32_t (*shutting_down)(void *ctx);
    uint64_t (*now_ns)(void *ctx); /* a clock that never goes back, from an unknown beginning */
} bm_host;

/* One extension; static. */
typedef struct bm_ext_desc {
    uint32_t size;
    uint32_t kind;         /* BM_KIND_* */
    uint32_t kind_version; /* BM_KIND_VERSION */
    uint32_t reserved;
    void *ctx;         /* the first argument of schema, validate and create */
    const void *table; /* bm_scheduler, bm_retry, bm_failure, bm_governor or bm_sink */
    bm_str name;       /* the `kind` in config: [a-z0-9_-], 1 to 63 characters */
    bm_str about;      /* one sentence */
    /* Writes the JSON Schema (2020-12) of the options. Null: any object. */
    int32_t (*schema)(void *ctx, const bm_writer *out);
    /* Pure. BM_CONFIG: `problems` has a JSON list of {"path": ["key", ..], "message": "..", "at_key": bool}. Null: all are fine. */
    int32_t (*validate)(void *ctx, bm_str options_json, const bm_writer *problems);
} bm_ext_desc;

/* Answered by bm_plugin_v1; static. */
typedef struct bm_plugin_desc {
    uint32_t size;
    uint32_t abi_major;
    uint64_t magic;
    const bm_header *header;
    const bm_ext_desc *extensions;
    uint32_t extension_count; /* at most 64 */
    uint32_t extension_stride; /* sizeof(bm_ext_desc) */
    /* Called once, before anything else; anything but BM_OK refuses the plugin. May be null. */
    int32_t (*init)(const bm_host *host, const bm_writer *error);
    void (*shutdown)(void); /* may be null */
} bm_plugin_desc;

typedef struct bm_build_info {
    uint32_t size;
    uint32_t resumes; /* 1: the batch was begun by an earlier host */
    bm_str directory; /* relative paths in options start here */
} bm_build_info;

/* ---- Scheduler: which job is next ---------------------------------------------------------------------------------- */

#define BM_CAN_HOLD UINT64_C(1)   /* of capabilities: hold and release are implemented */
#define BM_HAS_SHARES UINT64_C(2) /* of capabilities: it divides by shares (1.1) */
#define BM_CHARGES_MEMORY UINT64_C(4) /* of capabilities: by memory, so that it is worth to look at it (1.1) */
#define BM_SKIPS_FINISH UINT64_C(8) /* of capabilities: ends of attempts change nothing, on_finish need not be called (1.1) */

#define BM_USED_MEMORY UINT64_C(1) /* of bm_usage.measured */
#define BM_USED_CPU UINT64_C(2)

typedef struct bm_entry {
    uint32_t size;
    uint32_t class_id;  /* jobs of a class are held together */
    uint64_t token;     /* the job */
    bm_str share;       /* whose share it counts against, as a path: org/team/user */
    double cost;        /* its weight in that share: finite and above 0 */
    uint64_t enqueued;  /* when it was first queued; a retried job keeps it, so entries may come late */
    uint64_t deadline;  /* when it must have ended, or BM_NEVER */
    uint64_t priority;  /* 0 to 255, larger is sooner */
} bm_entry;

typedef struct bm_usage {
    uint32_t size;
    uint32_t reserved;
    uint64_t ran_ns; /* how long the attempt held its slot */
    /* Since 1.1. */
    uint64_t measured;    /* bits BM_USED_* of what is known of the rest */
    uint64_t peak_memory; /* the most memory that its processes held at once, in bytes */
    uint64_t cpu_ns;      /* how long its processes kept a CPU busy */
} bm_usage;

#define BM_PICK_RUN 0        /* start this one: value is its token, which leaves the scheduler */
#define BM_PICK_NOT_BEFORE 1 /* nothing may start before a moment after now: value */
#define BM_PICK_EMPTY 2      /* nothing may start until something is pushed or released */

typedef struct bm_pick {
    uint32_t size;
    uint32_t answer; /* BM_PICK_* */
    uint64_t value;
} bm_pick;

/* Since 1.1: what a share used. */
typedef struct bm_share_usage {
    uint32_t size;
    uint32_t reserved;
    bm_str share; /* as entries name it */
    double amount; /* finite and not below 0 */
} bm_share_usage;

/* Since 1.1: the way for it out of a plugin, one call a share. The host takes a million a call. */
typedef struct bm_share_writer {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    int32_t (*write)(void *ctx, const bm_share_usage *used);
} bm_share_writer;

/* Since 1.1: how use is remembered. */
typedef struct bm_usage_memory {
    uint32_t size;
    uint32_t reserved;
    uint64_t half_life_ns; /* after this time an amount counts half; above 0 */
} bm_usage_memory;

/* Promises: every pushed token leaves exactly once, by pop or by remove; the same calls give the same picks. */
typedef struct bm_scheduler {
    uint32_t size;
    uint32_t reserved;
    int32_t (*create)(void *ctx, bm_str options_json, const bm_build_info *info, void **out, const bm_writer *error);
    int32_t (*destroy)(void *self);
    uint64_t (*capabilities)(void *self); /* null: none */
    int32_t (*push)(void *self, const bm_entry *entry, const bm_writer *error);
    int32_t (*pop)(void *self, uint64_t now, bm_pick *out, const bm_writer *error);
    int32_t (*remove)(void *self, uint64_t token, const bm_writer *error); /* BM_NONE: it is not here */
    int32_t (*len)(void *self, uint64_t *out, const bm_writer *error);
    /* Null: it does not want to know. */
    int32_t (*on_finish)(void *self, uint64_t token, const bm_usage *usage, const bm_writer *error);
    int32_t (*hold)(void *self, uint32_t class_id, const bm_writer *error);    /* null without BM_CAN_HOLD */
    int32_t (*release)(void *self, uint32_t class_id, const bm_writer *error); /* null without BM_CAN_HOLD */
    /* Jobs ahead (BM_NEVER: not known) and a clause that says why. BM_NONE: it is not here. Null: it does not say. */
    int32_t (*explain)(void *self, uint64_t token, uint64_t now, uint64_t *ahead, const bm_writer *reason,
                       const bm_writer *error);
    /* Entries lie `stride` bytes apart. Null: push one by one. */
    int32_t (*push_many)(void *self, const bm_entry *entries, size_t count, size_t stride, const bm_writer *error);
    /* `last`: why it stopped before `max`, BM_PICK_RUN if it did not. Null: pop one by one. */
    int32_t (*pop_many)(void *self, uint64_t now, size_t max, uint64_t *tokens, size_t *picked, bm_pick *last,
                        const bm_writer *error);
    /* Since 1.1, all null without BM_HAS_SHARES, none of them with it. */
    int32_t (*weight)(void *self, bm_str share, double *out, const bm_writer *error);
    /* BM_NONE: it cannot be, and `why` says why. */
    int32_t (*set_weight)(void *self, bm_str share, double weight, const bm_writer *why, const bm_writer *error);
    /* How use is remembered, and the word for what amounts count. BM_NONE: it is not. Asked once an instance. */
    int32_t (*memory)(void *self, bm_usage_memory *out, const bm_writer *unit, const bm_writer *error);
    /* What shares used elsewhere or before; amounts lie `stride` bytes apart. */
    int32_t (*recall)(void *self, uint64_t now, const bm_share_usage *used, size_t count, size_t stride,
                      const bm_writer *error);
    /* Hands out what was used since it was last asked, each amount once. */
    int32_t (*take_usage)(void *self, const bm_share_writer *out, const bm_writer *error);
} bm_scheduler;

/* ---- Retry policy: whether and when a failed attempt is repeated --------------------------------------------------- */

typedef struct bm_failed_attempt {
    uint32_t size;
    uint32_t attempt;     /* failed so far, this one included: from 1 */
    uint32_t error_class; /* BM_CLASS_*; never fatal or cancelled */
    uint32_t has_hint;    /* 1: the other side named a delay */
    uint64_t elapsed_ns;  /* since the first attempt started */
    uint64_t hint_ns;     /* no wait may be shorter */
    double draw;          /* uniform in [0, 1): the only chance there is */
} bm_failed_attempt;

#define BM_RETRY_AFTER 0
#define BM_RETRY_GIVE_UP 1

typedef struct bm_retry_decision {
    uint32_t size;
    uint32_t action; /* BM_RETRY_* */
    uint64_t delay_ns;
} bm_retry_decision;

typedef struct bm_retry_budget {
    uint32_t size;
    uint32_t burst;    /* 1 or more */
    double ratio;      /* 0 to 100 */
    double per_second; /* 0.001 to 1,000,000 */
} bm_retry_budget;

/* Promises: pure, from any thread, also at the same time; finite: every class is given up at some attempt. */
typedef struct bm_retry {
    uint32_t size;
    uint32_t reserved;
    int32_t (*create)(void *ctx, bm_str options_json, const bm_build_info *info, void **out, const bm_writer *error);
    int32_t (*destroy)(void *self);
    /* `reason`: the clause of a BM_RETRY_GIVE_UP, for people. */
    int32_t (*decide)(void *self, const bm_failed_attempt *failed, bm_retry_decision *out, const bm_writer *reason,
                      const bm_writer *error);
    int32_t (*budget)(void *self, bm_retry_budget *out, const bm_writer *error); /* BM_NONE, or null: none */
} bm_retry;

/* ---- Failure strategy: when failures stop a batch ------------------------------------------------------------------ */

typedef struct bm_final_result {
    uint32_t size;
    uint32_t status;      /* BM_STATUS_* */
    uint32_t error_class; /* BM_CLASS_* */
    uint32_t reserved;
    uint64_t at; /* when its end was decided */
} bm_final_result;

#define BM_DIRECTIVE_CONTINUE 0
#define BM_DIRECTIVE_PAUSE 1 /* start nothing until a person lets the batch go on */
#define BM_DIRECTIVE_SOON 2  /* start nothing more; running jobs finish */
#define BM_DIRECTIVE_NOW 3   /* stop running jobs too */

typedef struct bm_directive {
    uint32_t size;
    uint32_t action;  /* BM_DIRECTIVE_* */
    uint32_t success; /* 1: to be stopped so is a success of the batch */
    uint32_t reserved;
} bm_directive;

/* Promises: its state derives from these calls only, so that a resume can replay them. */
typedef struct bm_failure {
    uint32_t size;
    uint32_t reserved;
    int32_t (*create)(void *ctx, bm_str options_json, const bm_build_info *info, void **out, const bm_writer *error);
    int32_t (*destroy)(void *self);
    /* Of all but BM_DIRECTIVE_CONTINUE, `rule` and `message` say which rule was reached and what it saw. */
    int32_t (*on_result)(void *self, const bm_final_result *result, uint64_t total, bm_directive *out,
                         const bm_writer *rule, const bm_writer *message, const bm_writer *error);
} bm_failure;

/* ---- Governor: how many attempts may run at once ------------------------------------------------------------------- */

typedef struct bm_load_sample { /* a ratio that is not known is not a number (NaN) */
    uint32_t size;
    uint32_t in_flight;
    uint64_t at;
    uint64_t interval_ns; /* time covered */
    uint64_t queued;
    uint64_t finished;      /* attempts that ended since the last sample */
    uint64_t failed;        /* of these */
    double latency_ratio;   /* observed over expected attempt time */
    double memory_ratio;    /* used over allowed */
    double cpu_ratio;       /* used over available */
    double memory_pressure; /* PSI some avg10, 0 to 100 */
    /* Since 1.1. */
    uint64_t strained;  /* of those that failed: in a way that too much load may cause */
    uint64_t throttled; /* of these: were asked to come back later */
} bm_load_sample;

typedef struct bm_adjustment {
    uint32_t size;
    uint32_t limit; /* 1 or more */
} bm_adjustment;

typedef struct bm_governor {
    uint32_t size;
    uint32_t reserved;
    int32_t (*create)(void *ctx, bm_str options_json, const bm_build_info *info, void **out, const bm_writer *error);
    int32_t (*destroy)(void *self);
    /* BM_NONE: the limit stays. `reason`: one word of a closed set. */
    int32_t (*adjust)(void *self, const bm_load_sample *sample, uint32_t current, bm_adjustment *out,
                      const bm_writer *reason, const bm_writer *error);
    /* Since 1.1. How often it is asked, 100 ms or more. BM_NONE: never. Asked once an instance. Null: each second. */
    int32_t (*window)(void *self, uint64_t *nanoseconds, const bm_writer *error);
    /* Since 1.1. The limits that it answers, from 1 or more. Asked once an instance. Null: all. */
    int32_t (*range)(void *self, uint32_t *least, uint32_t *most, const bm_writer *error);
} bm_governor;

/* ---- Sink: where results go ---------------------------------------------------------------------------------------- */

typedef struct bm_record {
    uint32_t size;
    uint32_t status;   /* BM_STATUS_* */
    uint64_t sequence; /* the job's place in submission order */
    uint32_t attempts;
    uint32_t priority;
    int64_t queued_at_us;   /* microseconds since 1970 */
    int64_t started_at_us;  /* INT64_MIN: it never started */
    int64_t finished_at_us;
    uint64_t queued_ns;
    uint64_t duration_ns;
    bm_str job_id;
    bm_str tenant;
    bm_str output; /* JSON; empty: none */
    bm_str error;  /* a JSON object; empty: none */
} bm_record;

#define BM_RESUMED_AT_MARK 0 /* what was written after the mark is gone, or will come again */
#define BM_RESUMED_EMPTY 1   /* everything must come again */

/* BM_OK of write, flush, close and resume means: accepted, host->complete(ticket) will be called, once, from any thread. With
 * anything else no completion follows. The next call comes when the ticket of the one before is complete. */
typedef struct bm_sink {
    uint32_t size;
    uint32_t reserved;
    int32_t (*create)(void *ctx, bm_str options_json, const bm_build_info *info, void **out, const bm_writer *error);
    int32_t (*destroy)(void *self);
    int32_t (*write)(void *self, uint64_t ticket, bm_str batch, const bm_record *records, size_t count, size_t stride,
                     const bm_writer *error);
    int32_t (*flush)(void *self, uint64_t ticket, const bm_writer *error);
    int32_t (*close)(void *self, uint64_t ticket, const bm_writer *error);
    /* Takes back what was written after the mark, or, without one, everything. Null: it cannot. */
    int32_t (*resume)(void *self, uint64_t ticket, uint32_t has_mark, bm_str mark, const bm_writer *error);
    /* Stands for everything that was written: at most 1,024 bytes. BM_NONE, or null: none. */
    int32_t (*mark)(void *self, const bm_writer *mark, const bm_writer *error);
    /* Since 1.1: JSON about the batch for its report, asked for after `close`. BM_NONE, or null: nothing. */
    int32_t (*summary)(void *self, const bm_writer *json, const bm_writer *error);
} bm_sink;

/* The one function that a plugin exports. */
const bm_plugin_desc *bm_plugin_v1(void);

/* The header, in its section. `bm_plugin_header` is its name for the descriptor. */
#define BM_PLUGIN_HEADER(plugin_name, plugin_version, plugin_kinds)                                                          \
    __attribute__((section(".bmplugin"), used)) static const bm_header bm_plugin_header = {                                  \
        .magic = BM_MAGIC,                                                                                                   \
        .abi_major = BM_ABI_MAJOR,                                                                                           \
        .abi_minor = BM_ABI_MINOR,                                                                                           \
        .header_size = sizeof(bm_header),                                                                                    \
        .kinds = (plugin_kinds),                                                                                             \
        .name = plugin_name,                                                                                                 \
        .version = plugin_version,                                                                                           \
        .toolchain = "C " __VERSION__,                                                                                       \
    }

#if !defined(__cplusplus) && UINTPTR_MAX == UINT64_MAX
_Static_assert(sizeof(bm_header) == 304, "bm_header");
_Static_assert(sizeof(bm_host) == 72, "bm_host");
_Static_assert(sizeof(bm_plugin_desc) == 56, "bm_plugin_desc");
_Static_assert(sizeof(bm_ext_desc) == 80, "bm_ext_desc");
_Static_assert(sizeof(bm_entry) == 64, "bm_entry");
_Static_assert(sizeof(bm_scheduler) == 152, "bm_scheduler");
_Static_assert(sizeof(bm_retry) == 40, "bm_retry");
_Static_assert(sizeof(bm_failure) == 32, "bm_failure");
_Static_assert(sizeof(bm_governor) == 48, "bm_governor");
_Static_assert(sizeof(bm_record) == 128, "bm_record");
_Static_assert(sizeof(bm_sink) == 72, "bm_sink");
#endif

#ifdef __cplusplus
}
#endif

#endif /* BATCHMILL_PLUGIN_H */

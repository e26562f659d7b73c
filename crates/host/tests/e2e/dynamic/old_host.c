/* A host as it might have been before the newest services existed: its table ends behind `log`. It loads a plugin, makes a
 * scheduler of it, and has it order some jobs. */
#include "batchmill_plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                                                                     \
    do {                                                                                                                     \
        if (!(condition)) {                                                                                                  \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                                                  \
            return 1;                                                                                                        \
        }                                                                                                                    \
    } while (0)

static char said[4096];

static int32_t take(void *ctx, bm_str text) {
    (void)ctx;
    size_t used = strlen(said), room = sizeof said - 1 - used;
    memcpy(said + used, text.ptr, text.len < room ? text.len : room);
    return BM_OK;
}

static int32_t log_enabled(void *ctx, uint32_t level, bm_str target) {
    (void)ctx, (void)level, (void)target;
    return 1;
}

static int logged;

static void log_it(void *ctx, uint32_t level, bm_str target, bm_str message, bm_str fields) {
    (void)ctx, (void)level, (void)target, (void)message, (void)fields;
    logged += 1;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    const bm_plugin_desc *(*entry)(void);
    *(void **)&entry = dlsym(library, "bm_plugin_v1");
    CHECK(entry != NULL);
    const bm_plugin_desc *plugin = entry();
    CHECK(plugin != NULL && plugin->magic == BM_MAGIC && plugin->abi_major == BM_ABI_MAJOR);

    static bm_host host = {.size = offsetof(bm_host, metric_register), .log_enabled = log_enabled, .log = log_it};
    bm_writer error = {.size = sizeof error, .write = take};
    CHECK(plugin->init(&host, &error) == BM_OK);

    const bm_ext_desc *extension = plugin->extensions;
    CHECK(extension->kind == BM_KIND_SCHEDULER);
    const bm_scheduler *table = extension->table;
    bm_str options = {(const uint8_t *)"{}", 2};
    CHECK(extension->validate(extension->ctx, options, &error) == BM_OK);
    bm_build_info info = {.size = sizeof info, .directory = {(const uint8_t *)".", 1}};
    void *scheduler = NULL;
    CHECK(table->create(extension->ctx, options, &info, &scheduler, &error) == BM_OK && scheduler != NULL);

    for (uint64_t token = 1; token <= 100; token++) {
        bm_entry entry = {.size = sizeof entry, .token = token, .share = {(const uint8_t *)"a/b", 3}, .cost = 1,
                          .enqueued = token, .deadline = BM_NEVER};
        CHECK(table->push(scheduler, &entry, &error) == BM_OK);
    }
    uint64_t length = 0;
    CHECK(table->len(scheduler, &length, &error) == BM_OK && length == 100);
    CHECK(table->remove(scheduler, 50, &error) == BM_OK);
    CHECK(table->remove(scheduler, 50, &error) == BM_NONE);
    for (uint64_t token = 1; token <= 100; token++) {
        if (token == 50) {
            continue;
        }
        bm_pick pick = {.size = sizeof pick};
        CHECK(table->pop(scheduler, 1000, &pick, &error) == BM_OK);
        CHECK(pick.answer == BM_PICK_RUN && pick.value == token);
    }
    bm_pick pick = {.size = sizeof pick};
    CHECK(table->pop(scheduler, 1000, &pick, &error) == BM_OK && pick.answer == BM_PICK_EMPTY);
    CHECK(table->destroy(scheduler) == BM_OK);

    /* One that panics answers so, and is not called any more. */
    bm_str panics = {(const uint8_t *)"{\"fault\": \"panic\"}", 18};
    CHECK(table->create(extension->ctx, panics, &info, &scheduler, &error) == BM_OK);
    CHECK(table->pop(scheduler, 0, &pick, &error) == BM_PANIC);
    CHECK(strcmp(said, "it panics in a call") == 0);
    CHECK(table->pop(scheduler, 0, &pick, &error) == BM_POISONED);
    CHECK(table->destroy(scheduler) == BM_OK);
    CHECK(logged > 0);
    puts("all as it should be");
    return 0;
}

/* Parity of what carries data: copies of odd sizes through the ring of stages, their order among
 * operations, graphs that run again on new input, and errors that say what is wrong. */
#include "tests/gpu/parity.h"

#include <stdio.h>
#include <string.h>

static uint8_t *random_bytes(parity *p, size_t size) {
    uint8_t *bytes = parity_host(p, size + 4);
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = rlt_rng_u32(&p->rng);
        memcpy(bytes + i, &word, 4);
    }
    return bytes;
}

static void round_trips(parity *p) {
    const rlt_backend *b = p->device->backend;
    static const size_t sizes[] = {1, 3, 4096, 4194303, 4194304, 4194305, 20000001};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        parity_begin(p, "round trip of memory");
        uint8_t *from = random_bytes(p, sizes[i]), *kept = parity_host(p, sizes[i]);
        uint8_t *to = parity_host(p, sizes[i]);
        char *memory = parity_up(p, p->device, NULL, 2 * sizes[i]);
        memcpy(kept, from, sizes[i]);
        b->upload(p->device, memory, from, sizes[i]);
        memset(from, 0, sizes[i]); /* what was ordinary memory may change at once */
        b->copy(p->device, memory + sizes[i], memory, sizes[i]);
        b->zero(p->device, memory, sizes[i]);
        b->download(p->device, to, memory + sizes[i], sizes[i]);
        parity_same(p, "the copy differs", to, kept, sizes[i]);
        b->download(p->device, to, memory, sizes[i]);
        parity_same(p, "zero left something", to, from, sizes[i]);
        parity_synced(p, p->device);
    }
}

static void pinned(parity *p) {
    const rlt_backend *b = p->device->backend;
    size_t size = 9000001;
    void *from = NULL, *to = NULL;
    rlt_err err = {0};
    parity_begin(p, "round trip of pinned memory");
    bool ok = b->alloc_host(p->device, size, &from, &err) == RLT_OK &&
              b->alloc_host(p->device, size, &to, &err) == RLT_OK;
    parity_true(p, ok ? "alloc_host" : err.message, ok);
    if (ok) {
        memcpy(from, random_bytes(p, size), size);
        void *memory = parity_up(p, p->device, NULL, size);
        b->upload(p->device, memory, from, size);
        b->download(p->device, to, memory, size);
        parity_same(p, "the copy differs", to, from, size);
    }
    b->free_host(p->device, from);
    b->free_host(p->device, to);
    parity_synced(p, p->device);
}

/* y = x + x2 over device memory. */
static void sum(rlt_device *device, int n, const float *x, const float *x2, float *y) {
    rlt_op op = {.kind = RLT_OP_add, .in = n, .out = n};
    rlt_op_io io = {.steps = 1, .seqs = 1, .x = x, .x2 = x2, .y = y};
    device->backend->forward[RLT_OP_add](device, &op, &io);
}

/* Uploads that overtake nothing: each sum sees what was uploaded before it, and no later one. */
static void order(parity *p) {
    enum { N = 300000, TURNS = 12 };
    const rlt_backend *b = p->device->backend;
    parity_begin(p, "uploads among operations");
    float *host = parity_host(p, sizeof(float) * N), *total = parity_host(p, sizeof(float) * N);
    float *x = parity_up(p, p->device, NULL, sizeof(float) * N);
    float *y = parity_up(p, p->device, NULL, sizeof(float) * N);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < N; i++) {
            host[i] = (float)(turn * 3 + i % 7);
        }
        b->upload(p->device, x, host, sizeof(float) * N);
        sum(p->device, N, x, y, y);
    }
    b->download(p->device, total, y, sizeof(float) * N);
    for (int i = 0; i < N; i++) {
        host[i] = (float)(3 * TURNS * (TURNS - 1) / 2 + TURNS * (i % 7));
    }
    parity_same(p, "the sums differ", total, host, sizeof(float) * N);
    parity_synced(p, p->device);
}

static void graphs(parity *p) {
    enum { N = 1001 };
    const rlt_backend *b = p->device->backend;
    rlt_graph *graph = NULL;
    rlt_err err = {0};
    parity_begin(p, "a graph run again");
    float *x = parity_up(p, p->device, NULL, sizeof(float) * N);
    float *y = parity_up(p, p->device, NULL, sizeof(float) * N);
    float *z = parity_up(p, p->device, NULL, sizeof(float) * N);
    float got[N], want[N];
    bool ok = b->record_begin(p->device, &err) == RLT_OK;
    sum(p->device, N, x, y, z);
    b->copy(p->device, y, z, sizeof got);
    b->zero(p->device, z, sizeof got);
    ok = ok && b->record_end(p->device, &graph, &err) == RLT_OK;
    parity_true(p, ok ? "record" : err.message, ok);
    b->download(p->device, got, y, sizeof got);
    memset(want, 0, sizeof want);
    parity_same(p, "recording did the work", got, want, sizeof got);
    for (int run = 1; ok && run <= 3; run++) {
        for (int i = 0; i < N; i++) {
            got[i] = (float)(run * i);
            want[i] += (float)(run * i);
        }
        b->upload(p->device, x, got, sizeof got);
        b->graph_run(p->device, graph);
        b->download(p->device, got, y, sizeof got);
        parity_same(p, "a run of the graph differs", got, want, sizeof got);
    }
    b->graph_free(p->device, &graph);
    parity_true(p, "graph_free leaves NULL", graph == NULL);
    parity_synced(p, p->device);
}

static void errors(parity *p) {
    const rlt_backend *b = p->device->backend;
    rlt_device_info info = {0};
    rlt_device *other = NULL;
    rlt_err err = {0};
    void *memory = NULL;
    parity_begin(p, "errors");
    parity_true(p, "info", b->info(p->device->index, &info, &err) == RLT_OK && info.name[0] != 0);
    parity_true(p, "free memory is known", info.free_bytes > 0);
    size_t asked = (size_t)1 << 50;
    parity_true(p, "a petabyte", b->alloc(p->device, asked, &memory, &err) == RLT_ENOMEM);
    parity_true(p, "memory is NULL", memory == NULL);
    parity_true(p, "the bytes asked for", strstr(err.message, "1125899906842624 bytes") != NULL);
    parity_true(p, "the bytes free", strstr(err.message, "are free") != NULL);
    parity_true(p, "no such device", b->open(1000, RLT_PRECISION_FP32, &other, &err) != RLT_OK);
    parity_true(p, "the device is named", strstr(err.message, "cuda:1000") != NULL);
    parity_synced(p, p->device); /* none of these is left behind */
}

/* One learner: its gradient is the mean, whatever libraries there are. */
static void one_learner(parity *p) {
    enum { N = 1001 };
    const rlt_backend *b = p->device->backend;
    rlt_reduce_id id = {{0}};
    rlt_err err = {0};
    parity_begin(p, "one learner");
    double sums[3] = {1, 2, 3}, got_sums[3];
    float *grad = parity_normal(p, N, 1), *got = parity_host(p, sizeof(float) * N);
    float *memory = parity_up(p, p->device, grad, sizeof(float) * N);
    double *sums_memory = parity_up(p, p->device, sums, sizeof sums);
    bool ok = b->all_reduce_init(p->device, 0, 1, &id, &err) == RLT_OK;
    parity_true(p, ok ? "all_reduce_init" : err.message, ok);
    b->all_reduce(p->device, memory, N);
    b->all_reduce_sums(p->device, sums_memory, 3);
    b->download(p->device, got, memory, sizeof(float) * N);
    b->download(p->device, got_sums, sums_memory, sizeof sums);
    parity_same(p, "the gradient changed", got, grad, sizeof(float) * N);
    parity_same(p, "the sums changed", got_sums, sums, sizeof sums);
    parity_synced(p, p->device);
}

void parity_memory(parity *p) {
    round_trips(p);
    pinned(p);
    order(p);
    graphs(p);
    one_learner(p);
    errors(p);
}

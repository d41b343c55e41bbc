/* Runs the parity suite; see parity.h.
 *   parity [--device cuda:N | cpu] [--precision fp32|tf32|bf16] [--seed N] [--group NAME]
 * Exit code 0: all within limits; 1: not; 77: there is no such device (skipped). The emulated build
 * (RLT_PARITY_EMULATED) has the CUDA backend inside and takes no other device. */
#include "tests/gpu/parity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef RLT_PARITY_EMULATED
#include "tests/support/cuda_emulated_libs.h"
const rlt_backend *rlt_cuda_backend_entry(uint32_t api_version);
#endif

static const struct {
    const char *name;
    void (*run)(parity *p);
} groups[] = {
    {"feedforward", parity_feedforward}, {"memory", parity_memory},       {"update", parity_update},
    {"sequence", parity_sequence},       {"functions", parity_functions}, {"losses", parity_losses},
};

void *parity_host(parity *p, size_t bytes) {
    RLT_ASSERT(p->held_count < PARITY_HELD_MAX);
    return p->held[p->held_count++] = rlt_alloc(bytes > 0 ? bytes : 1);
}

float *parity_normal(parity *p, size_t count, float scale) {
    float *x = parity_host(p, sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        x[i] = scale * (float)rlt_rng_normal(&p->rng);
    }
    return x;
}

double *parity_doubles(parity *p, const float *from, size_t count) {
    double *to = from == NULL ? NULL : parity_host(p, sizeof(double) * count);
    for (size_t i = 0; from != NULL && i < count; i++) {
        to[i] = (double)from[i];
    }
    return to;
}

int parity_size(parity *p, int low, int high) {
    return low + (int)rlt_rng_below(&p->rng, (uint32_t)(high - low + 1));
}

void parity_true(parity *p, const char *what, bool truth) {
    p->checks++;
    if (!truth) {
        p->failures++;
        printf("FAILED %s, %s: %s\n", p->group, p->row, what);
    }
}

void *parity_up(parity *p, rlt_device *device, const void *from, size_t bytes) {
    rlt_err err = {0};
    void *memory = NULL;
    if (device->backend->alloc(device, bytes > 0 ? bytes : 4, &memory, &err) != RLT_OK) {
        printf("parity: %s\n", err.message);
        exit(1);
    }
    int *count = device == p->twin ? &p->twin_count : &p->device_count;
    RLT_ASSERT(*count < PARITY_HELD_MAX);
    (device == p->twin ? p->on_twin : p->on_device)[(*count)++] = memory;
    if (from != NULL && bytes > 0) {
        device->backend->upload(device, memory, from, bytes);
    }
    return memory;
}

void parity_down(rlt_device *device, void *to, const void *from, size_t bytes) {
    device->backend->download(device, to, from, bytes);
}

bool parity_synced(parity *p, rlt_device *device) {
    rlt_err err = {0};
    bool ok = device->backend->sync(device, &err) == RLT_OK;
    parity_true(p, ok ? "sync" : err.message, ok);
    return ok;
}

static void free_held(parity *p) {
    for (int i = 0; i < p->device_count; i++) {
        p->device->backend->free(p->device, p->on_device[i]);
    }
    for (int i = 0; i < p->twin_count; i++) {
        p->twin->backend->free(p->twin, p->on_twin[i]);
    }
    for (int i = 0; i < p->held_count; i++) {
        rlt_free(p->held[i]);
    }
    p->held_count = p->device_count = p->twin_count = 0;
}

void parity_begin(parity *p, const char *row) {
    free_held(p);
    p->row = row;
    p->rows++;
}

double parity_rounding(const rlt_device *device) {
    static const double of[] = {
        [RLT_PRECISION_FP32] = 1e-6, [RLT_PRECISION_TF32] = 4.9e-4, [RLT_PRECISION_BF16] = 3.9e-3};
    return of[device->precision];
}

void parity_near(parity *p, const char *what, const float *got, const double *want, size_t count,
                 double limit) {
    double squares = 0, worst = 0;
    size_t at = 0, off = 0;
    for (size_t i = 0; i < count; i++) {
        squares += want[i] * want[i];
    }
    double rms = count > 0 ? sqrt(squares / (double)count) : 0;
    rms = count < 16 ? fmax(rms, 0.2) : rms; /* few values may all be small by cancellation */
    for (size_t i = 0; i < count; i++) {
        double share = fabs((double)got[i] - want[i]) / (limit * (fabs(want[i]) + rms) + 1e-30);
        share = isfinite(got[i]) || (double)got[i] == want[i] ? share : INFINITY;
        off += !(share <= 1);
        at = share > worst ? i : at;
        worst = share > worst ? share : worst;
    }
    p->checks++;
    p->worst = worst > p->worst && isfinite(worst) ? worst : p->worst;
    if (off > 0) {
        p->failures++;
        printf("FAILED %s, %s: %s: %zu of %zu off by more than %.1e; [%zu] is %.9g, should be "
               "%.9g\n",
               p->group, p->row, what, off, count, limit, at, (double)got[at], want[at]);
    }
}

void parity_near_floats(parity *p, const char *what, const float *got, const float *want,
                        size_t count, double limit) {
    parity_near(p, what, got, parity_doubles(p, want, count), count, limit);
}

void parity_same(parity *p, const char *what, const void *got, const void *want, size_t bytes) {
    parity_true(p, what, bytes == 0 || memcmp(got, want, bytes) == 0);
}

/* ---- main ---- */

typedef struct options {
    const char *device, *precision, *group;
    uint64_t seed;
} options;

static options read_options(int argc, char **argv) {
    options o = {.device = "cuda:0", .precision = "fp32", .group = NULL, .seed = rlt_clock_ns()};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value != NULL && strcmp(argv[i], "--device") == 0) {
            o.device = value;
        } else if (value != NULL && strcmp(argv[i], "--precision") == 0) {
            o.precision = value;
        } else if (value != NULL && strcmp(argv[i], "--seed") == 0) {
            o.seed = strtoull(value, NULL, 10);
        } else if (value != NULL && strcmp(argv[i], "--group") == 0) {
            o.group = value;
        } else {
            fprintf(stderr,
                    "parity: '%s' is no option; allowed: --device --precision --seed "
                    "--group, each with a value\n",
                    argv[i]);
            exit(2);
        }
    }
    return o;
}

static rlt_precision precision_of(const char *name) {
    static const char *const names[] = {"fp32", "tf32", "bf16"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (rlt_precision)i;
        }
    }
    fprintf(stderr, "parity: precision '%s'; allowed: fp32, tf32, bf16\n", name);
    exit(2);
}

static rlt_status open_device(const options *o, rlt_device **device, rlt_err *err) {
    rlt_precision precision = precision_of(o->precision);
#ifdef RLT_PARITY_EMULATED
    return rlt_cuda_backend_entry(RLT_BACKEND_API_VERSION)->open(0, precision, device, err);
#else
    return rlt_device_open(o->device, precision, device, err);
#endif
}

static int run_groups(parity *p, const char *only) {
    bool any = false;
    for (size_t i = 0; i < RLT_COUNT(groups); i++) {
        if (only != NULL && strcmp(only, groups[i].name) != 0) {
            continue;
        }
        int failures = p->failures, rows = p->rows;
        any = true;
        p->group = groups[i].name;
        p->worst = 0;
        groups[i].run(p);
        printf("%-12s %4d rows, %d failures, largest error %.0f %% of its limit\n", p->group,
               p->rows - rows, p->failures - failures, 100 * p->worst);
        fflush(stdout);
    }
    if (!any) {
        fprintf(stderr, "parity: there is no group '%s'\n", only);
        return 2;
    }
    return p->failures > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
    options o = read_options(argc, argv);
    rlt_err err = {0};
    parity *p = rlt_alloc(sizeof *p);
    if (open_device(&o, &p->device, &err) != RLT_OK) {
        printf("parity: skipped: %s\n", err.message);
        rlt_free(p);
        return 77;
    }
    if (rlt_device_open("cpu", RLT_PRECISION_FP32, &p->twin, &err) != RLT_OK) {
        printf("parity: %s\n", err.message);
        return 1;
    }
    rlt_device_info info = {0};
    p->device->backend->info(p->device->index, &info, NULL);
    p->seed = o.seed;
#ifdef RLT_PARITY_EMULATED
    emulation_set_order(o.seed); /* at random, anew at every barrier: the same bits are expected */
#endif
    p->rng = rlt_rng_make(o.seed, RLT_STREAM_TEST, 0);
    printf("parity: %s, %s, %s (%s); repeat with --seed %llu\n", p->device->backend->name,
           o.precision, info.name, info.detail, (unsigned long long)o.seed);
    int code = run_groups(p, o.group);
    free_held(p);
    printf("parity: %d rows, %d checks, %d failures\n", p->rows, p->checks, p->failures);
    rlt_device_close(&p->device);
    rlt_device_close(&p->twin);
    rlt_free(p);
    return code;
}

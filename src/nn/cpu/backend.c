/* cpu backend: memory, copies, and graphs as lists of calls, so that code which records can be
 * tested without a GPU. Thread: the device's. */
#include "nn/cpu/dense_bf16.h"
#include "nn/kernels_bf16.h"

#include <string.h>

typedef struct call call;
struct call {
    call *next;
    void (*run)(rlt_device *device, const void *args);
    max_align_t args[]; /* a copy of what was given */
};

struct rlt_graph {
    call *first, **end;
};

typedef struct cpu_device {
    rlt_device front;
    rlt_graph *recording;
} cpu_device;

static void *record(rlt_device *device, void (*run)(rlt_device *, const void *), const void *args,
                    size_t size) {
    rlt_graph *graph = ((cpu_device *)device)->recording;
    call *made = rlt_alloc(sizeof(*made) + size);
    made->run = run;
    memcpy(made->args, args, size);
    *graph->end = made;
    graph->end = &made->next;
    return made->args;
}

static bool recording(const rlt_device *device) {
    return ((const cpu_device *)device)->recording != NULL;
}

/* ---- operations ---- */

typedef struct op_args {
    rlt_op_fn run;
    rlt_op op;
    rlt_op_io io;
} op_args;

static void run_op(rlt_device *device, const void *args) {
    const op_args *a = args;
    a->run(device, &a->op, &a->io);
}

static void do_op(rlt_device *device, rlt_op_fn run, const rlt_op *op, const rlt_op_io *io) {
    if (recording(device)) {
        op_args args = {run, *op, *io};
        record(device, run_op, &args, sizeof args);
    } else {
        run(device, op, io);
    }
}

#define RLT_OP(name, help)                                                                         \
    static void name##_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {        \
        do_op(device, rlt_cpu_##name##_forward, op, io);                                           \
    }                                                                                              \
    static void name##_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {       \
        do_op(device, rlt_cpu_##name##_backward, op, io);                                          \
    }
#include "nn/ops.def"
#undef RLT_OP

static size_t op_scratch(rlt_device *device, const rlt_op *op, int steps, int seqs, bool training) {
    static size_t (*const table[RLT_OP_COUNT])(const rlt_op *, int, int, bool) = {
        [RLT_OP_dense] = rlt_cpu_dense_scratch,
        [RLT_OP_conv] = rlt_cpu_conv_scratch,
        [RLT_OP_embed] = rlt_cpu_embed_scratch,
        [RLT_OP_lstm] = rlt_cpu_lstm_scratch,
        [RLT_OP_gru] = rlt_cpu_gru_scratch,
        [RLT_OP_attention] = rlt_cpu_attention_scratch,
        [RLT_OP_activation] = rlt_cpu_activation_scratch,
        [RLT_OP_gate] = rlt_cpu_gate_scratch,
    };
    if (rlt_cpu_uses_bf16(device, op)) {
        return rlt_cpu_dense_bf16_scratch(op, steps, seqs, training);
    }
    return table[op->kind] != NULL ? table[op->kind](op, steps, seqs, training) : 0;
}

/* ---- functions ---- */

#define RLT_FN(name, help)                                                                         \
    static void run_##name(rlt_device *device, const void *args) {                                 \
        rlt_cpu_##name(device, args);                                                              \
    }
#include "nn/fns.def"
#undef RLT_FN

/* The optimiser is host memory that is copied at the call: it lies behind the arguments. */
static void record_step(rlt_device *device, const rlt_step_args *args) {
    struct {
        rlt_step_args args;
        rlt_optimiser_spec optimiser;
    } both = {*args, *args->optimiser}, *kept;
    kept = record(device, run_step, &both, sizeof both);
    kept->args.optimiser = &kept->optimiser;
}

#define record_fn(device, name, args)                                                              \
    _Generic((args), const rlt_step_args * : record_step((device), (const void *)(args)),          \
             default : (void)record((device), run_##name, (args), sizeof *(args)))
#define RLT_FN(name, help)                                                                         \
    static void do_##name(rlt_device *device, const rlt_##name##_args *args) {                     \
        if (recording(device)) {                                                                   \
            record_fn(device, name, args);                                                         \
        } else {                                                                                   \
            rlt_cpu_##name(device, args);                                                          \
        }                                                                                          \
    }
#include "nn/fns.def"
#undef RLT_FN

/* ---- memory ---- */

static rlt_status cpu_alloc(rlt_device *device, size_t bytes, void **memory, rlt_err *err) {
    (void)device;
    (void)err;
    *memory = rlt_alloc(bytes);
    return RLT_OK;
}

static void cpu_free(rlt_device *device, void *memory) {
    (void)device;
    rlt_free(memory);
}

static void cpu_move(rlt_device *device, void *to, const void *from, size_t bytes) {
    RLT_ASSERT(!recording(device));
    memcpy(to, from, bytes);
}

typedef struct copy_args {
    void *to;
    const void *from; /* NULL: zeros */
    size_t bytes;
} copy_args;

static void run_copy(rlt_device *device, const void *args) {
    (void)device;
    const copy_args *a = args;
    if (a->from == NULL) {
        memset(a->to, 0, a->bytes);
    } else if (a->bytes > 0) {
        memcpy(a->to, a->from, a->bytes);
    }
}

static void cpu_copy(rlt_device *device, void *to, const void *from, size_t bytes) {
    copy_args args = {to, from, bytes};
    if (recording(device)) {
        record(device, run_copy, &args, sizeof args);
    } else {
        run_copy(device, &args);
    }
}

static void cpu_zero(rlt_device *device, void *memory, size_t bytes) {
    cpu_copy(device, memory, NULL, bytes);
}

/* ---- graphs ---- */

static rlt_status cpu_sync(rlt_device *device, rlt_err *err) {
    (void)device;
    (void)err;
    return RLT_OK;
}

static rlt_status record_begin(rlt_device *device, rlt_err *err) {
    (void)err;
    RLT_ASSERT(!recording(device));
    rlt_graph *graph = rlt_alloc(sizeof *graph);
    graph->end = &graph->first;
    ((cpu_device *)device)->recording = graph;
    return RLT_OK;
}

static rlt_status record_end(rlt_device *device, rlt_graph **graph, rlt_err *err) {
    (void)err;
    RLT_ASSERT(recording(device));
    *graph = ((cpu_device *)device)->recording;
    ((cpu_device *)device)->recording = NULL;
    return RLT_OK;
}

static void graph_run(rlt_device *device, rlt_graph *graph) {
    RLT_ASSERT(!recording(device));
    for (const call *c = graph->first; c != NULL; c = c->next) {
        c->run(device, c->args);
    }
}

static void graph_free(rlt_device *device, rlt_graph **graph) {
    (void)device;
    for (call *c = *graph != NULL ? (*graph)->first : NULL; c != NULL;) {
        call *next = c->next;
        rlt_free(c);
        c = next;
    }
    rlt_free(*graph);
    *graph = NULL;
}

/* ---- devices ---- */

static int cpu_count(rlt_err *err) {
    (void)err;
    return 1;
}

static rlt_status cpu_info(int index, rlt_device_info *info, rlt_err *err) {
    (void)index;
    (void)err;
    *info = (rlt_device_info){.name = "CPU"};
    memcpy(info->detail, rlt_nn_form_name(), strlen(rlt_nn_form_name()) + 1);
    return RLT_OK;
}

static rlt_status cpu_open(int index, rlt_precision precision, rlt_device **device, rlt_err *err) {
    *device = NULL;
    if (precision == RLT_PRECISION_TF32) {
        return rlt_fail(err, RLT_ECONFIG,
                        "device \"cpu\" computes in fp32 or bf16; tf32 needs a GPU");
    }
    if (precision == RLT_PRECISION_BF16 && rlt_nn_bf16_get() == NULL) {
        return rlt_fail(err, RLT_ECONFIG,
                        "precision \"bf16\" on device \"cpu\": this processor has no AVX512_BF16; "
                        "use precision \"fp32\", or a GPU");
    }
    cpu_device *made = rlt_alloc(sizeof *made);
    made->front = (rlt_device){&rlt_backend_cpu, index, precision};
    *device = &made->front;
    return RLT_OK;
}

static void cpu_close(rlt_device **device) {
    if (*device != NULL && recording(*device)) {
        graph_free(*device, &((cpu_device *)*device)->recording);
    }
    rlt_free(*device);
    *device = NULL;
}

const rlt_backend rlt_backend_cpu = {
    .api_version = RLT_BACKEND_API_VERSION,
    .name = "cpu",
    .count = cpu_count,
    .info = cpu_info,
    .open = cpu_open,
    .close = cpu_close,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .alloc_host = cpu_alloc,
    .free_host = cpu_free,
    .upload = cpu_move,
    .download = cpu_move,
    .copy = cpu_copy,
    .zero = cpu_zero,
    .sync = cpu_sync,
    .record_begin = record_begin,
    .record_end = record_end,
    .graph_run = graph_run,
    .graph_free = graph_free,
    .op_scratch = op_scratch,
#define RLT_OP(name, help) .forward[RLT_OP_##name] = name##_forward,
#include "nn/ops.def"
#undef RLT_OP
#define RLT_OP(name, help) .backward[RLT_OP_##name] = name##_backward,
#include "nn/ops.def"
#undef RLT_OP
#define RLT_FN(name, help) .name = do_##name,
#include "nn/fns.def"
#undef RLT_FN
};

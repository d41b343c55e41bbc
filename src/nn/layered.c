/* layered: a policy that is a program, on the CPU device: acting step by step, and the PPO gradient
 * through rows or sequences, block by block so that the values stay near the processor.
 * Thread: the workspace owner's. */
#include "nn/cpu/policy.h"
#include "nn/nn_impl.h"

#include <string.h>

enum {
    BLOCK_BYTES = 16 << 20, /* of a network's values */
    ROWS_MIN = 16,
    SEQUENCES_MIN = 16 /* a recurrent product over fewer is mostly reading weights */
};

rlt_layered *rlt_layered_create(const rlt_policy_spec *spec) {
    rlt_layered *l = rlt_alloc(sizeof *l);
    rlt_status status = rlt_policy_program(spec, &l->program, NULL);
    RLT_ASSERT(status == RLT_OK);
    status = rlt_device_open("cpu", spec->bf16 ? RLT_PRECISION_BF16 : RLT_PRECISION_FP32,
                             &l->device, NULL);
    RLT_ASSERT(status == RLT_OK);
    return l;
}

static void free_block(rlt_layered *l) {
    const void *const all[] = {l->block.obs,   l->block.action,    l->block.old_log_prob,
                               l->block.ret,   l->block.old_value, l->block.advantage,
                               l->block.reset, l->block.state,     l->block.mask};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free((void *)all[i]);
    }
    l->block = (rlt_ppo_batch){0};
}

void rlt_layered_destroy(rlt_layered **layered) {
    rlt_layered *l = *layered;
    if (l == NULL) {
        return;
    }
    rlt_net_destroy(&l->acting);
    rlt_net_destroy(&l->training);
    free_block(l);
    rlt_free(l->state_out);
    rlt_device_close(&l->device);
    rlt_free(l);
    *layered = NULL;
}

/* Rows whose values take about BLOCK_BYTES. */
static int rows_within(const rlt_program *program, bool training) {
    enum { SAMPLE = 64 };
    size_t row = rlt_net_bytes(program, 1, SAMPLE, training) / SAMPLE;
    size_t rows = BLOCK_BYTES / (row + 1);
    return rows < ROWS_MIN ? ROWS_MIN : rows > RLT_NN_BLOCK ? RLT_NN_BLOCK : (int)rows;
}

/* The CPU's memory is rlt_alloc's, so that making a network there cannot fail. */
static void make_net(rlt_layered *l, int steps, int seqs, bool training, rlt_net **net) {
    rlt_status status = rlt_net_create(l->device, &l->program, steps, seqs, training, net, NULL);
    RLT_ASSERT(status == RLT_OK);
}

void rlt_layered_step(rlt_layered *l, const float *params, const float *obs, int n,
                      const uint8_t *reset, float *state, float *head, float *value) {
    size_t obs_width = (size_t)l->program.obs_width, width = (size_t)l->program.state_width;
    size_t head_width = (size_t)l->program.ops[l->program.head].out;
    if (l->acting == NULL) {
        l->acting_rows = rows_within(&l->program, false);
        make_net(l, 1, l->acting_rows, false, &l->acting);
        l->state_out = rlt_alloc(sizeof(float) * (size_t)l->acting_rows * width);
    }
    for (int at = 0; at < n; at += l->acting_rows) {
        int rows = n - at < l->acting_rows ? n - at : l->acting_rows;
        float *kept = state != NULL ? state + (size_t)at * width : NULL;
        rlt_net_in in = {.steps = 1,
                         .seqs = rows,
                         .params = params,
                         .obs = obs + (size_t)at * obs_width,
                         .reset = reset != NULL ? reset + at : NULL,
                         .state = kept,
                         .state_out = kept != NULL ? l->state_out : NULL};
        rlt_net_forward(l->acting, &in);
        memcpy(head + (size_t)at * head_width, rlt_net_head(l->acting),
               sizeof(float) * (size_t)rows * head_width);
        memcpy(value + at, rlt_net_value(l->acting), sizeof(float) * (size_t)rows);
        if (kept != NULL && width > 0) {
            memcpy(kept, l->state_out, sizeof(float) * (size_t)rows * width);
        }
    }
}

static void make_training(rlt_layered *l, const rlt_policy_spec *spec, int steps, int seqs) {
    if (l->training != NULL && steps <= l->steps && seqs <= l->seqs) {
        return;
    }
    l->steps = steps > l->steps ? steps : l->steps;
    l->seqs = seqs > l->seqs ? seqs : l->seqs;
    rlt_net_destroy(&l->training);
    free_block(l);
    make_net(l, l->steps, l->seqs, true, &l->training);
    size_t rows = (size_t)l->steps * (size_t)l->seqs, floats = sizeof(float) * rows;
    if (l->steps > 1) {
        l->block.obs = rlt_alloc(floats * (size_t)l->program.obs_width);
        l->block.action = rlt_alloc(rows * rlt_policy_action_bytes(spec));
        l->block.old_log_prob = rlt_alloc(floats);
        l->block.old_value = rlt_alloc(floats);
        l->block.advantage = rlt_alloc(floats);
        l->block.ret = rlt_alloc(floats);
        l->block.reset = rlt_alloc(rows);
        l->block.mask = rlt_alloc(rows * (size_t)spec->action_dim);
        l->block.state =
            rlt_alloc(sizeof(float) * (size_t)l->seqs * (size_t)l->program.state_width);
    }
}

typedef struct column {
    const void *from, *to;
    size_t bytes; /* of a row */
} column;

static const void *past(const void *from, size_t bytes) {
    return from == NULL ? NULL : (const char *)from + bytes;
}

/* Sequences first .. first + count - 1 of a batch, as a batch of their own. */
static rlt_ppo_batch take_block(rlt_layered *l, const rlt_policy_spec *spec,
                                const rlt_ppo_batch *from, int steps, int first, int count) {
    size_t all = (size_t)(from->n / steps), start = (size_t)first, taken = (size_t)count;
    size_t obs = sizeof(float) * (size_t)l->program.obs_width;
    size_t action = rlt_policy_action_bytes(spec), width = (size_t)l->program.state_width;
    const column columns[] = {
        {from->obs, l->block.obs, obs},
        {from->action, l->block.action, action},
        {from->old_log_prob, l->block.old_log_prob, sizeof(float)},
        {from->old_value, l->block.old_value, sizeof(float)},
        {from->advantage, l->block.advantage, sizeof(float)},
        {from->ret, l->block.ret, sizeof(float)},
        {from->reset, l->block.reset, 1},
        {from->mask, l->block.mask, (size_t)spec->action_dim},
    };
    const void *part[RLT_COUNT(columns)];
    for (size_t c = 0; c < RLT_COUNT(columns); c++) {
        size_t bytes = columns[c].bytes;
        bool gathered = steps > 1 && taken < all && columns[c].from != NULL;
        part[c] = gathered ? columns[c].to : past(columns[c].from, start * bytes);
        for (size_t t = 0; gathered && t < (size_t)steps; t++) {
            memcpy((char *)columns[c].to + t * taken * bytes,
                   (const char *)columns[c].from + (t * all + start) * bytes, taken * bytes);
        }
    }
    return (rlt_ppo_batch){.n = steps * count,
                           .obs = part[0],
                           .action = part[1],
                           .old_log_prob = part[2],
                           .old_value = part[3],
                           .advantage = part[4],
                           .ret = part[5],
                           .steps = steps,
                           .reset = part[6],
                           .state = past(from->state, sizeof(float) * start * width),
                           .mask = part[7]};
}

static void block_loss(rlt_layered *l, const rlt_policy_spec *spec, const float *log_std,
                       const rlt_ppo_batch *b, const rlt_ppo_coef *coef, float scale,
                       float *d_log_std, rlt_ppo_stats *stats) {
    rlt_head policy = rlt_nn_head(spec);
    rlt_policy_rows rows = {.n = b->n,
                            .action_dim = spec->action_dim,
                            .squash = spec->squash,
                            .head = rlt_net_head(l->training),
                            .log_std = log_std,
                            .action = b->action,
                            .old_log_prob = b->old_log_prob,
                            .advantage = b->advantage,
                            .clip = coef->clip,
                            .ent_coef = coef->ent_coef,
                            .scale = scale,
                            .d_head = rlt_net_d_head(l->training),
                            .d_log_std = d_log_std};
    rlt_cpu_ppo_policy(&policy, b->mask, &rows, stats);
    rlt_nn_kernels_get()->value_loss(rlt_net_value(l->training), b->old_value, b->ret, b->n, coef,
                                     scale, rlt_net_d_value(l->training), stats);
}

void rlt_layered_grad(rlt_layered *l, const rlt_policy_spec *spec, const float *params,
                      const rlt_ppo_batch *batch, const rlt_ppo_coef *coef, int total_n,
                      float *grad, rlt_ppo_stats *stats) {
    int steps = batch->steps > 1 ? batch->steps : 1, seqs = batch->n / steps;
    RLT_ASSERT(seqs * steps == batch->n);
    if (batch->n == 0) {
        return;
    }
    int rows = rows_within(&l->program, true), block = rows / steps;
    block = steps > 1 && block < SEQUENCES_MIN ? SEQUENCES_MIN : block;
    block = block < seqs ? block : seqs;
    make_training(l, spec, steps, block);
    size_t log_std = l->program.param_count;
    float scale = 1.0f / (float)total_n;
    for (int at = 0; at < seqs; at += block) {
        int count = seqs - at < block ? seqs - at : block;
        rlt_ppo_batch b = take_block(l, spec, batch, steps, at, count);
        rlt_net_in in = {.steps = steps,
                         .seqs = count,
                         .params = params,
                         .obs = b.obs,
                         .reset = b.reset,
                         .state = b.state};
        rlt_net_forward(l->training, &in);
        block_loss(l, spec, params + log_std, &b, coef, scale, grad + log_std, stats);
        rlt_net_backward(l->training, &in, grad);
    }
}

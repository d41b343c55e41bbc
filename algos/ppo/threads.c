/* ppo by threads: epochs of minibatches, each a gradient in shards, a reduction, an optimiser step;
 * these three are the parallel sections. A team's members each take some of the shards.
 * Thread: the caller's plus the pool's. */
#include "algos/ppo/ppo_impl.h"

#include <math.h>
#include <string.h>

typedef struct update { /* what the tasks of one update share */
    rlt_ppo *ppo;
    float *params;
    const rlt_ppo_rows *rows;
    const rlt_ppo_coef *coef;
    float lr, grad_scale;
    int64_t iteration, first_epoch;
    rlt_ppo_minibatch minibatch;
    double squares[RLT_PPO_CHUNKS];
    rlt_ppo_stats sums;
    double norm_sum;
    int64_t rows_seen, steps;
} update;

int64_t rlt_ppo_minibatch_count(const rlt_ppo *ppo, int64_t sequences) {
    return (sequences + ppo->taken - 1) / ppo->taken;
}

/* Minibatch `index` of an epoch, which has that order. */
static rlt_ppo_minibatch minibatch_at(const rlt_ppo *ppo, const rlt_ppo_rows *rows,
                                      const uint32_t *order, int64_t index) {
    int64_t sequences = rows->rows / ppo->steps, left = sequences - index * ppo->taken;
    return (rlt_ppo_minibatch){.rows = rows,
                               .order = order + index * ppo->taken,
                               .n = left < ppo->taken ? left : ppo->taken,
                               .steps = ppo->steps,
                               .sequences = sequences,
                               .moments = {0, 1}};
}

/* Of a gradient in a team's block: what follows is aligned for doubles. */
size_t rlt_ppo_gradient_bytes(const rlt_ppo *ppo) {
    return (ppo->param_count + 1) / 2 * 2 * sizeof(float);
}

/* Task: the order of one epoch ahead, and the moments of its minibatches. */
static void prepare_epoch(void *user, int ahead) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    int64_t sequences = u->rows->rows / ppo->steps, count = rlt_ppo_minibatch_count(ppo, sequences);
    uint32_t *order = ppo->order + ahead * sequences;
    rlt_ppo_moments *measured = ppo->measured + ahead * count;
    rlt_ppo_shuffle(ppo->options.seed, u->iteration, u->first_epoch + ahead, (uint32_t)sequences,
                    order);
    for (int64_t i = 0; i < count; i++) {
        rlt_ppo_minibatch minibatch = minibatch_at(ppo, u->rows, order, i);
        measured[i] = ppo->options.norm_advantage ? rlt_ppo_measure(u->rows->advantage, &minibatch)
                                                  : minibatch.moments;
    }
}

/* Task: the partial gradient of one of this member's shards of the minibatch. */
static void shard_grad(void *user, int task) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    int s = ppo->first_shard + task;
    rlt_ppo_shard *shard = &ppo->shards[s];
    int64_t n = u->minibatch.n, first = n * s / RLT_PPO_SHARDS;
    int64_t taken = n * (s + 1) / RLT_PPO_SHARDS - first;
    bool sequences = ppo->steps > 1;
    rlt_ppo_gather(&ppo->spec, &u->minibatch, first, taken, shard);
    rlt_ppo_batch batch = {.n = (int)(taken * ppo->steps),
                           .obs = shard->obs,
                           .action = shard->action,
                           .old_log_prob = shard->log_prob,
                           .old_value = shard->value,
                           .advantage = shard->advantage,
                           .ret = shard->ret,
                           .steps = (int)ppo->steps,
                           .reset = sequences ? shard->reset : NULL,
                           .state = sequences ? shard->memory : NULL,
                           .mask = shard->mask};
    memset(shard->grad, 0, sizeof(float) * ppo->param_count);
    shard->stats = (rlt_ppo_stats){0};
    rlt_ppo_grad_packed(shard->workspace, u->params, ppo->packed, &batch, u->coef,
                        (int)(n * ppo->steps), shard->grad, &shard->stats);
}

/* Chunk c is a run of pieces of the parameters. */
static void chunk_pieces(const rlt_ppo *ppo, int c, int *first, int *end) {
    int pieces = rlt_policy_piece_count(ppo->packed);
    *first = pieces * c / RLT_PPO_CHUNKS;
    *end = pieces * (c + 1) / RLT_PPO_CHUNKS;
}

/* The parameters first .. first + count - 1 of chunk c. */
static void chunk_range(const rlt_ppo *ppo, int c, size_t *first, size_t *count) {
    int piece, end;
    size_t last, last_count;
    chunk_pieces(ppo, c, &piece, &end);
    *first = *count = 0;
    if (piece < end) {
        rlt_policy_piece(ppo->packed, piece, first, count);
        rlt_policy_piece(ppo->packed, end - 1, &last, &last_count);
        *count = last + last_count - *first;
    }
}

/* parts[n] are added by pairs, (0 + 1) + (2 + 3), which a team of any size does alike. */
static void add_pairs(float *const *parts, int n, size_t first, size_t count) {
    for (int width = 1; width < n; width *= 2) {
        for (int i = 0; i + width < n; i += 2 * width) {
            rlt_grad_add(parts[i] + first, parts[i + width] + first, count);
        }
    }
}

/* Task: adds this member's shards of a chunk into its first. */
static void reduce_own(void *user, int c) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    float *parts[RLT_PPO_SHARDS];
    size_t first, count;
    for (int s = 0; s < ppo->shards_taken; s++) {
        parts[s] = ppo->shards[ppo->first_shard + s].grad;
    }
    chunk_range(ppo, c, &first, &count);
    add_pairs(parts, ppo->shards_taken, first, count);
}

/* Task: the whole gradient of a chunk into the first shard's; sum of squares. */
static void reduce_chunk(void *user, int c) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    float *sum = ppo->shards[0].grad, *parts[RLT_PPO_SHARDS];
    size_t first, count;
    chunk_range(ppo, c, &first, &count);
    if (ppo->team_blocks == NULL) {
        reduce_own(u, c);
    } else {
        for (int m = 0; m < ppo->options.team.count; m++) {
            parts[m] = (float *)(ppo->team_blocks + (size_t)m * ppo->team_bytes);
        }
        add_pairs(parts, ppo->options.team.count, first, count);
        memcpy(sum + first, parts[0] + first, sizeof(float) * count);
    }
    u->squares[c] = rlt_grad_squares(sum + first, count);
}

/* This member's part of the gradient to the others, and theirs here, with the statistics. */
static rlt_status exchange(update *u, rlt_err *err) {
    rlt_ppo *ppo = u->ppo;
    const rlt_ppo_team *team = &ppo->options.team;
    size_t stats = rlt_ppo_gradient_bytes(ppo),
           bytes = (size_t)ppo->shards_taken * sizeof(rlt_ppo_stats);
    rlt_pool_run(ppo->pool, RLT_PPO_CHUNKS, reduce_own, u);
    rlt_ppo_shard *own = &ppo->shards[ppo->first_shard];
    for (int s = 0; s < ppo->shards_taken; s++) {
        memcpy((unsigned char *)own->grad + stats + (size_t)s * sizeof(rlt_ppo_stats),
               &own[s].stats, sizeof(rlt_ppo_stats));
    }
    RLT_TRY(team->all_gather(team->user, own->grad, ppo->team_blocks, ppo->team_bytes, err));
    for (int m = 0; m < team->count; m++) {
        const unsigned char *block = ppo->team_blocks + (size_t)m * ppo->team_bytes + stats;
        rlt_ppo_stats theirs[RLT_PPO_SHARDS];
        memcpy(theirs, block, bytes);
        for (int s = 0; s < ppo->shards_taken; s++) {
            ppo->shards[m * ppo->shards_taken + s].stats = theirs[s];
        }
    }
    return RLT_OK;
}

/* Task: the optimiser step of a chunk, and its transposes for the next gradient. */
static void step_chunk(void *user, int c) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    size_t first, count;
    int piece, end;
    chunk_range(ppo, c, &first, &count);
    rlt_optimiser_step(&ppo->options.optimiser, u->params + first, ppo->shards[0].grad + first,
                       ppo->moments + first, ppo->moments + ppo->param_count + first, count, u->lr,
                       u->grad_scale, ppo->step);
    chunk_pieces(ppo, c, &piece, &end);
    for (; piece < end; piece++) {
        rlt_policy_pack_piece(ppo->packed, u->params, piece);
    }
}

/* Adds the shards' statistics of the minibatch; its mean divergence goes to *kl. */
static rlt_status add_stats(update *u, double *kl, rlt_err *err) {
    rlt_ppo_stats sum = {0};
    for (int s = 0; s < RLT_PPO_SHARDS; s++) {
        const rlt_ppo_stats *part = &u->ppo->shards[s].stats;
        sum.policy_loss += part->policy_loss;
        sum.value_loss += part->value_loss;
        sum.entropy += part->entropy;
        sum.approx_kl += part->approx_kl;
        sum.clipped += part->clipped;
    }
    const double terms[] = {[RLT_SUM_POLICY] = sum.policy_loss,
                            [RLT_SUM_VALUE] = sum.value_loss,
                            [RLT_SUM_ENTROPY] = sum.entropy,
                            [RLT_SUM_KL] = sum.approx_kl};
    for (size_t i = 0; i < RLT_COUNT(terms); i++) {
        if (!isfinite(terms[i])) {
            return rlt_ppo_diverged((int)i, terms[i], u->iteration, u->ppo->step + 1, err);
        }
    }
    u->sums.policy_loss += sum.policy_loss;
    u->sums.value_loss += sum.value_loss;
    u->sums.entropy += sum.entropy;
    u->sums.approx_kl += sum.approx_kl;
    u->sums.clipped += sum.clipped;
    int64_t rows = u->minibatch.n * u->minibatch.steps;
    u->rows_seen += rows;
    *kl = sum.approx_kl / (double)rows;
    return RLT_OK;
}

/* One minibatch; *stop is set instead of a step when the divergence is past its target. */
static rlt_status train_minibatch(update *u, bool *stop, rlt_err *err) {
    rlt_ppo *ppo = u->ppo;
    double kl = 0, squares = 0;
    rlt_pool_run(ppo->pool, ppo->shards_taken, shard_grad, u);
    if (ppo->team_blocks != NULL) {
        RLT_TRY(exchange(u, err));
    }
    RLT_TRY(add_stats(u, &kl, err));
    /* the rule of Stable-Baselines3 (ppo.py): before the step, at 1.5 times the target */
    *stop = ppo->options.target_kl > 0 && kl > 1.5 * (double)ppo->options.target_kl;
    if (*stop) {
        return RLT_OK;
    }
    rlt_pool_run(ppo->pool, RLT_PPO_CHUNKS, reduce_chunk, u);
    for (int c = 0; c < RLT_PPO_CHUNKS; c++) {
        squares += u->squares[c];
    }
    double norm = sqrt(squares);
    if (!isfinite(norm)) {
        return rlt_ppo_diverged(RLT_SUM_COUNT, norm, u->iteration, ppo->step + 1, err);
    }
    /* as torch.nn.utils.clip_grad_norm_ */
    double scale = (double)ppo->options.max_grad_norm / (norm + 1e-6);
    u->grad_scale = ppo->options.max_grad_norm > 0 && scale < 1 ? (float)scale : 1.0f;
    u->norm_sum += norm;
    u->steps++;
    ppo->step++;
    rlt_pool_run(ppo->pool, RLT_PPO_CHUNKS, step_chunk, u);
    return RLT_OK;
}

static rlt_status train_epoch(update *u, int64_t ahead, bool *stop, rlt_err *err) {
    rlt_ppo *ppo = u->ppo;
    int64_t sequences = u->rows->rows / ppo->steps, count = rlt_ppo_minibatch_count(ppo, sequences);
    const uint32_t *order = ppo->order + ahead * sequences;
    for (int64_t i = 0; i < count && !*stop; i++) {
        u->minibatch = minibatch_at(ppo, u->rows, order, i);
        u->minibatch.moments = ppo->measured[ahead * count + i];
        RLT_TRY(train_minibatch(u, stop, err));
    }
    return RLT_OK;
}

static void fill_result(const update *u, int64_t epochs, rlt_ppo_result *result) {
    double rows = (double)u->rows_seen;
    *result = (rlt_ppo_result){
        .policy_loss = u->sums.policy_loss / rows,
        .value_loss = u->sums.value_loss / rows,
        .entropy = u->sums.entropy / rows,
        .approx_kl = u->sums.approx_kl / rows,
        .clip_fraction = u->sums.clipped / rows,
        .grad_norm = u->steps > 0 ? u->norm_sum / (double)u->steps : 0,
        .epochs = epochs,
    };
}

rlt_status rlt_ppo_threads_update(rlt_ppo *ppo, float *params, const rlt_ppo_rows *rows, float lr,
                                  const rlt_ppo_coef *coef, int64_t iteration,
                                  rlt_ppo_result *result, rlt_err *err) {
    update u = {
        .ppo = ppo, .params = params, .rows = rows, .coef = coef, .lr = lr, .iteration = iteration};
    int64_t epoch = 0;
    rlt_policy_pack(ppo->packed, params);
    for (bool stop = false; epoch < ppo->options.epochs && !stop; epoch++) {
        int64_t ahead = epoch % RLT_PPO_EPOCHS_AHEAD, left = ppo->options.epochs - epoch;
        if (ahead == 0) {
            u.first_epoch = epoch;
            rlt_pool_run(ppo->pool,
                         (int)(left < RLT_PPO_EPOCHS_AHEAD ? left : RLT_PPO_EPOCHS_AHEAD),
                         prepare_epoch, &u);
        }
        RLT_TRY(train_epoch(&u, ahead, &stop, err));
    }
    fill_result(&u, epoch, result);
    return RLT_OK;
}

/* ppo: epochs of minibatches, each a gradient in shards, a reduction, an optimiser step; these
 * three are the parallel sections. Thread: the caller's plus the pool's. */
#include "algos/ppo/ppo_impl.h"

#include "algos/algos.h"

#include <math.h>
#include <string.h>

extern const rlt_algo_def rlt_algo_ppo;
const rlt_algo_def rlt_algo_ppo = {
    "ppo", "proximal policy optimisation: on-policy, clipped, several epochs per rollout"};

struct rlt_ppo {
    rlt_policy_spec spec;
    rlt_ppo_options options;
    int64_t rows_max, step;
    int64_t steps, taken; /* rows of a sequence; sequences of a minibatch */
    rlt_pool *pool;
    rlt_ppo_on_device *on_device; /* NULL: what follows is used */
    size_t param_count;
    rlt_policy_packed *packed; /* of the parameters as they are, within an update */
    float *moments;            /* [2][param_count], the optimiser's */
    rlt_ppo_shard shards[RLT_PPO_SHARDS];
    /* With a team: this member computes shards first_shard .. + shards_taken - 1, and what all
     * members give each other is [count][team_bytes]: a gradient, then their shards' statistics. */
    int first_shard, shards_taken;
    size_t team_bytes;
    unsigned char *team_blocks;
    uint32_t *order;           /* [RLT_PPO_EPOCHS_AHEAD][sequences] */
    rlt_ppo_moments *measured; /* [RLT_PPO_EPOCHS_AHEAD][minibatches] */
};

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

static int64_t minibatch_count(const rlt_ppo *ppo, int64_t sequences) {
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

static rlt_status check_options(const rlt_ppo_options *o, int64_t rows_max, rlt_err *err) {
    const rlt_optimiser_spec *opt = &o->optimiser;
    const struct {
        const char *name;
        double value, min, max;
    } rows[] = {
        {"epochs", (double)o->epochs, 1, 1e6},
        {"minibatch", (double)o->minibatch, 1, (double)INT32_MAX},
        {"rows", (double)rows_max, 1, (double)INT32_MAX},
        {"steps", (double)o->steps, 0, (double)rows_max},
        {"learners", o->team.count == 3 ? NAN : (double)o->team.count, 0, RLT_PPO_SHARDS},
        {"max_grad_norm", (double)o->max_grad_norm, 0, 1e30},
        {"target_kl", (double)o->target_kl, 0, 1e30},
        {"optimiser", (double)opt->kind, RLT_OPT_ADAM, RLT_OPT_RMSPROP},
        {"beta1", (double)opt->beta1, 0, 1},
        {"beta2", (double)opt->beta2, 0, 1},
        {"eps", (double)opt->eps, 0, 1},
        {"weight_decay", (double)opt->weight_decay, 0, 1},
        {"momentum", (double)opt->momentum, 0, 1},
        {"alpha", (double)opt->alpha, 0, 1},
    };
    for (size_t i = 0; i < RLT_COUNT(rows); i++) { /* written so that a NaN is refused */
        if (!(rows[i].value >= rows[i].min && rows[i].value <= rows[i].max)) {
            return rlt_fail(err, RLT_EINVAL, "ppo.%s: %g is out of bounds; allowed: %g to %g",
                            rows[i].name, rows[i].value, rows[i].min, rows[i].max);
        }
    }
    return RLT_OK;
}

static float *floats(size_t count) {
    return rlt_alloc(sizeof(float) * count);
}

static void shard_init(rlt_ppo_shard *shard, const rlt_policy_spec *spec, size_t sequences,
                       size_t steps, bool masked) {
    size_t rows = sequences * steps;
    shard->workspace = rlt_policy_workspace_create(spec);
    shard->obs = floats(rows * (size_t)spec->obs_dim);
    shard->action = rlt_alloc(rows * rlt_policy_action_bytes(spec));
    shard->reset = rlt_alloc(rows);
    shard->mask = masked ? rlt_alloc(rows * (size_t)spec->action_dim) : NULL;
    shard->memory = floats(sequences * (size_t)rlt_policy_state_width(spec));
    shard->log_prob = floats(rows);
    shard->value = floats(rows);
    shard->advantage = floats(rows);
    shard->ret = floats(rows);
    /* with room for what goes with it to a team */
    shard->grad = floats(rlt_policy_param_count(spec) + 1 +
                         RLT_PPO_SHARDS * sizeof(rlt_ppo_stats) / sizeof(float));
}

static void shard_fini(rlt_ppo_shard *shard) {
    rlt_policy_workspace_destroy(&shard->workspace);
    rlt_free(shard->obs);
    rlt_free(shard->action);
    rlt_free(shard->reset);
    rlt_free(shard->mask);
    rlt_free(shard->memory);
    rlt_free(shard->log_prob);
    rlt_free(shard->value);
    rlt_free(shard->advantage);
    rlt_free(shard->ret);
    rlt_free(shard->grad);
}

/* Of a gradient in a team's block: what follows is aligned for doubles. */
static size_t gradient_bytes(const rlt_ppo *ppo) {
    return (ppo->param_count + 1) / 2 * 2 * sizeof(float);
}

static void allocate(rlt_ppo *made, int64_t rows_max) {
    const rlt_ppo_options *options = &made->options;
    made->steps = options->steps > 1 ? options->steps : 1;
    int64_t sequences = rows_max / made->steps;
    made->taken = options->minibatch / made->steps;
    made->taken = made->taken < 1 ? 1 : made->taken > sequences ? sequences : made->taken;
    made->packed = rlt_policy_packed_create(&made->spec);
    made->moments = floats(2 * made->param_count);
    for (int s = 0; s < RLT_PPO_SHARDS; s++) {
        shard_init(&made->shards[s], &made->spec, (size_t)(made->taken / RLT_PPO_SHARDS + 1),
                   (size_t)made->steps, options->masked);
    }
    int members = options->team.count > 1 ? options->team.count : 1;
    made->shards_taken = RLT_PPO_SHARDS / members;
    made->first_shard = members > 1 ? options->team.rank * made->shards_taken : 0;
    made->team_bytes = gradient_bytes(made) + (size_t)made->shards_taken * sizeof(rlt_ppo_stats);
    made->team_blocks = members > 1 ? rlt_alloc((size_t)members * made->team_bytes) : NULL;
    made->order = rlt_alloc(sizeof(uint32_t) * RLT_PPO_EPOCHS_AHEAD * (size_t)sequences);
    made->measured = rlt_alloc(sizeof(rlt_ppo_moments) * RLT_PPO_EPOCHS_AHEAD *
                               (size_t)minibatch_count(made, sequences));
}

static rlt_status check(const rlt_policy_spec *spec, const rlt_ppo_options *options,
                        int64_t rows_max, rlt_err *err) {
    RLT_TRY(rlt_policy_check(spec, err));
    return check_options(options, rows_max, err);
}

rlt_status rlt_ppo_create(const rlt_policy_spec *spec, const rlt_ppo_options *options,
                          int64_t rows_max, rlt_pool *pool, rlt_ppo **ppo, rlt_err *err) {
    *ppo = NULL;
    rlt_device *device = options->device;
    rlt_status status = check(spec, options, rows_max, err);
    if (status != RLT_OK) {
        rlt_device_close(&device);
        return status;
    }
    rlt_ppo *made = rlt_alloc(sizeof(*made));
    made->spec = *spec;
    made->options = *options;
    made->rows_max = rows_max;
    made->pool = pool;
    made->param_count = rlt_policy_param_count(spec);
    if (device == NULL) {
        allocate(made, rows_max);
    } else {
        made->steps = options->steps > 1 ? options->steps : 1;
        status = rlt_ppo_on_device_create(device, spec, options, rows_max, &made->on_device, err);
    }
    if (status != RLT_OK) {
        rlt_ppo_destroy(&made);
        return status;
    }
    *ppo = made;
    return RLT_OK;
}

void rlt_ppo_destroy(rlt_ppo **ppo) {
    rlt_ppo *p = *ppo;
    if (p == NULL) {
        return;
    }
    rlt_ppo_on_device_destroy(&p->on_device);
    for (int s = 0; s < RLT_PPO_SHARDS; s++) {
        shard_fini(&p->shards[s]);
    }
    rlt_policy_packed_destroy(&p->packed);
    rlt_free(p->moments);
    rlt_free(p->order);
    rlt_free(p->measured);
    rlt_free(p->team_blocks);
    rlt_free(p);
    *ppo = NULL;
}

float *rlt_ppo_state(rlt_ppo *ppo, size_t *count) {
    *count = 2 * ppo->param_count;
    return ppo->on_device != NULL ? rlt_ppo_on_device_moments(ppo->on_device) : ppo->moments;
}

int64_t *rlt_ppo_step(rlt_ppo *ppo) {
    return &ppo->step;
}

/* Task: the order of one epoch ahead, and the moments of its minibatches. */
static void prepare_epoch(void *user, int ahead) {
    update *u = user;
    rlt_ppo *ppo = u->ppo;
    int64_t sequences = u->rows->rows / ppo->steps, count = minibatch_count(ppo, sequences);
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
    size_t stats = gradient_bytes(ppo), bytes = (size_t)ppo->shards_taken * sizeof(rlt_ppo_stats);
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

rlt_status rlt_ppo_diverged(int term, double value, int64_t iteration, int64_t step, rlt_err *err) {
    static const char *const names[] = {
        [RLT_SUM_POLICY] = "policy loss", [RLT_SUM_VALUE] = "value loss",
        [RLT_SUM_ENTROPY] = "entropy",    [RLT_SUM_KL] = "approx_kl",
        [RLT_SUM_CLIPPED] = "clipped",    [RLT_SUM_COUNT] = "gradient norm"};
    return rlt_fail(err, RLT_EDIVERGED,
                    "the %s is not finite (%g) at iteration %lld, optimiser step %lld: lower lr, "
                    "clip the gradient or normalise observations and rewards",
                    names[term], value, (long long)iteration, (long long)step);
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
    int64_t sequences = u->rows->rows / ppo->steps, count = minibatch_count(ppo, sequences);
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

rlt_status rlt_ppo_update(rlt_ppo *ppo, float *params, const rlt_ppo_rows *rows, float lr,
                          const rlt_ppo_coef *coef, int64_t iteration, rlt_ppo_result *result,
                          rlt_err *err) {
    *result = (rlt_ppo_result){0};
    if (rows->rows < 1 || rows->rows > ppo->rows_max) {
        return rlt_fail(err, RLT_EINVAL, "ppo: a batch of %lld rows; allowed: 1 to %lld",
                        (long long)rows->rows, (long long)ppo->rows_max);
    }
    RLT_ASSERT(rows->rows % ppo->steps == 0);
    if (ppo->on_device != NULL) {
        return rlt_ppo_on_device_update(ppo->on_device, params, rows, lr, coef, iteration,
                                        &ppo->step, result, err);
    }
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

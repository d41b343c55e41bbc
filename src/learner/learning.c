/* learner: a trainer with its experience, alone or in a team. Thread: main. */
#include "learner/team.h"

static int thread_count(const rlt_run_config *config) {
    int cores = rlt_scheduler_cores() / (int)config->learners;
    int wanted = config->threads > 0 ? (int)config->threads : cores > 0 ? cores : 1;
    return wanted < 64 ? wanted : 64;
}

static rlt_status gather(void *user, const void *mine, void *all, size_t bytes, rlt_err *err) {
    return rlt_group_all_gather(user, mine, all, bytes, err);
}

/* The experience of this learner's own share. */
static rlt_status open_own(const rlt_learning_options *o, rlt_learning *l, const rlt_share *share,
                           rlt_source **own, rlt_err *err) {
    const rlt_run_config *c = o->config;
    int rank = o->group != NULL ? o->group->rank : 0;
    int envs = share->parts * share->envs;
    if (c->workers == 0) {
        return rlt_source_local(c, o->def, rank * envs, envs, rlt_trainer_pool(l->trainer), own,
                                err);
    }
    l->workers = (rlt_workers_options){
        .config = c,
        .def = o->def,
        .config_json = o->config_json,
        .script = o->script,
        .script_name = o->script_name,
        .count = share->parts,
        .first_env = rank * envs,
        .device = rlt_trainer_device(l->trainer),
        .idle = o->idle,
        .idle_user = o->idle_user,
    };
    return rlt_source_workers(&l->workers, own, err);
}

rlt_status rlt_learning_open(const rlt_learning_options *o, rlt_learning *l, rlt_err *err) {
    rlt_share share;
    RLT_TRY(rlt_share_make(o->config, &share, err));
    if (o->group != NULL) {
        l->team = (rlt_ppo_team){o->group->rank, o->group->count, gather, o->group};
    }
    if (o->space != NULL) {
        return rlt_trainer_create_supernet(o->config, o->def, thread_count(o->config),
                                           o->config_json, o->space, &l->trainer, err);
    }
    RLT_TRY(rlt_trainer_create(o->config, o->def, share.parts * share.learners, share.envs,
                               thread_count(o->config), o->group != NULL ? &l->team : NULL,
                               &l->trainer, err));
    if (!rlt_trainer_acts(l->trainer)) {
        return RLT_OK;
    }
    rlt_source *own = NULL;
    RLT_TRY(open_own(o, l, &share, &own, err));
    rlt_batch_actions actions = rlt_env_batch_actions(o->def);
    l->source = o->group != NULL ? rlt_source_group(own, o->group, actions) : own;
    return RLT_OK;
}

void rlt_learning_close(rlt_learning *l) {
    if (l->source != NULL) {
        l->source->ops->destroy(l->source);
    }
    rlt_trainer_destroy(&l->trainer);
    *l = (rlt_learning){0};
}

rlt_status rlt_learning_iterate(rlt_learning *l, rlt_train_stats *stats, rlt_err *err) {
    const rlt_segment *segments = NULL;
    uint64_t version;
    if (l->source == NULL) {
        return rlt_trainer_consume(l->trainer, NULL, stats, err);
    }
    rlt_weights_view weights = rlt_trainer_weights(l->trainer, &version);
    const rlt_source_ops *ops = l->source->ops;
    RLT_TRY(ops->publish(l->source, &weights, version, err));
    RLT_TRY(ops->collect(l->source, (uint64_t)rlt_trainer_stats(l->trainer)->iteration, &segments,
                         err));
    RLT_TRY(rlt_trainer_consume(l->trainer, segments, stats, err));
    return ops->release(l->source, err);
}

/* config: the options of behaviour cloning, one row each. Thread: read only. */
#include "config/config_impl.h"

#define BC(member) RLT_FIELD_AT(rlt_run_config, bc.member)
#define TUNABLE_LOG (RLT_FIELD_TUNABLE | RLT_FIELD_LOG)

const rlt_field rlt_fields_bc[] = {
    {"expert", RLT_FIELD_STRING, BC(expert), .initial = "null", .flags = RLT_FIELD_OPTIONAL,
     .help = "Whose actions are cloned: a checkpoint's file, or FILE.db:ID and FILE.db:ID:TRIAL, "
             "the best or one trial of an experiment; it acts in env with its most likely "
             "actions."},
    {"dataset", RLT_FIELD_STRING, BC(dataset), .initial = "null", .flags = RLT_FIELD_OPTIONAL,
     .help = "In place of an expert: a safetensors file with observation [n, width] (float32), "
             "action [n] or [n, parts] (int32), or [n, width] (float32), and where there are such "
             "reset [n] (uint8: the row begins an episode) and mask [n, actions] (uint8)."},
    {"episodes", RLT_FIELD_INT, BC(episodes), .initial = "20", .min = 1, .max = 1e6,
     .flags = TUNABLE_LOG, .help = "Episodes that the expert shows."},
    {"seed", RLT_FIELD_INT, BC(seed), .initial = "0", .min = 0, .max = 0x1p53,
     .help = "Seed of these episodes: the same for all trials, so that they learn from the same."},
    {"validation", RLT_FIELD_DOUBLE, BC(validation), .initial = "0.2", .min = 0, .max = 1,
     .flags = RLT_FIELD_OPEN_MIN | RLT_FIELD_OPEN_MAX,
     .help = "Share of the episodes, the last ones, that is not trained on but measured."},
    {"lr", RLT_FIELD_DOUBLE, BC(lr), .initial = "1e-3", .min = 0, .max = 1,
     .aliases = "learning_rate", .flags = TUNABLE_LOG | RLT_FIELD_OPEN_MIN,
     .help = "Learning rate of Adam at the start."},
    {"anneal_lr", RLT_FIELD_BOOL, BC(anneal_lr), .initial = "true", .flags = RLT_FIELD_TUNABLE,
     .help = "The learning rate falls linearly to 0 at stop.steps."},
    {"minibatch", RLT_FIELD_INT, BC(minibatch), .initial = "256", .min = 1, .max = 1 << 20,
     .aliases = "batch_size", .flags = TUNABLE_LOG, .help = "Rows of one gradient step."},
    {"iteration", RLT_FIELD_INT, BC(iteration), .initial = "16", .min = 1, .max = 1e6,
     .help = "Minibatches between two looks at the time, at reports and at milestones."},
    {"horizon", RLT_FIELD_INT, BC(horizon), .initial = "32", .min = 1, .max = 1 << 16,
     .help = "Rows of a sequence that a policy with memory learns from; it starts from an empty "
             "memory."},
    {"ent_coef", RLT_FIELD_DOUBLE, BC(ent_coef), .initial = "0", .min = 0, .max = 10,
     .flags = TUNABLE_LOG, .help = "Weight of the entropy bonus."},
    {"max_grad_norm", RLT_FIELD_DOUBLE, BC(max_grad_norm), .initial = "1", .min = 0, .max = 1e6,
     .flags = RLT_FIELD_TUNABLE, .help = "Largest norm of the whole gradient; 0: not clipped."},
    {"weight_decay", RLT_FIELD_DOUBLE, BC(weight_decay), .initial = "0", .min = 0, .max = 10,
     .flags = TUNABLE_LOG, .help = "Decay of the weights, per step times the learning rate."},
    {0}};

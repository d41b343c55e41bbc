/* nn: weights of one policy put into another of a similar shape. Thread: any; plain data. */
#ifndef RLT_NN_INHERIT_H
#define RLT_NN_INHERIT_H
#include "nn/nn.h"

/* Weights of another policy, in part: each tensor for which `lookup` knows one of the same name and
 * rank takes the block that both have, counted from index 0 in every dimension and in every group
 * of the last one. Of the rest, what leads from inputs that the other one lacks to units that it
 * has becomes 0, so that a wider layer computes what the narrower did; units that it lacks keep
 * what they have. Layers go by their number and kind; the head of an MLP (`hidden`) by being the
 * head. Returns the number of parameters copied. */
typedef struct rlt_policy_source {
    int rank;
    int64_t shape[4];
    const float *data;
} rlt_policy_source;
typedef bool (*rlt_policy_lookup)(void *user, const char *name, rlt_policy_source *source);
size_t rlt_policy_inherit(const rlt_policy_spec *spec, rlt_policy_lookup lookup, void *user,
                          float *params);
#endif

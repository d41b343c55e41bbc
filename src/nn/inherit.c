/* nn: parameters of one policy put into another of a similar shape, for searches whose trials start
 * from the weights of an earlier one. Tensors go by name, blocks that overlap are copied.
 * Why zeros where an input is new: what the parent computed is then computed still, as in network
 * morphisms (Wei et al. 2016, arXiv:1603.01670), and the new units are free to learn.
 * Thread: any. Owner: nothing is kept. */
#include "nn/inherit.h"

#include <stdio.h>
#include <string.h>

/* The last dimension is what a unit gives (in `groups` blocks, each of its own), those before are
 * what it takes. */
typedef struct block {
    const rlt_policy_tensor *to;
    const rlt_policy_source *from;
    int64_t width_to, width_from; /* of a group */
} block;

/* Where element `at` of the new tensor is in the old one; -1: not there, *kept: its unit is. */
static int64_t place_of(const block *b, int64_t at, bool *kept) {
    const rlt_policy_tensor *to = b->to;
    int last = to->rank - 1;
    int64_t column = at % to->shape[last], rest = at / to->shape[last], place = 0, stride = 1;
    int64_t unit = column % b->width_to, group = column / b->width_to;
    bool inside = true;
    *kept = unit < b->width_from;
    stride = b->from->shape[last];
    place = group * b->width_from + unit;
    for (int d = last - 1; d >= 0; d--) {
        int64_t index = rest % to->shape[d];
        rest /= to->shape[d];
        inside &= index < b->from->shape[d];
        place += index * stride;
        stride *= b->from->shape[d];
    }
    return inside && *kept ? place : -1;
}

static size_t inherit_tensor(const rlt_policy_tensor *to, const rlt_policy_source *from,
                             float *params) {
    int last = to->rank - 1;
    if (from->rank != to->rank || from->shape[last] % to->groups != 0) {
        return 0;
    }
    const block b = {to, from, to->shape[last] / to->groups, from->shape[last] / to->groups};
    int64_t elements = 1;
    size_t copied = 0;
    for (int d = 0; d < to->rank; d++) {
        elements *= to->shape[d];
    }
    for (int64_t i = 0; i < elements; i++) {
        bool kept;
        int64_t place = place_of(&b, i, &kept);
        if (place >= 0) {
            params[to->offset + (size_t)i] = from->data[place];
            copied++;
        } else if (kept) {
            params[to->offset + (size_t)i] = 0;
        }
    }
    return copied;
}

/* The number of an MLP's head in the other policy; -1: it is no MLP. */
static int head_of(rlt_policy_lookup lookup, void *user) {
    rlt_policy_source source;
    int count = 0;
    char name[32];
    do {
        snprintf(name, sizeof name, "actor.%d.weight", count++);
    } while (lookup(user, name, &source));
    return count - 2;
}

/* An MLP's head is numbered after its hidden layers; false: the other one has no such layer. */
static bool name_in_source(const rlt_policy_spec *spec, const char *name, int head,
                           char out[sizeof(((rlt_policy_tensor *)0)->name)]) {
    int layer, used = 0;
    char net[8];
    snprintf(out, sizeof(((rlt_policy_tensor *)0)->name), "%s", name);
    if (spec->layer_count > 0 || sscanf(name, "%7[a-z].%d%n", net, &layer, &used) != 2) {
        return true;
    }
    if (layer < spec->hidden_count) {
        return layer < head;
    }
    snprintf(out, sizeof(((rlt_policy_tensor *)0)->name), "%s.%d%s", net, head, name + used);
    return head >= 0;
}

size_t rlt_policy_inherit(const rlt_policy_spec *spec, rlt_policy_lookup lookup, void *user,
                          float *params) {
    rlt_policy_tensor *tensors = rlt_alloc(sizeof(*tensors) * RLT_POLICY_TENSORS_MAX);
    int count = rlt_policy_tensors(spec, tensors), head = head_of(lookup, user);
    size_t copied = 0;
    for (int i = 0; i < count; i++) {
        rlt_policy_source source;
        char name[sizeof(tensors->name)];
        if (name_in_source(spec, tensors[i].name, head, name) && lookup(user, name, &source)) {
            copied += inherit_tensor(&tensors[i], &source, params);
        }
    }
    rlt_free(tensors);
    return copied;
}

/* Private to src/learner: weights that all networks of a search space share (single path one-shot
 * with uniform sampling, Guo et al. 2020, arXiv:1904.00420). There is one tensor for each name that
 * a network of the space has, so one for each place and kind of layer, as large as any of them
 * needs; a network uses the block from index 0 of every dimension (and of every gate). Every
 * minibatch trains one network, drawn evenly; the others' weights and moments stay as they are.
 * Thread: the trainer's. */
#ifndef RLT_SUPERNET_H
#define RLT_SUPERNET_H
#include "algos/bc/bc.h"
#include "learner/algorithm.h"

enum { RLT_SUPERNET_NETWORKS_MAX = 4096 };

typedef struct rlt_supernet rlt_supernet;
/* config_json: of one of the networks; space_json: {path: [values]}, each combination a network.
 * Weights of the largest shapes are drawn from `seed`. RLT_ECONFIG: a network that cannot be. */
rlt_status rlt_supernet_create(const char *config_json, const char *space_json,
                               const rlt_env_def *def, uint64_t seed, rlt_supernet **supernet,
                               rlt_err *err);
void rlt_supernet_destroy(rlt_supernet **supernet);
bool rlt_supernet_has_memory(const rlt_supernet *supernet); /* one of its networks has */
/* As rlt_bc_train, each minibatch with a network of its own; options: for all networks. */
rlt_status rlt_supernet_train(rlt_supernet *supernet, const rlt_bc_options *options,
                              const rlt_bc_rows *rows, const uint32_t *order, int count, float lr,
                              rlt_bc_result *result, rlt_err *err);
/* The network's weights out of the shared ones. */
void rlt_supernet_take(const rlt_supernet *supernet, const rlt_policy_spec *spec, float *params);
/* Moments and step of the optimiser, and the weights as tensors "super.<name>", for checkpoints. */
float *rlt_supernet_state(rlt_supernet *supernet, size_t *count);
int64_t *rlt_supernet_step(rlt_supernet *supernet);
void rlt_supernet_tensors(rlt_supernet *supernet, rlt_add_tensor add, void *list);
#endif

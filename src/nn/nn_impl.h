/* Private to src/nn. */
#ifndef RLT_NN_IMPL_H
#define RLT_NN_IMPL_H
#include "nn/nn.h"

enum { RLT_NN_BLOCK = 64 }; /* rows at a time */

struct rlt_policy_workspace {
    rlt_policy_spec spec;
    /* [actor, critic][layer] -> [RLT_NN_BLOCK][width]; the last entry of pre/post: the head */
    float *pre[2][RLT_HIDDEN_MAX + 1], *post[2][RLT_HIDDEN_MAX + 1];
    float *delta[2]; /* [RLT_NN_BLOCK][width]; delta[0] holds d loss / d head on entry */
};

size_t rlt_nn_critic_offset(const rlt_policy_spec *spec);
size_t rlt_nn_log_std_offset(const rlt_policy_spec *spec);
/* One net over n <= RLT_NN_BLOCK rows; backward needs the forward's activations in ws. */
void rlt_nn_net_forward(rlt_policy_workspace *ws, int net, const float *params, const float *obs,
                        int n, int out, float *result);
void rlt_nn_net_backward(rlt_policy_workspace *ws, int net, const float *params, const float *obs,
                         int n, int out, float *grad);
/* y = tanh(z), absolute error below 5e-7 */
void rlt_nn_tanh(const float *z, int count, float *y);
/* log softmax of logits[n] into log_p[n] */
void rlt_nn_log_softmax(const float *logits, int n, float *log_p);
#endif

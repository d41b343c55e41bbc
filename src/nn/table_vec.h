/* Defines the table `TABLE` called `NAME` from the templates; the vocabulary comes before. */
#include "nn/math_vec.h"
#include "nn/dense_vec.h"
#include "nn/product_vec.h"
#include "nn/head_vec.h"
#include "nn/loss_vec.h"
#include "nn/sample_vec.h"
#include "nn/loops.h"
#include "nn/attention_vec.h"

const rlt_nn_kernels TABLE = {
    .name = NAME,
    .seq = &seq_kernels,
    .product = product_tiles,
    .column_sums = column_sums,
    .activate = activate_vec,
    .act_grad = act_grad_vec,
    .dense = dense_vec,
    .head = head_vec,
    .weight_grad = weight_grad_vec,
    .head_grad = head_grad_vec,
    .input_grad = input_grad_vec,
    .transpose = transpose_vec,
    .tanh = tanh_vec,
    .categorical_loss = categorical_loss_vec,
    .gaussian_loss = gaussian_loss_vec,
    .value_loss = value_loss_vec,
    .sample_categorical = sample_categorical_vec,
    .sample_gaussian = sample_gaussian_vec,
    .gae = gae_loop,
    .pool_max = pool_max_loop,
    .pool_grad = pool_grad_loop,
    .add = add_loop,
    .sum_squares = sum_squares_loop,
    .adam = adam_loop,
    .sgd = sgd_loop,
    .rmsprop = rmsprop_loop,
};

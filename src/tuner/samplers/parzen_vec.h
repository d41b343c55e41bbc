/* tuner: the bodies behind parzen_forms.h; the including file sets RLT_LANES and RLT_PARZEN_FORM,
 * the name of the form. Kernels are summed one after the other in each lane. */
#include "tuner/samplers/lanes.h"
#include "tuner/samplers/parzen_forms.h"

static void add_to_lanes(const rlt_parzen_chunk *c, int lane) {
    rlt_lanes e[RLT_PARZEN_CHUNK], before, sum;
    rlt_lanes_load(&before, c->peak + lane);
    rlt_lanes_load(&sum, c->sum + lane);
    rlt_lanes peak = before;
    for (int k = 0; k < c->count; k++) {
        const rlt_parzen_kernel *kernel = &c->kernels[k];
        rlt_lanes squares = {0};
        for (int d = c->first; d < c->real_end; d++) {
            rlt_lanes x;
            rlt_lanes_load(&x, c->x + d * c->lanes + lane);
            rlt_lanes z = (x - kernel->mu[d]) * kernel->inverse[d];
            squares += z * z;
        }
        e[k] = kernel->constant - 0.5 * squares;
        for (int d = c->real_end; d < c->last; d++) {
            rlt_lanes row;
            int64_t at = c->row_start[d] + (int64_t)kernel->classes[d] * c->lanes + lane;
            rlt_lanes_load(&row, c->rows + at);
            e[k] += row;
        }
        rlt_lanes_bits lower = (rlt_lanes_bits)(e[k] <= peak);
        rlt_lanes_select(&peak, &lower, &e[k]);
    }
    rlt_lanes fall = before - peak;
    rlt_lanes_exp(&fall);
    sum *= fall;
    for (int k = 0; k < c->count; k++) {
        e[k] -= peak;
        rlt_lanes_exp(&e[k]);
        sum += e[k] * c->kernels[k].weight;
    }
    memcpy(c->peak + lane, &peak, sizeof peak);
    memcpy(c->sum + lane, &sum, sizeof sum);
}

static void add_chunk(const rlt_parzen_chunk *c) {
    for (int lane = 0; lane < c->lanes; lane += RLT_LANES) {
        add_to_lanes(c, lane);
    }
}

static void fill_rows(const rlt_parzen_cells *c) {
    for (int lane = 0; lane < c->lanes; lane += RLT_LANES) {
        rlt_lanes left, right;
        rlt_lanes_load(&left, c->left + lane);
        rlt_lanes_load(&right, c->right + lane);
        for (int64_t k = 0; k < c->classes; k++) {
            double mu = c->kinds[2 * k], inverse = 1 / c->kinds[2 * k + 1];
            rlt_lanes a = (left - mu) * inverse, b = (right - mu) * inverse;
            rlt_lanes_log_mass(&a, &b);
            memcpy(c->rows + k * c->lanes + lane, &a, sizeof a);
        }
    }
}

const rlt_parzen_form RLT_PARZEN_FORM = {add_chunk, fill_rows};

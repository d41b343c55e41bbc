/* tuner: crossovers of the samplers nsga2 and nsga3, over places in [0, 1], with the defaults of
 * Optuna 5.0.0 (samplers/nsgaii/_crossovers). Thread: any, no state. */
#include "tuner/samplers/nsga.h"

#include <math.h>
#include <string.h>

int rlt_crossover_parents(int kind) {
    return kind == RLT_CROSSOVER_SPX || kind == RLT_CROSSOVER_UNDX ? 3 : 2;
}

/* Eshelman and Schaffer 1993: anywhere in the box around the parents, half as wide again on each
 * side. */
static void blx_alpha(int n, const double *parents, rlt_rng *rng, double *child) {
    const double alpha = 0.5;
    for (int i = 0; i < n; i++) {
        double low = fmin(parents[i], parents[n + i]), high = fmax(parents[i], parents[n + i]);
        double reach = alpha * (high - low);
        child[i] = low - reach + (high - low + 2 * reach) * rlt_rng_f64(rng);
    }
}

/* Of two children's genes and the parents' own, one row; the same choice of row for all. */
typedef struct genes {
    double first, second;
} genes;

static genes mix(genes children, genes parents, rlt_rng *rng) {
    genes from = rlt_rng_f64(rng) < 0.5 ? children : parents;
    return rlt_rng_f64(rng) >= 0.5 ? from : (genes){from.second, from.first};
}

/* Spread of one side: equation 3 of Deb and Agrawal's bounded form. */
static double spread(double u, double alpha, double eta) {
    double power = 1 / (eta + 1);
    return u > 1 / alpha ? pow(1 / (2 - u * alpha), power) : pow(u * alpha, power);
}

/* Simulated binary crossover that stays within the bounds: Deb and Agrawal 1995. */
static void sbx(double eta, int n, const double *parents, rlt_rng *rng, double *child,
                double *other) {
    for (int i = 0; i < n; i++) {
        double x = parents[i], y = parents[n + i], low = fmin(x, y), high = fmax(x, y);
        double apart = fmax(high - low, 1e-10), u = rlt_rng_f64(rng);
        double beta_low = 1 + 2 * low / apart, beta_high = 1 + 2 * (1 - high) / apart;
        double left = spread(u, 2 - pow(beta_low, -(eta + 1)), eta);
        double right = spread(u, 2 - pow(beta_high, -(eta + 1)), eta);
        genes made = {0.5 * (low + high - left * apart), 0.5 * (low + high + right * apart)};
        made = mix(made, (genes){x, y}, rng);
        child[i] = made.first;
        other[i] = made.second;
    }
    if (rlt_rng_f64(rng) >= 0.5) {
        memcpy(child, other, sizeof(double) * (size_t)n);
    }
}

/* Ballester and Carter 2003: children may lie beyond the parents on either side. */
static void vsbx(double eta, int n, const double *parents, rlt_rng *rng, double *child,
                 double *other) {
    const double least = 1e-10, power = 1 / (eta + 1);
    bool first_side = rlt_rng_f64(rng) <= 0.5, second_side = rlt_rng_f64(rng) <= 0.5;
    for (int i = 0; i < n; i++) {
        double x = parents[i], y = parents[n + i], u = rlt_rng_f64(rng);
        double a = pow(1 / fmax(2 * u, least), power), b = pow(1 / fmax(2 * (1 - u), least), power);
        genes made;
        made.first = 0.5 * (first_side ? (1 + a) * x + (1 - b) * y : (1 - a) * x + (1 + b) * y);
        made.second = 0.5 * (second_side ? (3 - a) * x - (1 - b) * y : (3 - b) * y - (1 - a) * x);
        made = mix(made, (genes){x, y}, rng);
        child[i] = made.first;
        other[i] = made.second;
    }
    if (rlt_rng_f64(rng) >= 0.5) {
        memcpy(child, other, sizeof(double) * (size_t)n);
    }
}

/* Simplex crossover: Tsutsui, Yamamura and Higuchi 1999: anywhere in the parents' triangle, widened
 * around its middle. */
static void spx(int n, const double *parents, rlt_rng *rng, double *child) {
    const double wide = sqrt(n + 2.0);
    double first = rlt_rng_f64(rng), second = sqrt(rlt_rng_f64(rng));
    for (int i = 0; i < n; i++) {
        const double p[3] = {parents[i], parents[n + i], parents[2 * n + i]};
        double middle = (p[0] + p[1] + p[2]) / 3, x[3];
        for (int k = 0; k < 3; k++) {
            x[k] = middle + wide * (p[k] - middle);
        }
        child[i] = x[2] + second * (x[1] - x[2] + first * (x[0] - x[1]));
    }
}

static double dot(int n, const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Unimodal normal distribution crossover: Ono and Kita 1997: normal around the middle of two
 * parents, along their line by its length, across it by the third one's distance from it. */
static void undx(int n, const double *parents, rlt_rng *rng, double *child, double *scratch) {
    const double along_std = 0.5, across_std = 0.35 / sqrt(fmax(n, 1));
    double *line = scratch, *third = scratch + n, *across = scratch + 2 * n;
    for (int i = 0; i < n; i++) {
        line[i] = parents[n + i] - parents[i];
        third[i] = parents[2 * n + i] - parents[i];
        across[i] = across_std * rlt_rng_normal(rng);
    }
    double length = fmax(sqrt(dot(n, line, line)), 1e-10);
    double along = along_std * rlt_rng_normal(rng);
    double share = dot(n, third, line) / (length * length);
    double part = dot(n, across, line) / (length * length), distance = 0;
    for (int i = 0; i < n; i++) {
        distance += pow(third[i] - share * line[i], 2);
    }
    distance = sqrt(distance);
    for (int i = 0; i < n; i++) {
        child[i] = 0.5 * (parents[i] + parents[n + i]) - along * line[i] +
                   distance * (across[i] - part * line[i]);
    }
}

void rlt_crossover(int kind, double eta, int n, const double *parents, rlt_rng *rng, double *child,
                   double *scratch) {
    switch (kind) {
    case RLT_CROSSOVER_BLXALPHA:
        blx_alpha(n, parents, rng, child);
        break;
    case RLT_CROSSOVER_SBX:
        sbx(eta, n, parents, rng, child, scratch);
        break;
    case RLT_CROSSOVER_VSBX:
        vsbx(eta, n, parents, rng, child, scratch);
        break;
    case RLT_CROSSOVER_SPX:
        spx(n, parents, rng, child);
        break;
    case RLT_CROSSOVER_UNDX:
        undx(n, parents, rng, child, scratch);
        break;
    default:
        RLT_ASSERT(!"a crossover of places");
    }
}

double rlt_polynomial_mutation(double place, double eta, double u) {
    double power = 1 / (eta + 1);
    if (u <= 0.5) {
        return place + pow(2 * u + (1 - 2 * u) * pow(1 - place, eta + 1), power) - 1;
    }
    return place + 1 - pow(2 * (1 - u) + 2 * (u - 0.5) * pow(place, eta + 1), power);
}

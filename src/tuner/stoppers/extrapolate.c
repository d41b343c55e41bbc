/* tuner: extrapolation of learning curves by Bayesian model averaging (Hoeting et al., 1999) over
 * the shapes of Domhan, Springenberg and Hutter ("Speeding up Automatic Hyperparameter Optimization
 * of Deep Neural Networks by Extrapolation of Learning Curves", IJCAI 2015, table 1) that are
 * linear in two parameters once their others are fixed: y = c + a f(t) + e, e ~ N(0, s^2), t = x /
 * end, f: pow3  -t^-p, p = 1/4, 1/2, 1, 2;  log  ln t;  exp3  -exp(-k t), k = 1, 2.5, 5, 10, 20;
 *      hill3 t^h / (k^h + t^h), h = 2, 4, 8, k = 1/8, 1/4, 1/2, 3/4, 1;  linear  t.
 * They take MCMC over all parameters; here the others lie on that grid, c, a and s are integrated
 * out exactly, and shapes are weighted by their marginal likelihood, the four families alike and
 * the points of a family alike before. f is scaled to f(x_1) = 0, f(end) = 1, so that a is the rise
 * still to come; y to mean 0 and unit u = max(range of y, |goal - mean|). Prior:
 *   s^2 ~ InvGamma(1, 0.05^2),  (c, a) | s^2 ~ N(0, 20^2 s^2 I),
 * noise around 5 % of u, and rises around u. With n results, F the rows (1, f), V = (F'F + I /
 * 20^2)^-1, m = V F'y, A = 1 + n/2, B = 0.05^2 + (y'y - m'F'y) / 2: the value at the end is
 * Student's t with 2A degrees of freedom, centre m_1 + m_2 and squared scale (1 + 1'V1) B / A, and
 * the marginal likelihood is |V|^(1/2) B^-A up to what all shapes share (Bishop, "Pattern
 * Recognition and Machine Learning", 2006, exercises 3.12 and 3.23).
 * Why no sampling: the same curve gives the same answer, in microseconds.
 * Thread: any, no state. */
#include "tuner/stoppers/extrapolate.h"
#include "core/core.h"

#include <float.h>
#include <math.h>

typedef enum { POWER, EXPONENTIAL, HILL, LINEAR, FAMILIES } family;
typedef struct shape {
    family family;
    double p, k;
} shape;
static const shape shapes[] = {
    {POWER, 0.25, 0},     {POWER, 0.5, 0},      {POWER, 1, 0},         {POWER, 2, 0},
    {POWER, 0, 0},        {EXPONENTIAL, 1, 0},  {EXPONENTIAL, 2.5, 0}, {EXPONENTIAL, 5, 0},
    {EXPONENTIAL, 10, 0}, {EXPONENTIAL, 20, 0}, {HILL, 2, 0.125},      {HILL, 2, 0.25},
    {HILL, 2, 0.5},       {HILL, 2, 0.75},      {HILL, 2, 1},          {HILL, 4, 0.125},
    {HILL, 4, 0.25},      {HILL, 4, 0.5},       {HILL, 4, 0.75},       {HILL, 4, 1},
    {HILL, 8, 0.125},     {HILL, 8, 0.25},      {HILL, 8, 0.5},        {HILL, 8, 0.75},
    {HILL, 8, 1},         {LINEAR, 0, 0},
};
static const int family_size[FAMILIES] = {5, 5, 15, 1};
static const double prior_noise = 0.05 * 0.05, prior_width = 20.0 * 20.0;

/* p = 0 of the powers is the logarithm. */
static double value_of(const shape *s, double t) {
    switch (s->family) {
    case POWER:
        return s->p == 0 ? log(t) : -pow(t, -s->p);
    case EXPONENTIAL:
        return -exp(-s->p * t);
    case HILL:
        return 1 / (1 + pow(s->k / t, s->p));
    default:
        return t;
    }
}

/* ---- Student's t ---- */

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = DBL_MIN / DBL_EPSILON;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[] = {even, odd};
        double change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + terms[i] * d;
            c = 1 + terms[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            h *= change;
        }
        if (fabs(change - 1) < 4 * DBL_EPSILON) {
            break;
        }
    }
    return h;
}

/* The regularised incomplete beta function I_x(a, b). */
static double beta_share(double a, double b, double x) {
    if (x <= 0 || x >= 1) {
        return x >= 1 ? 1 : 0;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double rlt_student_above(double t, double freedom) {
    double tail = beta_share(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
    return t > 0 ? tail : 1 - tail;
}

/* ---- the model ---- */

typedef struct fit {
    double log_evidence, centre, scale, freedom;
} fit;

/* z: the scaled results. */
static fit fit_shape(const shape *s, const double *x, const double *y, int64_t count, double end,
                     double mean, double unit) {
    double first = value_of(s, x[0] / end), range = value_of(s, 1) - first;
    double n = (double)count, f = 0, ff = 0, z1 = 0, zf = 0, zz = 0;
    for (int64_t i = 0; i < count; i++) {
        double basis = (value_of(s, x[i] / end) - first) / range, z = (y[i] - mean) / unit;
        f += basis;
        ff += basis * basis;
        z1 += z;
        zf += z * basis;
        zz += z * z;
    }
    double p = n + 1 / prior_width, q = ff + 1 / prior_width, determinant = p * q - f * f;
    double c = (q * z1 - f * zf) / determinant, a = (p * zf - f * z1) / determinant;
    double freedom = 2 + n, shape_n = 1 + n / 2;
    double rest = prior_noise + fmax(zz - c * z1 - a * zf, 0) / 2;
    return (fit){.log_evidence = -log(determinant) / 2 - shape_n * log(rest),
                 .centre = c + a,
                 .scale = sqrt((1 + (p + q - 2 * f) / determinant) * rest / shape_n),
                 .freedom = freedom};
}

rlt_forecast rlt_extrapolate(const double *x, const double *y, int64_t count, double end,
                             double goal) {
    RLT_ASSERT(count > 0 && x[0] > 0 && x[count - 1] < end);
    double low = y[0], high = y[0], mean = 0;
    for (int64_t i = 0; i < count; i++) {
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
        mean += y[i] / (double)count;
    }
    double unit = fmax(high - low, fabs(goal - mean));
    unit = unit > 0 ? unit : 1;
    fit fits[RLT_COUNT(shapes)];
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < RLT_COUNT(shapes); i++) {
        fits[i] = fit_shape(&shapes[i], x, y, count, end, mean, unit);
        fits[i].log_evidence -= log(family_size[shapes[i].family]);
        most = fmax(most, fits[i].log_evidence);
    }
    rlt_forecast forecast = {0};
    for (size_t i = 0; i < RLT_COUNT(shapes); i++) {
        double weight = exp(fits[i].log_evidence - most);
        double t = ((goal - mean) / unit - fits[i].centre) / fits[i].scale;
        sum += weight;
        forecast.probability += weight * rlt_student_above(t, fits[i].freedom);
        forecast.expected += weight * fits[i].centre;
    }
    forecast.probability /= sum;
    forecast.expected = mean + unit * forecast.expected / sum;
    return forecast;
}

/* analysis: tests of two samples: Mann-Whitney's of ranks, Welch's of means. Thread: any. */
#include "analysis/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_MAX = 8 };
static const double EXACT_WORK_MAX = 1e8;

/* ---- ranks ---- */

typedef struct ranked {
    double value;
    bool is_x;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    double left = ((const ranked *)a)->value, right = ((const ranked *)b)->value;
    return (left > right) - (left < right);
}

/* The sum of x's ranks (mean ranks for ties), and the sum of t^3 - t over groups of t ties. */
static double rank_sum(const double *x, int n, const double *y, int m, double *ties) {
    ranked *all = rlt_alloc(sizeof *all * (size_t)(n + m + 1));
    for (int i = 0; i < n + m; i++) {
        all[i] = (ranked){i < n ? x[i] : y[i - n], i < n};
    }
    qsort(all, (size_t)(n + m), sizeof *all, compare_ranked);
    double sum = 0;
    *ties = 0;
    for (int i = 0, end; i < n + m; i = end) {
        for (end = i + 1; end < n + m && all[end].value == all[i].value;) {
            end++;
        }
        double size = end - i;
        *ties += size * size * size - size;
        for (int j = i; j < end; j++) {
            sum += all[j].is_x ? (i + 1 + end) / 2.0 : 0;
        }
    }
    rlt_free(all);
    return sum;
}

/* P(U >= u) when all orders are equally likely (Mann and Whitney 1947): the number of orders with U
 * = u obeys c(n, m, u) = c(n - 1, m, u - m) + c(n, m - 1, u); here as probabilities. */
static double exact_tail(int n, int m, double u) {
    int small = n < m ? n : m, large = n < m ? m : n, top = n * m, from = (int)ceil(u);
    size_t width = (size_t)top + 1;
    double *p = rlt_alloc(sizeof *p * width * (size_t)(small + 1)), tail = 0;
    for (int i = 0; i <= small; i++) {
        p[(size_t)i * width] = 1; /* of no value on the other side: U = 0 */
    }
    for (int j = 1; j <= large; j++) {
        for (int i = 1; i <= small; i++) { /* p[i] of (i, j - 1), p[i - 1] of (i - 1, j) already */
            double *here = p + (size_t)i * width, *less = here - width;
            for (int k = i * j; k >= 0; k--) {
                double without = k >= j ? less[k - j] : 0;
                here[k] = without * i / (i + j) + here[k] * j / (i + j);
            }
        }
    }
    for (int k = from < 0 ? 0 : from; k <= top; k++) {
        tail += p[(size_t)small * width + (size_t)k];
    }
    rlt_free(p);
    return tail;
}

static double normal_tail(int n, int m, double u, double ties) {
    double total = n + m, product = (double)n * m;
    double variance = product / 12 * (total + 1 - ties / (total * (total - 1)));
    return variance > 0 ? 0.5 * erfc((u - product / 2 - 0.5) / sqrt(variance) * M_SQRT1_2) : 1;
}

rlt_rank_test rlt_mann_whitney(const double *x, int n, const double *y, int m) {
    rlt_rank_test test = {.u = NAN, .p = NAN, .p_least = NAN};
    if (n < 1 || m < 1) {
        return test;
    }
    double ties, product = (double)n * m;
    test.u = rank_sum(x, n, y, m, &ties) - n * (n + 1.0) / 2;
    double larger = fmax(test.u, product - test.u);
    test.exact =
        ties == 0 && (n <= EXACT_MAX || m <= EXACT_MAX) && product * product < EXACT_WORK_MAX;
    test.p = fmin(1, 2 * (test.exact ? exact_tail(n, m, larger) : normal_tail(n, m, larger, ties)));
    test.p_least = fmin(1, 2 * exp(lgamma(n + 1.0) + lgamma(m + 1.0) - lgamma(n + m + 1.0)));
    return test;
}

/* ---- means ---- */

rlt_moments rlt_moments_of(const double *values, int count) {
    double mean = 0, squares = 0;
    for (int i = 0; i < count; i++) { /* Welford 1962 */
        double away = values[i] - mean;
        mean += away / (i + 1);
        squares += away * (values[i] - mean);
    }
    return (rlt_moments){count > 0 ? mean : NAN, count > 1 ? sqrt(squares / (count - 1)) : NAN,
                         count};
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double value = d;
    for (int k = 1; k <= 10000; k++) {
        double even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
        double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        for (int part = 0; part < 2; part++) {
            double term = part == 0 ? even : odd;
            d = 1 + term * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + term / c;
            c = fabs(c) < tiny ? tiny : c;
            value *= c * d;
        }
        if (fabs(c * d - 1) < 1e-15) {
            break;
        }
    }
    return value;
}

/* I_x(a, b), the regularised incomplete beta function. */
static double beta_part(double a, double b, double x) {
    if (!(x > 0)) {
        return 0;
    }
    if (x >= 1) {
        return 1;
    }
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double rlt_student_tails(double t, double freedom) {
    return beta_part(freedom / 2, 0.5, freedom / (freedom + t * t));
}

/* t with P(|T| > t) = p, by bisection. */
static double student_quantile(double p, double freedom) {
    double low = 0, high = 1;
    while (rlt_student_tails(high, freedom) > p && high < 1e12) {
        high *= 2;
    }
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double middle = low + (high - low) / 2;
        *(rlt_student_tails(middle, freedom) > p ? &low : &high) = middle;
    }
    return low + (high - low) / 2;
}

rlt_welch rlt_welch_test(const rlt_moments *x, const rlt_moments *y, double confidence) {
    rlt_welch test = {x->mean - y->mean, NAN, NAN, NAN, NAN, NAN};
    if (x->count < 2 || y->count < 2) {
        return test;
    }
    double a = x->deviation * x->deviation / x->count, b = y->deviation * y->deviation / y->count;
    double error = sqrt(a + b);
    if (!(error > 0)) {
        return test;
    }
    test.t = test.difference / error;
    /* Welch and Satterthwaite */
    test.freedom = (a + b) * (a + b) / (a * a / (x->count - 1) + b * b / (y->count - 1));
    test.p = rlt_student_tails(test.t, test.freedom);
    double room = student_quantile(1 - confidence, test.freedom) * error;
    test.low = test.difference - room;
    test.high = test.difference + room;
    return test;
}

double rlt_paired_less(const double *differences, int count) {
    rlt_moments all = rlt_moments_of(differences, count);
    if (count < 2) {
        return NAN;
    }
    if (!(all.deviation > 0)) {
        return all.mean < 0 ? 0 : all.mean > 0 ? 1 : 0.5;
    }
    double t = all.mean / (all.deviation / sqrt(count));
    double tail = rlt_student_tails(t, count - 1) / 2;
    return t < 0 ? tail : 1 - tail;
}

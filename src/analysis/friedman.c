/* analysis: Friedman's test of several treatments on the same blocks, and Conover's comparison of
 * two of them after it. Thread: any. */
#include "analysis/analysis.h"

#include <math.h>
#include <stdlib.h>

typedef struct placed {
    double value;
    int treatment;
} placed;

static int compare_placed(const void *a, const void *b) {
    double left = ((const placed *)a)->value, right = ((const placed *)b)->value;
    return (left > right) - (left < right);
}

/* Adds the block's ranks (mean ranks for ties) to the sums; returns the sum of their squares. */
static double rank_block(const double *values, int count, placed *sorted, double *sums) {
    double squares = 0;
    for (int i = 0; i < count; i++) {
        sorted[i] = (placed){values[i], i};
    }
    qsort(sorted, (size_t)count, sizeof *sorted, compare_placed);
    for (int i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && sorted[end].value == sorted[i].value;) {
            end++;
        }
        double rank = (i + 1 + end) / 2.0;
        for (int j = i; j < end; j++) {
            sums[sorted[j].treatment] += rank;
            squares += rank * rank;
        }
    }
    return squares;
}

/* Q(a, x), the regularised upper incomplete gamma function: by its series (DLMF 8.7.1) below a + 1,
 * else by its continued fraction (DLMF 8.9.2) with Lentz's method. */
static double gamma_tail(double a, double x) {
    if (!(x > 0)) {
        return 1;
    }
    double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int k = 1; k < 10000 && term > sum * 1e-16; k++) {
            term *= x / (a + k);
            sum += term;
        }
        return 1 - front * sum;
    }
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, value = d;
    for (int k = 1; k < 10000; k++) {
        double numerator = -k * (k - a);
        b += 2;
        d = numerator * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + numerator / c;
        c = fabs(c) < tiny ? tiny : c;
        value *= c * d;
        if (fabs(c * d - 1) < 1e-15) {
            break;
        }
    }
    return front * value;
}

rlt_friedman rlt_friedman_test(const double *values, int blocks, int treatments,
                               double *rank_sums) {
    const double n = blocks, k = treatments;
    rlt_friedman test = {NAN, NAN, NAN, (n - 1) * (k - 1)};
    if (blocks < 2 || treatments < 2) {
        return test;
    }
    placed *sorted = rlt_alloc(sizeof *sorted * (size_t)treatments);
    double squares = 0, away = 0, sums = 0;
    for (int i = 0; i < treatments; i++) {
        rank_sums[i] = 0;
    }
    for (int i = 0; i < blocks; i++) {
        squares +=
            rank_block(values + (size_t)i * (size_t)treatments, treatments, sorted, rank_sums);
    }
    rlt_free(sorted);
    for (int i = 0; i < treatments; i++) {
        double difference = rank_sums[i] - n * (k + 1) / 2;
        away += difference * difference;
        sums += rank_sums[i] * rank_sums[i];
    }
    double spread = squares - n * k * (k + 1) * (k + 1) / 4;
    if (spread > 0) { /* else everything is a tie */
        test.statistic = (k - 1) * away / spread;
        test.p = gamma_tail((k - 1) / 2, test.statistic / 2);
        test.error = sqrt(fmax(0, 2 * (n * squares - sums) / test.freedom));
    }
    return test;
}

double rlt_conover(const rlt_friedman *test, double difference) {
    return difference == 0 || isnan(test->error) ? 1
           : test->error > 0 ? rlt_student_tails(difference / test->error, test->freedom)
                             : 0;
}

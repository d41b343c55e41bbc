/* tuner: Wilcoxon's signed-rank test (Wilcoxon, "Individual Comparisons by Ranking Methods", 1945).
 * Why doubled ranks: the mean ranks of ties are halves, so that the exact distribution of the sum
 * is one over integers whether there are ties or not. Thread: any, no state. */
#include "tuner/stoppers/signed_rank.h"
#include "core/core.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT_MAX = 50, EXACT_TIES_MAX = 13, SUM_MAX = EXACT_MAX * (EXACT_MAX + 1) };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct rank_sums {
    int64_t plus;   /* twice the sum of the ranks of positive differences, half of zeros' */
    int64_t zeros;  /* the part of it that is theirs */
    double ties;    /* sum of t^3 - t over groups of t equal magnitudes */
    int64_t equals; /* groups with t > 1 */
} rank_sums;

/* The first place of x among the sorted magnitudes, and how many are equal to it. */
static int64_t group_of(const double *sorted, int64_t count, double x, int64_t *equal) {
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (sorted[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *equal = 0;
    while (low + *equal < count && sorted[low + *equal] == x) {
        ++*equal;
    }
    return low;
}

/* Twice the mean rank, from 1, of the group. */
static int64_t doubled_rank(int64_t first, int64_t equal) {
    return 2 * first + equal + 1;
}

static rank_sums sums_of(const double *d, int64_t count, const double *sorted) {
    rank_sums sums = {0};
    for (int64_t i = 0; i < count; i++) {
        int64_t equal, first = group_of(sorted, count, fabs(d[i]), &equal);
        int64_t rank = doubled_rank(first, equal);
        if (d[i] > 0) {
            sums.plus += rank;
        } else if (d[i] == 0) {
            sums.zeros += rank;
        }
    }
    for (int64_t i = 0, equal; i < count; i += equal) {
        group_of(sorted, count, sorted[i], &equal);
        double t = (double)equal;
        sums.ties += t * t * t - t;
        sums.equals += equal > 1;
    }
    return sums;
}

/* Of the 2^n ways to give signs to the nonzero differences, the share with a sum <= most. */
static double exact(const double *d, int64_t count, const double *sorted, int64_t most) {
    double ways[SUM_MAX + 1] = {1}, below = 0, all = 0;
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        if (d[i] == 0) {
            continue;
        }
        int64_t equal, first = group_of(sorted, count, fabs(d[i]), &equal);
        int64_t rank = doubled_rank(first, equal);
        sum += rank;
        for (int64_t s = sum; s >= rank; s--) {
            ways[s] += ways[s - rank];
        }
    }
    for (int64_t s = 0; s <= sum; s++) {
        all += ways[s];
        below += s <= most ? ways[s] : 0;
    }
    return below / all;
}

double rlt_signed_rank_less(const double *d, int64_t count, double *scratch) {
    RLT_ASSERT(count > 0);
    for (int64_t i = 0; i < count; i++) {
        scratch[i] = fabs(d[i]);
    }
    qsort(scratch, (size_t)count, sizeof(double), ascending);
    rank_sums sums = sums_of(d, count, scratch);
    bool plain = sums.equals == 0 && scratch[0] > 0;
    if (plain ? count <= EXACT_MAX : count <= EXACT_TIES_MAX) {
        return exact(d, count, scratch, sums.plus); /* zeros add the same to every sum */
    }
    double n = (double)count, plus = ((double)sums.plus + (double)sums.zeros / 2) / 2;
    double variance = (n * (n + 1) * (2 * n + 1) - sums.ties / 2) / 24;
    double z = (plus - n * (n + 1) / 4) / sqrt(variance);
    return erfc(-z / sqrt(2)) / 2;
}

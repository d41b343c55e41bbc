/* analysis, private: regression trees, checks of the data. Thread: any, no state. */
#ifndef RLT_ANALYSIS_IMPL_H
#define RLT_ANALYSIS_IMPL_H
#include "analysis/analysis.h"

/* What a forest is fitted to. A numeric feature is a column of numbers in [0, 1]; a choice is a
 * column for each of its choices, 1 where it was taken and 0 elsewhere. */
typedef struct rlt_feature {
    const double *x;     /* [rows]; of a choice its index, which is none below 0 */
    const int *by_value; /* numeric: the rows in the order of x */
    int choices;         /* 0: numeric */
    int column;          /* its first one */
} rlt_feature;
typedef struct rlt_table01 {
    rlt_feature *features;
    double *y; /* [rows], of mean 0 */
    int rows, feature_count, columns;
} rlt_table01;

/* The leaves of a tree: a value, and the box in which it holds. */
typedef struct rlt_leaves {
    int count, columns;
    double *value; /* [count] */
    double *box;   /* [count, columns, 2] */
} rlt_leaves;
/* One tree of a random forest (Breiman 2001) with the defaults of scikit-learn's
 * RandomForestRegressor: rows drawn with replacement, every split the one that lowers the squared
 * error most over all columns, ties by chance, leaves of one value. */
void rlt_tree_grow(const rlt_table01 *table, int depth_max, rlt_rng rng, rlt_leaves *leaves);
void rlt_leaves_fini(rlt_leaves *leaves);

bool rlt_param_is_single(const rlt_analysis_param *param);
bool rlt_param_has_too_many(const rlt_analysis_param *param); /* choices: it is left out */
/* Which trials have a finite value: kept[]; RLT_EINVAL unless there are 2, and they differ. */
rlt_status rlt_analysis_check(const rlt_analysis_data *data, int *kept, int *count, rlt_err *err);
/* Shares from raw numbers (equal ones where all are 0), sorted; equal ones in the order of params.
 */
void rlt_importance_finish(rlt_importance *list, int count);
#endif

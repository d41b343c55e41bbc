/* The table of algorithms, from algos.def. Thread: read only. */
#include "algos/algos.h"

#include <stddef.h>

#define X(folder) extern const rlt_algo_def rlt_algo_##folder;
#include "algos/algos.def"
#undef X

const rlt_algo_def *const rlt_algos[] = {
#define X(folder) &rlt_algo_##folder,
#include "algos/algos.def"
#undef X
    NULL,
};

/* Private to src/learner: what an expert saw and did, for behaviour cloning. Whole episodes, the
 * last of them for validation; cut into sequences of `horizon` rows, of which those left over at
 * the end of each part are dropped. Thread: the trainer's. */
#ifndef RLT_DATASET_H
#define RLT_DATASET_H
#include "algos/bc/bc.h"
#include "worker/worker.h"

enum { RLT_DATASET_FLOATS_MAX = 1 << 28 }; /* of all observations */

typedef struct rlt_dataset {
    int horizon;          /* rows of a sequence */
    int64_t train, valid; /* sequences; the training ones come first */
    int64_t episodes;
    double expert_return; /* mean; NAN: not known */
    int obs_width, mask_width;
    size_t action_bytes;
    float *obs; /* [horizon][sequences][obs_width], raw: row step * sequences + sequence */
    unsigned char *action;
    uint8_t *reset, *mask; /* mask NULL: none */
} rlt_dataset;
/* memory: in sequences, else rows are sequences of one. From config->bc: the expert's episodes in
 * `def`, or a file. The same configuration and files give the same bytes. RLT_ECONFIG: neither is
 * given, or too few rows; RLT_ECORRUPT, RLT_ENOTFOUND: what is wrong with the file. *dataset is {0}
 * after an error. */
rlt_status rlt_dataset_make(const rlt_run_config *config, const rlt_env_def *def,
                            const rlt_policy_spec *spec, bool memory, rlt_dataset *dataset,
                            rlt_err *err);
void rlt_dataset_fini(rlt_dataset *dataset); /* safe on {0} */
/* All sequences; with steps = 1 each row is one, training rows first. Borrowed. */
rlt_bc_rows rlt_dataset_rows(const rlt_dataset *dataset);
#endif

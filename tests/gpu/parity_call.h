/* The parity suite's check of functions: one call on a device with what it wrote, compared with a
 * second call and with one from a graph (the same bits), and with the CPU twin. */
#ifndef RLT_PARITY_CALL_H
#define RLT_PARITY_CALL_H
#include "tests/gpu/parity.h"

enum { PARITY_OUT_MAX = 12 };
/* What a call wrote: floats, bytes, the state of the update; filled when the call is done. */
typedef struct parity_results {
    int count;
    const char *name[PARITY_OUT_MAX];
    void *at[PARITY_OUT_MAX]; /* on the device */
    bool floats[PARITY_OUT_MAX];
    size_t size[PARITY_OUT_MAX];     /* entries: floats or bytes */
    float *values[PARITY_OUT_MAX];   /* host; of bytes: the bytes */
    rlt_update_state *update, state; /* update: on the device, NULL: none */
    bool record;
} parity_results;

/* Places `data` on the device, names what will be written, calls parity_start, then the function.
 * Runs several times: the same input every time. */
typedef void (*parity_run)(parity *p, rlt_device *device, const void *data, parity_results *out);

void parity_start(parity *p, rlt_device *device, parity_results *out);
/* Memory for an output; poisoned with NaN, with contents where it is read as well. */
float *parity_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                  size_t count);
float *parity_in_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                     const float *contents, size_t count);
void *parity_bytes_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                       size_t size);
rlt_update_state *parity_state_out(parity *p, rlt_device *device, parity_results *out,
                                   const rlt_update_state *contents);
/* The head with its counts on the device; a mask that leaves each component a logit. */
rlt_head parity_head(parity *p, rlt_device *device, const rlt_head *head);
uint8_t *parity_mask(parity *p, const rlt_head *head, int n);

/* On the device under test, twice, and from a graph: the same bits. */
parity_results parity_call(parity *p, parity_run run, const void *data);
/* Floats and sums within the limit of the CPU's, bytes and counters the same. */
void parity_against_twin(parity *p, parity_run run, const void *data, const parity_results *got,
                         double limit);
#endif

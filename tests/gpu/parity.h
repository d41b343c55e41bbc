/* The parity suite: every operation and function of a backend against a float64 reference and the
 * CPU twin, on fresh random input of odd sizes (the seed is printed; --seed repeats a run). A file
 * of rows is a list of cases and the references that they need; parity.c runs them on the device
 * that it was given. An error is compared with limit * (|reference| + root mean square of all the
 * reference's values). No cmocka: the reduced build has none. Thread: the main one. */
#ifndef RLT_PARITY_H
#define RLT_PARITY_H
#include "nn/device.h"

enum { PARITY_HELD_MAX = 4096 };
typedef struct parity {
    rlt_device *device; /* under test */
    rlt_device *twin;   /* the CPU's */
    uint64_t seed;
    rlt_rng rng;
    const char *group, *row; /* for messages */
    int checks, failures, rows;
    double worst;                /* the largest error as a share of its limit, of this group */
    void *held[PARITY_HELD_MAX]; /* host memory; parity_reset frees it */
    void *on_device[PARITY_HELD_MAX], *on_twin[PARITY_HELD_MAX];
    int held_count, device_count, twin_count;
} parity;

/* ---- the groups of rows, a line each ---- */
void parity_feedforward(parity *p); /* dense, conv, max_pool, embed, activation, add */
void parity_memory(parity *p);      /* copies, graphs, errors */
void parity_update(parity *p);      /* whole updates by PPO, recorded */
void parity_sequence(parity *p);    /* norms, lstm, gru, attention, gate */
void parity_losses(parity *p);      /* of policies, of values, SAC; dueling */
void parity_functions(parity *p);   /* minibatches, advantages, draws, the step */

/* ---- what rows are made of; all memory lives until parity_reset, which a row begins with ---- */
void parity_begin(parity *p, const char *row); /* a new row: frees what the last one held */
void *parity_host(parity *p, size_t bytes);    /* zeroed */
float *parity_normal(parity *p, size_t count, float scale);
double *parity_doubles(parity *p, const float *from, size_t count); /* NULL for NULL */
int parity_size(parity *p, int low, int high);                      /* random, both ends included */
/* Device memory with these contents (NULL: zeros), on p->device or p->twin. */
void *parity_up(parity *p, rlt_device *device, const void *from, size_t bytes);
void parity_down(rlt_device *device, void *to, const void *from, size_t bytes);
bool parity_synced(parity *p, rlt_device *device); /* false: counted as a failure */

/* How far float32 results of products of this device may be off, by its precision: about the
 * rounding of one operand; sums of independent errors are within 8 of it. */
double parity_rounding(const rlt_device *device);
/* Counts and prints what is off. NaN where the reference has none is off. */
void parity_near(parity *p, const char *what, const float *got, const double *want, size_t count,
                 double limit);
void parity_near_floats(parity *p, const char *what, const float *got, const float *want,
                        size_t count, double limit);
void parity_same(parity *p, const char *what, const void *got, const void *want, size_t bytes);
void parity_true(parity *p, const char *what, bool truth);

/* ---- operations ---- */

/* Double-precision values of one call; the rows fill y (and state_out). */
typedef struct parity_values {
    int steps, seqs;
    const double *x, *x2, *params, *state; /* state: dense [seqs][state_width] or NULL */
    const uint8_t *reset;
    double *y, *state_out; /* state_out may be NULL */
    /* backward alone: y is then what the device's forward gave */
    const double *dy;
    double *dx, *dx2, *d_params; /* written */
} parity_values;
typedef void (*parity_reference)(const rlt_op *op, const parity_values *values);

typedef struct parity_case {
    const char *name;
    rlt_op op; /* kind, in, out, shapes, act; parameters, state and saved are filled in */
    int steps, seqs;
    float x_scale, param_scale; /* 0: 1, and 1 / sqrt(in) */
    bool state, reset;          /* with a state before the first step; with resets */
    bool one_hot;               /* x has a single 1 a row */
    bool same_x2;               /* the operation has a second input */
    double loosen;              /* of the limits; 0: 1 */
} parity_case;
/* Forward and backward on both devices against the reference; again, for the same bits; by a
 * recorded graph, for the same bits; without dx. backward NULL: central differences of forward, at
 * some places (the function must be smooth). */
void parity_op(parity *p, const parity_case *row, parity_reference forward,
               parity_reference backward);
#endif

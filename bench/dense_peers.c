/* The dense layers of reinforcement learning by our kernels and by libraries of matrix products, in
 * turn, on one thread: forward (y = x w, ours with bias), weight gradient (dw += x^T d) and input
 * gradient (dx = d w^T). OpenBLAS and oneDNN are loaded if they are installed, libxsmm is linked if
 * CMake finds it; what is not there is left out. GFLOP/s and the percentage of the multiply-add
 * ceiling measured in the same run; the best of several rounds of processor time.
 * Prints a table in Markdown. */
#include "measure/measure.h"
#include "nn/kernels.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef RLT_BENCH_XSMM
#include <libxsmm.h>
#endif

enum { ROUNDS = 9, KINDS = 3, PEERS_MAX = 4 };

typedef struct layer { /* width x width, `rows` rows */
    int rows, width;
    float *x, *w, *wt, *d, *y, *dw, *dx;
} layer;

typedef struct peer {
    const char *name;
    void (*run[KINDS])(const layer *l);
} peer;

/* ---- ours ---- */

static void our_forward(const layer *l) {
    rlt_nn_kernels_get()->dense(l->x, l->width, l->w, l->rows, l->width, l->width, RLT_NN_LINEAR,
                                l->y, l->width, NULL);
}

static void our_weight(const layer *l) {
    rlt_nn_kernels_get()->weight_grad(l->x, l->width, l->d, l->width, l->rows, l->width, l->width,
                                      l->dw);
}

static void our_input(const layer *l) {
    rlt_nn_kernels_get()->input_grad(l->d, l->width, l->wt, l->width, l->rows, l->width, l->width,
                                     RLT_NN_LINEAR, l->x, NULL, l->dx, l->width);
}

/* ---- OpenBLAS: cblas_sgemm(101 row-major, 111 plain or 112 transposed, ...) ---- */

typedef void (*cblas_fn)(int order, int ta, int tb, int m, int n, int k, float alpha,
                         const float *a, int lda, const float *b, int ldb, float beta, float *c,
                         int ldc);
static cblas_fn cblas_sgemm_at;

static void blas_forward(const layer *l) {
    int n = l->width;
    cblas_sgemm_at(101, 111, 111, l->rows, n, n, 1, l->x, n, l->w, n, 0, l->y, n);
}

static void blas_weight(const layer *l) {
    int n = l->width;
    cblas_sgemm_at(101, 112, 111, n, n, l->rows, 1, l->x, n, l->d, n, 1, l->dw, n);
}

static void blas_input(const layer *l) {
    int n = l->width;
    cblas_sgemm_at(101, 111, 112, l->rows, n, n, 1, l->d, n, l->w, n, 0, l->dx, n);
}

/* ---- oneDNN: dnnl_sgemm('N' or 'T', ...), row-major ---- */

typedef int (*dnnl_fn)(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                       const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                       float *c, int64_t ldc);
static dnnl_fn dnnl_sgemm_at;

static void dnnl_forward(const layer *l) {
    int n = l->width;
    dnnl_sgemm_at('N', 'N', l->rows, n, n, 1, l->x, n, l->w, n, 0, l->y, n);
}

static void dnnl_weight(const layer *l) {
    int n = l->width;
    dnnl_sgemm_at('T', 'N', n, n, l->rows, 1, l->x, n, l->d, n, 1, l->dw, n);
}

static void dnnl_input(const layer *l) {
    int n = l->width;
    dnnl_sgemm_at('N', 'T', l->rows, n, n, 1, l->d, n, l->w, n, 0, l->dx, n);
}

/* ---- libxsmm: column-major, so that a row-major c = a b is its c^T = b^T a^T; compiled products
 * of 64 deep blocks, which is what it is made for ---- */
#ifdef RLT_BENCH_XSMM
enum { DEEP = 64 };

static void xsmm_product(int m, int n, int k, const float *a, const float *b, float *c, bool add) {
    const float one = 1, zero = 0;
    int lda = k, ldb = n, ldc = n;
    for (int at = 0; at < k; at += DEEP) {
        int depth = k - at < DEEP ? k - at : DEEP;
        const float *beta = add || at > 0 ? &one : &zero;
        libxsmm_smmfunction f =
            libxsmm_smmdispatch(n, m, depth, &ldb, &lda, &ldc, &one, beta, NULL, NULL);
        if (f == NULL) {
            abort();
        }
        f(b + (size_t)at * (size_t)n, a + at, c);
    }
}

static void xsmm_forward(const layer *l) {
    xsmm_product(l->rows, l->width, l->width, l->x, l->w, l->y, false);
}

/* It has no product with a transposed left side here: the transpose is made, and counts. */
static void xsmm_weight(const layer *l) {
    static float *xt;
    int n = l->width;
    xt = xt == NULL ? rlt_alloc(sizeof(float) * 512 * 512) : xt;
    libxsmm_otrans(xt, l->x, sizeof(float), (libxsmm_blasint)n, (libxsmm_blasint)l->rows,
                   (libxsmm_blasint)n, (libxsmm_blasint)l->rows);
    xsmm_product(n, n, l->rows, xt, l->d, l->dw, true);
}

static void xsmm_input(const layer *l) {
    xsmm_product(l->rows, l->width, l->width, l->d, l->wt, l->dx, false);
}
#endif

static void *symbol(const char *const libraries[2], const char *name) {
    for (int i = 0; i < 2; i++) {
        void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
        void *found = library != NULL ? dlsym(library, name) : NULL;
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static int find_peers(peer peers[PEERS_MAX]) {
    static const char *const blas[] = {"libopenblas.so.0", "libopenblas.so"};
    static const char *const dnnl[] = {"libdnnl.so.2", "libdnnl.so.3"};
    int count = 0;
    peers[count++] = (peer){"ours", {our_forward, our_weight, our_input}};
    void *found = symbol(blas, "cblas_sgemm");
    if (found != NULL) {
        memcpy(&cblas_sgemm_at, &found, sizeof found);
        peers[count++] = (peer){"OpenBLAS", {blas_forward, blas_weight, blas_input}};
    }
    found = symbol(dnnl, "dnnl_sgemm");
    if (found != NULL) {
        memcpy(&dnnl_sgemm_at, &found, sizeof found);
        peers[count++] = (peer){"oneDNN", {dnnl_forward, dnnl_weight, dnnl_input}};
    }
#ifdef RLT_BENCH_XSMM
    peers[count++] = (peer){"libxsmm", {xsmm_forward, xsmm_weight, xsmm_input}};
#endif
    return count;
}

static float *random_floats(size_t count) {
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, 0);
    float *x = rlt_alloc(sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        x[i] = rlt_rng_uniform(&rng, -1, 1);
    }
    return x;
}

static layer open_layer(int rows, int width) {
    size_t n = (size_t)width, all = (size_t)rows * n;
    layer l = {.rows = rows, .width = width};
    l.x = random_floats(all);
    l.d = random_floats(all);
    l.w = random_floats(n * n + n);
    l.wt = random_floats(n * n);
    l.y = random_floats(all);
    l.dx = random_floats(all);
    l.dw = random_floats(n * n + n);
    rlt_nn_kernels_get()->transpose(l.w, 0, width, width, l.wt, width);
    return l;
}

static void close_layer(layer *l) {
    float *const all[] = {l->x, l->w, l->wt, l->d, l->y, l->dw, l->dx};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

/* That the peers compute the same, to rounding. */
static void check(const layer *l, const peer *p, int kind, const float *want) {
    const float *got = kind == 0 ? l->y : kind == 1 ? l->dw : l->dx;
    size_t count = (size_t)(kind == 1 ? l->width : l->rows) * (size_t)l->width;
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(got[i] - want[i]) <= 1e-3f * (1 + fabsf(want[i])))) {
            fprintf(stderr, "dense_peers: %s computes something else\n", p->name);
            exit(1);
        }
    }
}

static void verify(layer *l, const peer *peers, int count) {
    size_t n = (size_t)l->width, most = n * (n > (size_t)l->rows ? n : (size_t)l->rows);
    float *want = rlt_alloc(sizeof(float) * most);
    memset(l->w + n * n, 0, sizeof(float) * n); /* no bias: the peers have none */
    for (int kind = 0; kind < KINDS; kind++) {
        float *out = kind == 0 ? l->y : kind == 1 ? l->dw : l->dx;
        size_t size = sizeof(float) * (kind == 1 ? n : (size_t)l->rows) * n;
        for (int p = 0; p < count; p++) {
            memset(l->dw, 0, sizeof(float) * (n * n + n));
            peers[p].run[kind](l);
            if (p == 0) {
                memcpy(want, out, size);
            } else {
                check(l, &peers[p], kind, want);
            }
        }
    }
    rlt_free(want);
}

static void measure(layer *l, const peer *peers, int count, double ceiling) {
    static const char *const kinds[KINDS] = {"forward", "weights", "inputs"};
    double flop = 2.0 * l->rows * l->width * l->width;
    int calls = (int)(2e8 / flop) + 1;
    for (int kind = 0; kind < KINDS; kind++) {
        double best[PEERS_MAX] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            for (int p = 0; p < count; p++) { /* in turn: what disturbs one disturbs all */
                double start = rlt_thread_seconds();
                for (int i = 0; i < calls; i++) {
                    peers[p].run[kind](l);
                }
                double rate = flop * calls / (rlt_thread_seconds() - start) * 1e-9;
                best[p] = rate > best[p] ? rate : best[p];
            }
        }
        printf("| %d to %d | %d | %s |", l->width, l->width, l->rows, kinds[kind]);
        for (int p = 0; p < count; p++) {
            printf(" %.0f (%.0f %%) |", best[p], 100 * best[p] / ceiling);
        }
        printf("\n");
    }
}

int main(void) {
    static const int widths[] = {64, 128, 256, 512}, rows[] = {64, 256};
    peer peers[PEERS_MAX];
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* before the libraries are loaded */
    setenv("OMP_NUM_THREADS", "1", 1);
    if (strcmp(rlt_nn_form_name(), "avx512") == 0) {
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1); /* whatever is set or guessed: its AVX-512 */
    }
    int count = find_peers(peers);
    double ceiling = rlt_ceiling_f32(NULL);
    printf("multiply-add ceiling of one core: %.0f GFLOP/s, our form %s\n\n", ceiling,
           rlt_nn_form_name());
    printf("| dense | rows | |");
    for (int p = 0; p < count; p++) {
        printf(" %s |", peers[p].name);
    }
    printf("\n|---|--:|---|");
    for (int p = 0; p < count; p++) {
        printf("--:|");
    }
    printf("\n");
    for (size_t w = 0; w < RLT_COUNT(widths); w++) {
        for (size_t r = 0; r < RLT_COUNT(rows); r++) {
            layer l = open_layer(rows[r], widths[w]);
            verify(&l, peers, count);
            measure(&l, peers, count, ceiling);
            close_layer(&l);
        }
    }
    return 0;
}

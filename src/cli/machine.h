/* cli: facts about this machine. Thread: main only. */
#ifndef RLT_CLI_MACHINE_H
#define RLT_CLI_MACHINE_H
#include "cli/cli.h"

enum { RLT_CUDA_SHOWN_MAX = 16 };
typedef struct rlt_cuda { /* by the driver's own library, which is loaded here only */
    int devices, driver;  /* driver: 12040 is 12.4; 0: none */
    char names[RLT_CUDA_SHOWN_MAX][64];
    const char *problem; /* when devices is 0 */
} rlt_cuda;
rlt_cuda rlt_cuda_look(void);
void rlt_cpu_name(char *name, size_t size);
const char *rlt_vector_unit(void); /* "avx512", "avx2" or "none" */
#endif

/* The table of built-in environments, from envs.def. Thread: read only. */
#include "envs/envs.h"

#define X(folder) extern const rlt_env_def rlt_env_##folder;
#include "envs/envs.def"
#undef X

const rlt_env_def *const rlt_envs[] = {
#define X(folder) &rlt_env_##folder,
#include "envs/envs.def"
#undef X
    NULL,
};

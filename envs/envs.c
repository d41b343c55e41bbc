/* The table of built-in environments, from envs.def. Thread: read only. */
#include "envs/envs.h"

#define X(name) extern const rlt_env_def rlt_env_##name;
#include "envs/envs.def"
#undef X

const rlt_env_def *const rlt_envs[] = {
#define X(name) &rlt_env_##name,
#include "envs/envs.def"
#undef X
    NULL,
};

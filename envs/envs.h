/* The table of built-in environments, NULL-terminated. Thread: read only. */
#ifndef RLT_ENVS_H
#define RLT_ENVS_H
#include "env/env.h"
extern const rlt_env_def *const rlt_envs[];
#endif

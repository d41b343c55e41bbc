/* renders: pictures of environments' states, by the table envs/renders.def.
 * Why apart from the environments: stepping needs no picture library. Thread: reentrant. */
#ifndef RLT_RENDERS_H
#define RLT_RENDERS_H
#include "env/env.h"
#include "render/render.h"

typedef struct rlt_env_renderer {
    const rlt_env_def *def;
    int width, height; /* of the picture that suits, pixels */
    int fps;           /* steps a second of the real thing, as Gymnasium has it */
    /* Draws `state` (def->state_size bytes) to fill `picture`, whatever its size. */
    void (*draw)(const rlt_env_def *def, const void *state, rlt_picture *picture);
} rlt_env_renderer;

/* RLT_EUNSUPPORTED, which names those that have one, where `def` has none. */
rlt_status rlt_env_renderer_of(const rlt_env_def *def, const rlt_env_renderer **renderer,
                               rlt_err *err);
/* Draws environment `index` (0 .. count - 1) of `vec`. */
rlt_status rlt_vec_env_render(const rlt_vec_env *vec, int index, rlt_picture *picture,
                              rlt_err *err);
#endif

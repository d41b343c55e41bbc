/* The table of pictures, from renders.def. Thread: reentrant. */
#include "envs/renders.h"

#define X(name, folder, width, height, fps)                                                        \
    extern const rlt_env_def rlt_env_##name;                                                       \
    void rlt_draw_##folder(const rlt_env_def *def, const void *state, rlt_picture *picture);
#include "envs/renders.def"
#undef X

static const rlt_env_renderer renderers[] = {
#define X(name, folder, width, height, fps)                                                        \
    {&rlt_env_##name, width, height, fps, rlt_draw_##folder},
#include "envs/renders.def"
#undef X
};

rlt_status rlt_env_renderer_of(const rlt_env_def *def, const rlt_env_renderer **renderer,
                               rlt_err *err) {
    rlt_buf names = {0};
    for (size_t i = 0; i < RLT_COUNT(renderers); i++) {
        if (renderers[i].def == def) {
            *renderer = &renderers[i];
            rlt_buf_fini(&names);
            return RLT_OK;
        }
        rlt_buf_printf(&names, "%s%s", i > 0 ? ", " : "", renderers[i].def->name);
    }
    rlt_status status = rlt_fail(err, RLT_ENOTSUP, "%s has no picture; those that have one: %s",
                                 def->name, names.data);
    rlt_buf_fini(&names);
    return status;
}

rlt_status rlt_vec_env_render(const rlt_vec_env *vec, int index, rlt_picture *picture,
                              rlt_err *err) {
    const rlt_env_def *def = rlt_vec_env_def(vec);
    const rlt_env_renderer *renderer = NULL;
    RLT_TRY(rlt_env_renderer_of(def, &renderer, err));
    void *state = rlt_alloc(def->state_size);
    rlt_vec_env_get_state(vec, index, state);
    renderer->draw(def, state, picture);
    rlt_free(state);
    return RLT_OK;
}

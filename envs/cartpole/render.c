/* CartPole's picture: the track between the bounds of x, the cart, the pole a metre long.
 * Thread: the owner's of the picture. */
#include "envs/cartpole/cartpole.h"
#include "envs/common/scene.h"

#include <math.h>

void rlt_draw_cartpole(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    const cartpole_state *s = state;
    rlt_scene scene = rlt_scene_make(picture, -2.4, -0.8, 2.4, 2.4);
    rlt_scene_line(&scene, -2.4, 0, 2.4, 0, 0.015, rlt_ink);
    rlt_scene_rectangle(&scene, s->x - 0.2, -0.12, s->x + 0.2, 0.12, rlt_ink);
    double axle = 0.06;
    rlt_scene_rod(&scene, s->x, axle, s->x + sin(s->theta), axle + cos(s->theta), 0.08, rlt_wood);
    rlt_scene_circle(&scene, s->x, axle, 0.04, rlt_blue);
}

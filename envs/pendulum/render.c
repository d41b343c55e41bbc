/* Pendulum's picture: the rod, upright at theta = 0, and its axle. Gymnasium turns it the same way:
 * positive theta to the left. Thread: the owner's of the picture. */
#include "envs/common/scene.h"
#include "envs/pendulum/pendulum.h"

#include <math.h>

void rlt_draw_pendulum(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    const pendulum_state *s = state;
    rlt_scene scene = rlt_scene_make(picture, -1.3, -1.3, 1.3, 1.3);
    rlt_scene_rod(&scene, 0, 0, -sin(s->theta), cos(s->theta), 0.2, rlt_red);
    rlt_scene_circle(&scene, 0, 0, 0.05, rlt_ink);
}

/* Acrobot's picture: the bar that the tip has to pass, two links hanging from the origin.
 * Thread: the owner's of the picture. */
#include "envs/acrobot/acrobot.h"
#include "envs/common/scene.h"

#include <math.h>

void rlt_draw_acrobot(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    const double *s = ((const acrobot_state *)state)->s;
    rlt_scene scene = rlt_scene_make(picture, -2.2, -2.2, 2.2, 2.2);
    double elbow_x = sin(s[0]), elbow_y = -cos(s[0]);
    double tip_x = elbow_x + sin(s[0] + s[1]), tip_y = elbow_y - cos(s[0] + s[1]);
    rlt_scene_line(&scene, -2.2, 1, 2.2, 1, 0.02, rlt_ink);
    rlt_scene_rod(&scene, 0, 0, elbow_x, elbow_y, 0.18, rlt_blue);
    rlt_scene_rod(&scene, elbow_x, elbow_y, tip_x, tip_y, 0.18, rlt_green);
    rlt_scene_circle(&scene, 0, 0, 0.07, rlt_yellow);
    rlt_scene_circle(&scene, elbow_x, elbow_y, 0.07, rlt_yellow);
}

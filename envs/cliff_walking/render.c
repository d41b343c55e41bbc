/* CliffWalking's picture: the cliff along the lower edge, the goal's flag, a walker.
 * Thread: the owner's of the picture. */
#include "envs/cliff_walking/cliff_walking.h"
#include "envs/common/scene.h"

void rlt_draw_cliff_walking(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    int at = ((const cliff_state *)state)->cell;
    rlt_scene scene = rlt_scene_grid(picture, CLIFF_ROWS, CLIFF_COLUMNS);
    rlt_scene_rectangle(&scene, 1, 0, CLIFF_COLUMNS - 1, 1, rlt_wood);
    rlt_scene_flag(&scene, CLIFF_COLUMNS - 0.65, 0.15, 0.7, rlt_green);
    rlt_scene_circle(&scene, at % CLIFF_COLUMNS + 0.5, CLIFF_ROWS - 0.5 - at / CLIFF_COLUMNS, 0.25,
                     rlt_red);
}

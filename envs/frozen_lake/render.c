/* FrozenLake's picture: ice, holes, the goal's flag, a walker.
 * Thread: the owner's of the picture. */
#include "envs/common/scene.h"
#include "envs/frozen_lake/frozen_lake.h"

void rlt_draw_frozen_lake(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    const lake_map *map = def->context;
    int side = map->side, at = ((const lake_state *)state)->cell;
    rlt_scene scene = rlt_scene_grid(picture, side, side);
    for (int cell = 0; cell < side * side; cell++) {
        double x = cell % side, y = side - 1 - cell / side;
        if (map->cells[cell] == 'H') {
            rlt_scene_circle(&scene, x + 0.5, y + 0.5, 0.4, rlt_ink);
        } else if (map->cells[cell] == 'G') {
            rlt_scene_flag(&scene, x + 0.35, y + 0.15, 0.7, rlt_green);
        }
    }
    rlt_scene_circle(&scene, at % side + 0.5, side - 1 - at / side + 0.5, 0.25, rlt_red);
}

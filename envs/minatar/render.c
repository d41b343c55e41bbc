/* MinAtar's pictures: cells of the board in the colour of the highest plane that is set there.
 * Thread: the owner's of the picture. */
#include "envs/common/scene.h"
#include "envs/minatar/minatar.h"

static const rlt_color colors[MINATAR_CHANNELS_MAX] = {
    {240, 240, 240}, {240, 190, 60}, {110, 110, 120}, {76, 160, 90},  {66, 118, 190},
    {214, 69, 65},   {180, 90, 190}, {90, 190, 200},  {230, 140, 70}, {150, 200, 110}};

void rlt_draw_minatar(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    const minatar_game *game = def->context;
    float planes[MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX];
    game->paint(state, planes);
    rlt_scene scene = rlt_scene_make(picture, 0, 0, MINATAR_SIDE, MINATAR_SIDE);
    rlt_scene_rectangle(&scene, 0, 0, MINATAR_SIDE, MINATAR_SIDE, (rlt_color){20, 22, 28});
    for (int cell = 0; cell < MINATAR_SIDE * MINATAR_SIDE; cell++) {
        int x = cell % MINATAR_SIDE, y = MINATAR_SIDE - 1 - cell / MINATAR_SIDE;
        for (int c = game->channels - 1; c >= 0; c--) {
            if (planes[cell * game->channels + c] > 0) {
                rlt_scene_rectangle(&scene, x + 0.05, y + 0.05, x + 0.95, y + 0.95, colors[c]);
                break;
            }
        }
    }
}

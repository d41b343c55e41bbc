/* Taxi's picture: coloured stops, walls, the taxi, the passenger (on board or waiting), a flag at
 * the destination. Thread: the owner's of the picture. */
#include "envs/common/scene.h"
#include "envs/taxi/taxi.h"

void rlt_draw_taxi(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    int code = ((const taxi_state *)state)->code;
    int destination = code % 4, passenger = code / 4 % 5, cell = code / 20;
    const rlt_color colors[4] = {rlt_red, rlt_green, rlt_yellow, rlt_blue};
    rlt_scene scene = rlt_scene_grid(picture, 5, 5);
    for (int i = 0; i < 4; i++) {
        int x = taxi_stops[i] % 5, y = 4 - taxi_stops[i] / 5;
        rlt_scene_rectangle(&scene, x + 0.08, y + 0.08, x + 0.92, y + 0.92, colors[i]);
    }
    for (int row = 0; row < 5; row++) {
        for (int x = 0; x <= 5; x++) {
            if (taxi_walls[row][2 * x] == '|') {
                rlt_scene_line(&scene, x, 4 - row, x, 5 - row, 0.08, rlt_ink);
            }
        }
    }
    int taxi_x = cell % 5, taxi_y = 4 - cell / 5;
    int goal = taxi_stops[destination];
    rlt_scene_flag(&scene, goal % 5 + 0.2, 4 - goal / 5 + 0.3, 0.6, rlt_paper);
    rlt_scene_rectangle(&scene, taxi_x + 0.2, taxi_y + 0.25, taxi_x + 0.8, taxi_y + 0.7, rlt_ink);
    if (passenger == TAXI_ABOARD) {
        rlt_scene_circle(&scene, taxi_x + 0.5, taxi_y + 0.48, 0.15, rlt_paper);
    } else {
        int stop = taxi_stops[passenger];
        rlt_scene_circle(&scene, stop % 5 + 0.75, 4 - stop / 5 + 0.75, 0.15, rlt_paper);
    }
}

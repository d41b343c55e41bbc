/* hill: see the header. Heights as Gymnasium draws them: 0.45 sin(3 x) + 0.55.
 * Thread: the owner's of the picture. */
#include "envs/common/hill.h"
#include "envs/common/scene.h"

#include <math.h>

enum { POINTS = 100 };

static double height_at(double x) {
    return 0.45 * sin(3 * x) + 0.55;
}

void rlt_hill_draw(rlt_picture *picture, double position, double goal) {
    const double left = -1.2, right = 0.6;
    rlt_scene scene = rlt_scene_make(picture, left, 0, right, 1.2);
    rlt_point ground[POINTS + 2];
    for (int i = 0; i < POINTS; i++) {
        double x = left + (right - left) * i / (POINTS - 1);
        ground[i] = rlt_scene_point(&scene, x, height_at(x));
    }
    ground[POINTS] = rlt_scene_point(&scene, right, 0);
    ground[POINTS + 1] = rlt_scene_point(&scene, left, 0);
    rlt_scene_flag(&scene, goal, height_at(goal), 0.2, rlt_yellow);
    rlt_picture_polygon(picture, ground, POINTS + 2, rlt_soft);
    double slope = 0.45 * 3 * cos(3 * position);
    rlt_scene_car(&scene, position, height_at(position), atan(slope), 0.06);
}

/* hill: the picture that both MountainCars share: the valley y = sin(3 x), a car, a flag.
 * Thread: the owner's of the picture. */
#ifndef RLT_ENVS_HILL_H
#define RLT_ENVS_HILL_H
#include "render/render.h"

void rlt_hill_draw(rlt_picture *picture, double position, double goal);
#endif

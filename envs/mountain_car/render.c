/* MountainCar's picture. Thread: the owner's of the picture. */
#include "envs/common/hill.h"
#include "envs/mountain_car/mountain_car.h"

void rlt_draw_mountain_car(const rlt_env_def *def, const void *state, rlt_picture *picture) {
    (void)def;
    rlt_hill_draw(picture, ((const mountain_car_state *)state)->position, 0.5);
}

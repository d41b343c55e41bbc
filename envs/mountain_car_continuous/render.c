/* MountainCarContinuous' picture. Thread: the owner's of the picture. */
#include "envs/common/hill.h"
#include "envs/mountain_car_continuous/mountain_car_continuous.h"

void rlt_draw_mountain_car_continuous(const rlt_env_def *def, const void *state,
                                      rlt_picture *picture) {
    (void)def;
    rlt_hill_draw(picture, (double)((const car_state *)state)->position, 0.45);
}

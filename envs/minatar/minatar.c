/* minatar: the bounds of the planes. Thread: read only. */
#include "envs/minatar/minatar.h"

const float minatar_low[MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX];
const float minatar_high[MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX] = {
    [0 ... MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX - 1] = 1.0f};

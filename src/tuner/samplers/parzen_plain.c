/* tuner: inner loops of Parzen estimators for any processor. Thread: pure functions. */
#define RLT_LANES 2
#define RLT_PARZEN_FORM rlt_parzen_plain
#include "tuner/samplers/parzen_vec.h"

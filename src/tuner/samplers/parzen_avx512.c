/* tuner: inner loops of Parzen estimators for AVX-512. Thread: pure functions. */
#include "tuner/samplers/parzen_forms.h"
#ifdef RLT_PARZEN_VECTOR_FORMS
#define RLT_LANES 8
#define RLT_PARZEN_FORM rlt_parzen_avx512
#include "tuner/samplers/parzen_vec.h"
#endif

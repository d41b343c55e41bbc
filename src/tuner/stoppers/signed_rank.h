/* tuner: Wilcoxon's signed-rank test. Thread: any, no state. */
#ifndef RLT_TUNER_SIGNED_RANK_H
#define RLT_TUNER_SIGNED_RANK_H
#include <stdint.h>

/* The probability, if d and -d were equally likely, of differences that are as negative on the
 * whole as these (alternative "less"); zeros count half to each side. As scipy.stats.wilcoxon with
 * zero_method "zsplit" and method "auto": exact up to 50 differences without ties and zeros and up
 * to 13 with them, else by the normal distribution. d: finite; scratch: count values. */
double rlt_signed_rank_less(const double *d, int64_t count, double *scratch);
#endif

/* plot: who wears which colour. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <stdio.h>

int rlt_plot_colour(const rlt_plot *plot, size_t series) {
    if (plot->series[series].highlight) {
        return RLT_PLOT_ACCENT;
    }
    size_t others = 0, before = 0;
    for (size_t i = 0; i < plot->count; i++) {
        others += !plot->series[i].highlight;
        before += i < series && !plot->series[i].highlight;
    }
    return others > RLT_PLOT_COLOURS ? RLT_PLOT_REST : (int)before;
}

void rlt_plot_goal_label(const rlt_plot *plot, char *text, size_t size) {
    snprintf(text, size, "goal %.6g", plot->goal);
}

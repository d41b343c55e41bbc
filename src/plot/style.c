/* plot: who wears which colour, shades. Thread: any, no state. */
#include "plot/plot_impl.h"

#include <math.h>
#include <stdio.h>

int rlt_plot_colour(const rlt_plot *plot, size_t series) {
    if (plot->series[series].highlight) {
        return RLT_PLOT_ACCENT;
    }
    size_t others = 0, before = 0;
    for (size_t i = 0; i < plot->count && others <= RLT_PLOT_COLOURS; i++) {
        others += !plot->series[i].highlight;
        before += i < series && !plot->series[i].highlight;
    }
    return others > RLT_PLOT_COLOURS ? RLT_PLOT_REST : (int)before;
}

void rlt_plot_goal_label(const rlt_plot *plot, char *text, size_t size) {
    snprintf(text, size, "goal %.6g", plot->goal);
}

/* Corners of a scale that gets steadily lighter, from dark blue over green to yellow, so that it is
 * read in grey and by colour-blind people too. */
void rlt_plot_shade(double at, char text[8]) {
    static const double corners[][3] = {
        {60, 20, 90}, {50, 80, 140}, {30, 130, 140}, {70, 180, 110}, {250, 225, 50}};
    const int last = (int)RLT_COUNT(corners) - 1;
    double place = fmin(fmax(at, 0), 1) * last;
    int below = place >= last ? last - 1 : (int)place;
    int rgb[3];
    for (int i = 0; i < 3; i++) {
        rgb[i] = (int)lround(corners[below][i] +
                             (place - below) * (corners[below + 1][i] - corners[below][i]));
    }
    snprintf(text, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255, (unsigned)rgb[1] & 255,
             (unsigned)rgb[2] & 255);
}

/* picture: filled shapes by coverage. Every shape is a polygon; a polygon is filled row by row from
 * SUBROWS scan lines each, whose ends count by the fraction of the pixel they cover.
 * Thread: the owner's of the picture. */
#include "render/render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SUBROWS = 4, CIRCLE_POINTS = 64 };

rlt_status rlt_picture_create(int width, int height, rlt_picture **picture, rlt_err *err) {
    if (width < 1 || height < 1 || width > RLT_PICTURE_SIDE_MAX || height > RLT_PICTURE_SIDE_MAX) {
        return rlt_fail(err, RLT_EINVAL, "a picture of %d x %d pixels; allowed: 1 to %d each way",
                        width, height, RLT_PICTURE_SIDE_MAX);
    }
    rlt_picture *made = rlt_alloc(sizeof(*made));
    *made = (rlt_picture){width, height, rlt_alloc(3 * (size_t)width * (size_t)height)};
    *picture = made;
    return RLT_OK;
}

void rlt_picture_destroy(rlt_picture **picture) {
    if (*picture != NULL) {
        rlt_free((*picture)->rgb);
        rlt_free(*picture);
        *picture = NULL;
    }
}

void rlt_picture_fill(rlt_picture *picture, rlt_color color) {
    size_t pixels = (size_t)picture->width * (size_t)picture->height;
    for (size_t i = 0; i < pixels; i++) {
        memcpy(picture->rgb + 3 * i, &color, 3);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The sorted x where the outline crosses the line at `y`; an end belongs to the edge above it. */
static int crossings(const rlt_point *points, int count, double y, double *at) {
    int found = 0;
    for (int i = 0; i < count; i++) {
        rlt_point a = points[i], b = points[(i + 1) % count];
        if ((a.y <= y) != (b.y <= y)) {
            at[found++] = a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
        }
    }
    qsort(at, (size_t)found, sizeof(at[0]), by_value);
    return found;
}

/* Adds what the span covers of each pixel of a row, in units of a sub-row. */
static void cover(float *row, int width, double from, double to) {
    from = fmin(fmax(from, 0), width);
    to = fmin(to, width);
    for (int x = (int)from; x < width && x < to; x++) {
        row[x] += (float)(fmin(to, x + 1) - fmax(from, x));
    }
}

static void blend(uint8_t *pixel, rlt_color color, float share) {
    share = fminf(share, 1.0f);
    const uint8_t channel[3] = {color.r, color.g, color.b};
    for (int c = 0; c < 3; c++) {
        pixel[c] = (uint8_t)lrintf((float)pixel[c] + share * (float)(channel[c] - pixel[c]));
    }
}

void rlt_picture_polygon(rlt_picture *picture, const rlt_point *points, int count,
                         rlt_color color) {
    RLT_ASSERT(count >= 3 && count <= RLT_POLYGON_POINTS_MAX);
    float row[RLT_PICTURE_SIDE_MAX];
    double at[RLT_POLYGON_POINTS_MAX], top = INFINITY, bottom = -INFINITY;
    for (int i = 0; i < count; i++) {
        if (!isfinite(points[i].x) || !isfinite(points[i].y)) {
            return; /* a state that has diverged has no picture */
        }
        top = fmin(top, points[i].y);
        bottom = fmax(bottom, points[i].y);
    }
    int first = (int)fmin(fmax(floor(top), 0), picture->height),
        last = (int)fmin(fmax(ceil(bottom), 0), picture->height);
    for (int y = first; y < last; y++) {
        memset(row, 0, sizeof(float) * (size_t)picture->width);
        for (int sub = 0; sub < SUBROWS; sub++) {
            int found = crossings(points, count, y + (sub + 0.5) / SUBROWS, at);
            for (int i = 0; i + 1 < found; i += 2) {
                cover(row, picture->width, at[i], at[i + 1]);
            }
        }
        uint8_t *pixel = picture->rgb + 3 * (size_t)y * (size_t)picture->width;
        for (int x = 0; x < picture->width; x++, pixel += 3) {
            if (row[x] > 0) {
                blend(pixel, color, row[x] / SUBROWS);
            }
        }
    }
}

void rlt_picture_rectangle(rlt_picture *picture, double x0, double y0, double x1, double y1,
                           rlt_color color) {
    const rlt_point corners[4] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    rlt_picture_polygon(picture, corners, 4, color);
}

void rlt_picture_circle(rlt_picture *picture, double x, double y, double radius, rlt_color color) {
    rlt_point points[CIRCLE_POINTS];
    for (int i = 0; i < CIRCLE_POINTS; i++) {
        double angle = 2 * M_PI * i / CIRCLE_POINTS;
        points[i] = (rlt_point){x + radius * cos(angle), y + radius * sin(angle)};
    }
    rlt_picture_polygon(picture, points, CIRCLE_POINTS, color);
}

void rlt_picture_line(rlt_picture *picture, rlt_point a, rlt_point b, double width,
                      rlt_color color) {
    double dx = b.x - a.x, dy = b.y - a.y, length = hypot(dx, dy);
    if (length == 0) {
        return;
    }
    double across = width / 2 / length, nx = -dy * across, ny = dx * across;
    const rlt_point corners[4] = {
        {a.x + nx, a.y + ny}, {b.x + nx, b.y + ny}, {b.x - nx, b.y - ny}, {a.x - nx, a.y - ny}};
    rlt_picture_polygon(picture, corners, 4, color);
}

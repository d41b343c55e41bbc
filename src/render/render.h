/* render: pictures of RGB pixels with filled shapes, PNG files, animated GIF files, and
 * drawing in a terminal. Why: a person wants to see what a policy does.
 * Coordinates are pixels, x to the right and y down; edges are anti-aliased by coverage.
 * Thread: a picture or an animation belongs to one thread. */
#ifndef RLT_RENDER_H
#define RLT_RENDER_H
#include "core/core.h"

typedef struct rlt_color {
    uint8_t r, g, b;
} rlt_color;

typedef struct rlt_point {
    double x, y;
} rlt_point;

typedef struct rlt_picture {
    int width, height;
    uint8_t *rgb; /* [height][width][3], owned */
} rlt_picture;

enum { RLT_PICTURE_SIDE_MAX = 4096, RLT_POLYGON_POINTS_MAX = 256 };

/* A black picture; RLT_EINVAL unless both sides are 1 .. RLT_PICTURE_SIDE_MAX. */
rlt_status rlt_picture_create(int width, int height, rlt_picture **picture, rlt_err *err);
void rlt_picture_destroy(rlt_picture **picture);
void rlt_picture_fill(rlt_picture *picture, rlt_color color);
/* Filled, of 3 .. RLT_POLYGON_POINTS_MAX points, even-odd; what lies outside is cut off. */
void rlt_picture_polygon(rlt_picture *picture, const rlt_point *points, int count, rlt_color color);
void rlt_picture_rectangle(rlt_picture *picture, double x0, double y0, double x1, double y1,
                           rlt_color color);
void rlt_picture_circle(rlt_picture *picture, double x, double y, double radius, rlt_color color);
/* From a to b, `width` wide, with flat ends. */
void rlt_picture_line(rlt_picture *picture, rlt_point a, rlt_point b, double width,
                      rlt_color color);

/* Appends the picture as a PNG file's bytes; write does so to a file, atomically. */
rlt_status rlt_png_encode(const rlt_picture *picture, rlt_buf *out, rlt_err *err);
rlt_status rlt_png_write(const rlt_picture *picture, const char *path, rlt_err *err);

/* An endless animation, kept in memory until close writes it to `path` atomically. Frames have the
 * picture size of the first; `delay_ms` is rounded to GIF's hundredths of a second (at least 2).
 * Colours: the 256 commonest of each frame at 5 bits a channel, the others by the nearest of them.
 * close frees and clears *gif whatever it returns; RLT_EINVAL for an animation without frames. */
typedef struct rlt_gif rlt_gif;
rlt_status rlt_gif_create(const char *path, int delay_ms, rlt_gif **gif, rlt_err *err);
rlt_status rlt_gif_add(rlt_gif *gif, const rlt_picture *picture, rlt_err *err);
rlt_status rlt_gif_close(rlt_gif **gif, rlt_err *err);
/* Frees without writing. */
void rlt_gif_discard(rlt_gif **gif);

/* The picture as text, `columns` (1 .. 500) wide with the aspect kept, each line ended by \n.
 * COLOR: two pixels a character by an upper half block in 24-bit colour escapes (UTF-8).
 * ASCII: brightness by one of ten characters, a character being twice as high as wide. */
typedef enum { RLT_RENDER_COLOR, RLT_RENDER_ASCII } rlt_render_mode;
void rlt_picture_text(const rlt_picture *picture, int columns, rlt_render_mode mode, rlt_buf *out);
#endif

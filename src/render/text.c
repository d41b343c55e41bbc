/* text: a picture in a terminal, each sample the mean of the pixels it stands for.
 * Thread: reentrant. */
#include "render/render.h"

#include <string.h>

enum { COLUMNS_MAX = 500 };

/* The mean colour of the part of the picture that is cell (x, y) of `columns` by `rows`. */
static rlt_color mean_of(const rlt_picture *picture, int x, int y, int columns, int rows) {
    int x0 = x * picture->width / columns, x1 = (x + 1) * picture->width / columns;
    int y0 = y * picture->height / rows, y1 = (y + 1) * picture->height / rows;
    x1 += x1 == x0;
    y1 += y1 == y0;
    uint64_t sum[3] = {0};
    for (int row = y0; row < y1; row++) {
        const uint8_t *pixel =
            picture->rgb + 3 * ((size_t)row * (size_t)picture->width + (size_t)x0);
        for (int i = 0; i < 3 * (x1 - x0); i++) {
            sum[i % 3] += pixel[i];
        }
    }
    uint64_t pixels = (uint64_t)(x1 - x0) * (uint64_t)(y1 - y0);
    return (rlt_color){(uint8_t)(sum[0] / pixels), (uint8_t)(sum[1] / pixels),
                       (uint8_t)(sum[2] / pixels)};
}

static void color_line(const rlt_picture *picture, int line, int columns, int rows, rlt_buf *out) {
    rlt_color above = {0}, below = {0};
    for (int x = 0; x < columns; x++) {
        rlt_color up = mean_of(picture, x, 2 * line, columns, rows);
        rlt_color down = mean_of(picture, x, 2 * line + 1, columns, rows);
        if (x == 0 || memcmp(&up, &above, 3) != 0) {
            rlt_buf_printf(out, "\x1b[38;2;%d;%d;%dm", up.r, up.g, up.b);
        }
        if (x == 0 || memcmp(&down, &below, 3) != 0) {
            rlt_buf_printf(out, "\x1b[48;2;%d;%d;%dm", down.r, down.g, down.b);
        }
        rlt_buf_append(out, "\u2580", 3); /* upper half block */
        above = up;
        below = down;
    }
    rlt_buf_append(out, "\x1b[0m\n", 5);
}

static void ascii_line(const rlt_picture *picture, int line, int columns, int lines, rlt_buf *out) {
    static const char ramp[] = " .:-=+*#%@";
    for (int x = 0; x < columns; x++) {
        rlt_color c = mean_of(picture, x, line, columns, lines);
        int dark = 255 - (299 * c.r + 587 * c.g + 114 * c.b) / 1000; /* Rec. 601 */
        rlt_buf_append(out, &ramp[dark * 9 / 255], 1);
    }
    rlt_buf_append(out, "\n", 1);
}

void rlt_picture_text(const rlt_picture *picture, int columns, rlt_render_mode mode, rlt_buf *out) {
    RLT_ASSERT(columns >= 1 && columns <= COLUMNS_MAX);
    int lines = (columns * picture->height / picture->width + 1) / 2;
    lines += lines == 0;
    for (int line = 0; line < lines; line++) {
        if (mode == RLT_RENDER_COLOR) {
            color_line(picture, line, columns, 2 * lines, out);
        } else {
            ascii_line(picture, line, columns, lines, out);
        }
    }
}

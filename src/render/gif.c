/* gif: an animation of pictures, by giflib, gathered in memory and written at the end: a file is
 * whole or not there. Thread: the owner's. Owner: the creator. */
#include "render/render.h"

#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

enum { COLORS = 256, BINS = 1 << 15 }; /* a bin for each colour of 5 bits a channel */

struct rlt_gif {
    char *path;
    int delay_cs, width, height;
    rlt_buf bytes;
    GifFileType *file;
    uint32_t counts[BINS];
    uint8_t index_of[BINS]; /* the palette's entry for each bin of the frame */
    uint16_t used[BINS];    /* the frame's bins */
    GifByteType *row;       /* [width] */
};

static int sink(GifFileType *file, const GifByteType *data, int size) {
    rlt_gif *gif = file->UserData;
    rlt_buf_append(&gif->bytes, data, (size_t)size);
    return size;
}

static rlt_status fail(const rlt_gif *gif, int code, rlt_err *err) {
    const char *text = GifErrorString(code);
    return rlt_fail(err, RLT_EIO, "%s: cannot encode the animation as GIF: %s", gif->path,
                    text != NULL ? text : "unknown error");
}

rlt_status rlt_gif_create(const char *path, int delay_ms, rlt_gif **gif, rlt_err *err) {
    if (delay_ms < 0 || delay_ms > 60000) {
        return rlt_fail(err, RLT_EINVAL, "%s: %d ms between frames; allowed: 0 to 60000", path,
                        delay_ms);
    }
    rlt_gif *made = rlt_alloc(sizeof(*made));
    int code = 0;
    made->path = rlt_alloc(strlen(path) + 1);
    memcpy(made->path, path, strlen(path) + 1);
    made->delay_cs = delay_ms < 20 ? 2 : (delay_ms + 5) / 10;
    made->file = EGifOpen(made, sink, &code);
    if (made->file == NULL) {
        rlt_status status = fail(made, code, err);
        rlt_free(made->path);
        rlt_free(made);
        return status;
    }
    EGifSetGifVersion(made->file, true);
    *gif = made;
    return RLT_OK;
}

static int bin_of(const uint8_t *pixel) {
    return pixel[0] >> 3 << 10 | pixel[1] >> 3 << 5 | pixel[2] >> 3;
}

/* A channel's 5 bits as 8, so that 0 and 31 give 0 and 255. */
static int channel_of(int bin, int shift) {
    int bits = bin >> shift & 31;
    return bits << 3 | bits >> 2;
}

static int distance(int bin, const GifColorType *color) {
    int r = channel_of(bin, 10) - color->Red, g = channel_of(bin, 5) - color->Green,
        b = channel_of(bin, 0) - color->Blue;
    return r * r + g * g + b * b;
}

static int by_count(const void *a, const void *b, void *counts) {
    const uint32_t *count = counts;
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    if (count[x] != count[y]) {
        return count[x] < count[y] ? 1 : -1;
    }
    return (x > y) - (x < y);
}

/* Chooses the frame's palette and the entry of each of its bins. */
static void choose_colors(rlt_gif *gif, const rlt_picture *picture, GifColorType palette[COLORS]) {
    size_t pixels = (size_t)picture->width * (size_t)picture->height;
    int used = 0;
    memset(gif->counts, 0, sizeof(gif->counts));
    for (size_t i = 0; i < pixels; i++) {
        gif->counts[bin_of(picture->rgb + 3 * i)]++;
    }
    for (int bin = 0; bin < BINS; bin++) {
        if (gif->counts[bin] > 0) {
            gif->used[used++] = (uint16_t)bin;
        }
    }
    qsort_r(gif->used, (size_t)used, sizeof(gif->used[0]), by_count, gif->counts);
    int colors = used < COLORS ? used : COLORS;
    for (int i = 0; i < colors; i++) {
        int bin = gif->used[i];
        palette[i] =
            (GifColorType){(GifByteType)channel_of(bin, 10), (GifByteType)channel_of(bin, 5),
                           (GifByteType)channel_of(bin, 0)};
        gif->index_of[bin] = (uint8_t)i;
    }
    for (int u = colors; u < used; u++) {
        int best = 0;
        for (int i = 1; i < colors; i++) {
            if (distance(gif->used[u], &palette[i]) < distance(gif->used[u], &palette[best])) {
                best = i;
            }
        }
        gif->index_of[gif->used[u]] = (uint8_t)best;
    }
}

/* The screen's size and the extension that makes it loop for ever. */
static int put_header(rlt_gif *gif) {
    static const unsigned char loop[3] = {1, 0, 0};
    GifFileType *file = gif->file;
    return EGifPutScreenDesc(file, gif->width, gif->height, 8, 0, NULL) == GIF_OK &&
           EGifPutExtensionLeader(file, APPLICATION_EXT_FUNC_CODE) == GIF_OK &&
           EGifPutExtensionBlock(file, 11, "NETSCAPE2.0") == GIF_OK &&
           EGifPutExtensionBlock(file, 3, loop) == GIF_OK &&
           EGifPutExtensionTrailer(file) == GIF_OK;
}

static int put_frame(rlt_gif *gif, const rlt_picture *picture, const ColorMapObject *map) {
    GraphicsControlBlock control = {DISPOSE_DO_NOT, false, gif->delay_cs, NO_TRANSPARENT_COLOR};
    GifByteType extension[4];
    EGifGCBToExtension(&control, extension);
    if (EGifPutExtension(gif->file, GRAPHICS_EXT_FUNC_CODE, 4, extension) != GIF_OK ||
        EGifPutImageDesc(gif->file, 0, 0, gif->width, gif->height, false, map) != GIF_OK) {
        return 0;
    }
    for (int y = 0; y < gif->height; y++) {
        const uint8_t *pixel = picture->rgb + 3 * (size_t)y * (size_t)gif->width;
        for (int x = 0; x < gif->width; x++) {
            gif->row[x] = gif->index_of[bin_of(pixel + 3 * x)];
        }
        if (EGifPutLine(gif->file, gif->row, gif->width) != GIF_OK) {
            return 0;
        }
    }
    return 1;
}

rlt_status rlt_gif_add(rlt_gif *gif, const rlt_picture *picture, rlt_err *err) {
    if (gif->row == NULL) {
        gif->width = picture->width;
        gif->height = picture->height;
        gif->row = rlt_alloc((size_t)gif->width);
        if (!put_header(gif)) {
            return fail(gif, gif->file->Error, err);
        }
    }
    if (picture->width != gif->width || picture->height != gif->height) {
        return rlt_fail(err, RLT_EINVAL, "%s: a frame of %d x %d in an animation of %d x %d pixels",
                        gif->path, picture->width, picture->height, gif->width, gif->height);
    }
    GifColorType palette[COLORS] = {0};
    choose_colors(gif, picture, palette);
    ColorMapObject *map = GifMakeMapObject(COLORS, palette);
    if (map == NULL) {
        return fail(gif, E_GIF_ERR_NOT_ENOUGH_MEM, err);
    }
    int put = put_frame(gif, picture, map);
    GifFreeMapObject(map);
    return put ? RLT_OK : fail(gif, gif->file->Error, err);
}

void rlt_gif_discard(rlt_gif **gif) {
    rlt_gif *g = *gif;
    if (g == NULL) {
        return;
    }
    int code = 0;
    if (g->file != NULL) {
        EGifCloseFile(g->file, &code);
    }
    rlt_buf_fini(&g->bytes);
    rlt_free(g->row);
    rlt_free(g->path);
    rlt_free(g);
    *gif = NULL;
}

rlt_status rlt_gif_close(rlt_gif **gif, rlt_err *err) {
    rlt_gif *g = *gif;
    rlt_status status = RLT_OK;
    if (g->row == NULL) {
        status = rlt_fail(err, RLT_EINVAL, "%s: an animation without frames", g->path);
    } else {
        int code = 0, closed = EGifCloseFile(g->file, &code); /* frees the file either way */
        g->file = NULL;
        status = closed == GIF_OK
                     ? rlt_file_write_atomic(g->path, g->bytes.data, g->bytes.size, err)
                     : fail(g, code, err);
    }
    rlt_gif_discard(gif);
    return status;
}

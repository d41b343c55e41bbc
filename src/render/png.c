/* png: a picture as a PNG file, by libpng's simplified interface. Thread: reentrant. */
#include "render/render.h"

#include <png.h>

rlt_status rlt_png_encode(const rlt_picture *picture, rlt_buf *out, rlt_err *err) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)picture->width,
                       .height = (png_uint_32)picture->height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    unsigned char *bytes = rlt_alloc(size);
    if (!png_image_write_to_memory(&image, bytes, &size, 0, picture->rgb, 0, NULL)) {
        rlt_free(bytes);
        return rlt_fail(err, RLT_EIO, "cannot encode the picture as PNG: %s", image.message);
    }
    rlt_buf_append(out, bytes, size);
    rlt_free(bytes);
    return RLT_OK;
}

rlt_status rlt_png_write(const rlt_picture *picture, const char *path, rlt_err *err) {
    rlt_buf bytes = {0};
    rlt_status status = rlt_png_encode(picture, &bytes, err);
    if (status == RLT_OK) {
        status = rlt_file_write_atomic(path, bytes.data, bytes.size, err);
    }
    rlt_buf_fini(&bytes);
    return status;
}

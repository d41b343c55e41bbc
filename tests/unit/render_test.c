/* Pictures: shapes by their area, PNG and GIF decoded again, text, and what the environments'
 * pictures show. */
#include "envs/envs.h"
#include "envs/renders.h"

#include <gif_lib.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const rlt_color white = {255, 255, 255}, red = {255, 0, 0};

static rlt_picture *make(int width, int height) {
    rlt_picture *picture = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_picture_create(width, height, &picture, &err), RLT_OK);
    return picture;
}

/* The white part of a black picture, in pixels. */
static double area_of(const rlt_picture *picture) {
    double sum = 0;
    for (int i = 0; i < picture->width * picture->height; i++) {
        sum += picture->rgb[3 * i] / 255.0;
    }
    return sum;
}

static void test_shapes(void **unused) {
    (void)unused;
    rlt_picture *p = make(60, 40);
    const rlt_color black = {0, 0, 0};
    rlt_picture_rectangle(p, 3.25, 4.5, 20.75, 10.5, white);
    assert_true(fabs(area_of(p) - 17.5 * 6) < 0.5);
    assert_int_equal(p->rgb[3 * (7 * 60 + 3)], 191); /* three quarters of the pixel */
    rlt_picture_fill(p, black);
    rlt_picture_circle(p, 30, 20, 10, white);
    assert_true(fabs(area_of(p) - M_PI * 100) < 1.5);
    rlt_picture_fill(p, black);
    rlt_picture_line(p, (rlt_point){10, 10}, (rlt_point){40, 30}, 3, white);
    assert_true(fabs(area_of(p) - 3 * hypot(30, 20)) < 1.5);
    rlt_picture_fill(p, black);
    const rlt_point star[5] = {{30, 2}, {40, 36}, {10, 14}, {50, 14}, {20, 36}};
    rlt_picture_polygon(p, star, 5, white); /* even-odd: the pentagon inside stays black */
    assert_int_equal(p->rgb[3 * (20 * 60 + 30)], 0);
    assert_int_equal(p->rgb[3 * (9 * 60 + 30)], 255);
    rlt_picture_fill(p, black);
    rlt_picture_circle(p, 0, 0, 1e6, white); /* all of it, and far beyond */
    assert_true(area_of(p) == 60 * 40);
    rlt_picture_fill(p, black);
    rlt_picture_circle(p, -50, 300, 20, white);
    rlt_picture_circle(p, NAN, 3, 20, white);
    rlt_picture_rectangle(p, 0, -INFINITY, 10, INFINITY, white);
    rlt_picture_rectangle(p, 1e300, 1e300, 1.5e300, 1.5e300, white);
    rlt_picture_rectangle(p, -1.5e300, -1.5e300, -1e300, -1e300, white);
    rlt_picture_line(p, (rlt_point){5, 5}, (rlt_point){5, 5}, 3, white);
    assert_true(area_of(p) == 0);
    rlt_picture_destroy(&p);
}

static void gradient(rlt_picture *p) {
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            uint8_t *pixel = p->rgb + 3 * (y * p->width + x);
            pixel[0] = (uint8_t)(x * 255 / (p->width - 1));
            pixel[1] = (uint8_t)(y * 255 / (p->height - 1));
            pixel[2] = (uint8_t)((x + y) & 255);
        }
    }
}

static void test_png(void **unused) {
    (void)unused;
    rlt_picture *p = make(123, 77);
    rlt_err err = {0};
    gradient(p);
    char path[] = "/tmp/rltune-render-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rlt_png_write(p, path, &err), RLT_OK);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, 123);
    assert_int_equal(image.height, 77);
    image.format = PNG_FORMAT_RGB;
    uint8_t *again = rlt_alloc(3 * 123 * 77);
    assert_true(png_image_finish_read(&image, NULL, again, 0, NULL));
    assert_memory_equal(again, p->rgb, 3 * 123 * 77);
    rlt_free(again);
    unlink(path);
    assert_int_equal(rlt_png_write(p, "/nonexistent/folder/a.png", &err), RLT_ENOTFOUND);
    rlt_picture_destroy(&p);
}

/* The first colour of frame `frame` at (x, y). */
static GifColorType color_at(const GifFileType *file, int frame, int x, int y) {
    const SavedImage *image = &file->SavedImages[frame];
    assert_non_null(image->ImageDesc.ColorMap);
    int index = image->RasterBits[y * image->ImageDesc.Width + x];
    return image->ImageDesc.ColorMap->Colors[index];
}

static void test_gif(void **unused) {
    (void)unused;
    rlt_picture *p = make(64, 48), *other = make(64, 49);
    rlt_gif *gif = NULL;
    rlt_err err = {0};
    char path[] = "/tmp/rltune-render-XXXXXX";
    int fd = mkstemp(path), code = 0;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(rlt_gif_create(path, 70, &gif, &err), RLT_OK);
    for (int frame = 0; frame < 3; frame++) { /* a red block that moves, then many colours */
        rlt_picture_fill(p, white);
        rlt_picture_rectangle(p, 10 * frame, 0, 10 * frame + 10, 10, red);
        if (frame == 2) {
            gradient(p);
        }
        assert_int_equal(rlt_gif_add(gif, p, &err), RLT_OK);
    }
    assert_int_equal(rlt_gif_add(gif, other, &err), RLT_EINVAL);
    assert_int_equal(rlt_gif_close(&gif, &err), RLT_OK);
    assert_null(gif);
    GifFileType *file = DGifOpenFileName(path, &code);
    assert_non_null(file);
    assert_int_equal(DGifSlurp(file), GIF_OK);
    assert_int_equal(file->SWidth, 64);
    assert_int_equal(file->SHeight, 48);
    assert_int_equal(file->ImageCount, 3);
    for (int frame = 0; frame < 2; frame++) {
        GifColorType on = color_at(file, frame, 10 * frame + 5, 5),
                     off = color_at(file, frame, 10 * (1 - frame) + 5, 5);
        assert_true(on.Red == 255 && on.Green == 0 && on.Blue == 0);
        assert_true(off.Red == 255 && off.Green == 255 && off.Blue == 255);
    }
    for (int y = 0; y < 48; y += 5) { /* no colour is far off though 256 must do */
        GifColorType c = color_at(file, 2, 40, y);
        const uint8_t *pixel = p->rgb + 3 * (y * 64 + 40);
        assert_true(abs(c.Red - pixel[0]) < 40 && abs(c.Green - pixel[1]) < 40);
    }
    GraphicsControlBlock control;
    assert_int_equal(DGifSavedExtensionToGCB(file, 1, &control), GIF_OK);
    assert_int_equal(control.DelayTime, 7);
    DGifCloseFile(file, &code);
    unlink(path);
    rlt_picture_destroy(&p);
    rlt_picture_destroy(&other);
}

static void test_gif_errors(void **unused) {
    (void)unused;
    rlt_gif *gif = NULL;
    rlt_err err = {0};
    rlt_picture *p = make(4, 4);
    assert_int_equal(rlt_gif_create("x.gif", -1, &gif, &err), RLT_EINVAL);
    assert_int_equal(rlt_gif_create("x.gif", 20, &gif, &err), RLT_OK);
    assert_int_equal(rlt_gif_close(&gif, &err), RLT_EINVAL); /* no frames: no file */
    assert_true(access("x.gif", F_OK) != 0);
    assert_int_equal(rlt_gif_create("/nonexistent/folder/a.gif", 20, &gif, &err), RLT_OK);
    assert_int_equal(rlt_gif_add(gif, p, &err), RLT_OK);
    assert_int_equal(rlt_gif_close(&gif, &err), RLT_ENOTFOUND);
    assert_null(gif);
    assert_int_equal(rlt_gif_create("x.gif", 20, &gif, &err), RLT_OK);
    rlt_gif_discard(&gif);
    rlt_picture_destroy(&p);
    assert_int_equal(rlt_picture_create(0, 4, &p, &err), RLT_EINVAL);
    assert_int_equal(rlt_picture_create(4, RLT_PICTURE_SIDE_MAX + 1, &p, &err), RLT_EINVAL);
}

static void test_text(void **unused) {
    (void)unused;
    rlt_picture *p = make(40, 20);
    rlt_buf text = {0};
    rlt_picture_rectangle(p, 20, 0, 40, 20, white);
    rlt_picture_text(p, 8, RLT_RENDER_ASCII, &text);
    assert_string_equal(text.data, "@@@@    \n@@@@    \n");
    rlt_buf_fini(&text);
    rlt_picture_fill(p, white);
    rlt_picture_rectangle(p, 0, 0, 40, 10, red);
    rlt_picture_text(p, 2, RLT_RENDER_COLOR, &text); /* one line: red above white */
    assert_string_equal(text.data, "\x1b[38;2;255;0;0m\x1b[48;2;255;255;255m\u2580\u2580\x1b[0m\n");
    rlt_buf_fini(&text);
    rlt_picture_text(p, 500, RLT_RENDER_ASCII, &text); /* more columns than pixels */
    assert_int_equal(strcspn(text.data, "\n"), 500);
    rlt_buf_fini(&text);
    rlt_picture_destroy(&p);
}

static const rlt_env_def *find(const char *name) {
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, &err), RLT_OK);
    return def;
}

static const rlt_env_renderer *renderer(const char *name) {
    const rlt_env_renderer *found = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_renderer_of(find(name), &found, &err), RLT_OK);
    return found;
}

/* Where the pixels of about this colour are on the average; how many there are. */
static rlt_point centre_of(const rlt_picture *p, rlt_color color, int *count) {
    rlt_point sum = {0, 0};
    *count = 0;
    for (int y = 0; y < p->height; y++) {
        for (int x = 0; x < p->width; x++) {
            const uint8_t *c = p->rgb + 3 * (y * p->width + x);
            if (abs(c[0] - color.r) + abs(c[1] - color.g) + abs(c[2] - color.b) < 30) {
                sum.x += x + 0.5;
                sum.y += y + 0.5;
                (*count)++;
            }
        }
    }
    return (rlt_point){sum.x / *count, sum.y / *count};
}

/* The pole leans as theta says: its middle is half a metre along it from the axle. */
static void test_cartpole_moves(void **unused) {
    (void)unused;
    const rlt_env_renderer *r = renderer("CartPole-v1");
    const rlt_color wood = {202, 152, 101};
    rlt_picture *p = make(r->width, r->height);
    double scale = p->width / 4.8;
    for (int k = -4; k <= 4; k++) {
        double theta = 0.1 * k, x = 0.3 * k, state[4] = {x, 0, theta, 0};
        int count = 0;
        r->draw(r->def, state, p);
        rlt_point centre = centre_of(p, wood, &count);
        assert_true(count > 800); /* 1 m by 8 cm: 1250 pixels, less the axle's */
        assert_true(fabs(centre.x - (p->width / 2.0 + scale * (x + 0.5 * sin(theta)))) < 2.5);
    }
    rlt_picture_destroy(&p);
}

static void test_pendulum_turns(void **unused) {
    (void)unused;
    const rlt_env_renderer *r = renderer("Pendulum-v1");
    const rlt_color rod = {214, 69, 65};
    rlt_picture *p = make(r->width, r->height);
    for (int k = 0; k < 8; k++) { /* the axle hides a part of the rod, so not quite 0.5 */
        double state[2] = {M_PI / 4 * k, 0}, half = 0.5176 * p->width / 2.6;
        int count = 0;
        r->draw(r->def, state, p);
        rlt_point centre = centre_of(p, rod, &count);
        assert_true(fabs(centre.x - p->width / 2.0 + half * sin(state[0])) < 1);
        assert_true(fabs(centre.y - p->height / 2.0 + half * cos(state[0])) < 1);
    }
    rlt_picture_destroy(&p);
}

static void test_walkers_are_where_the_state_says(void **unused) {
    (void)unused;
    const char *const names[] = {"FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1"};
    const int rows[] = {4, 8, 4}, columns[] = {4, 8, 12};
    const rlt_color red_walker = {214, 69, 65};
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        const rlt_env_renderer *r = renderer(names[i]);
        rlt_picture *p = make(r->width, r->height);
        for (int32_t cell = 0; cell < rows[i] * columns[i]; cell++) {
            int count = 0;
            r->draw(r->def, &cell, p);
            rlt_point centre = centre_of(p, red_walker, &count);
            double side = (double)p->width / columns[i];
            assert_true(fabs(centre.x - side * (cell % columns[i] + 0.5)) < 1);
            assert_true(fabs(centre.y - side * (cell / columns[i] + 0.5)) < 1);
        }
        rlt_picture_destroy(&p);
    }
}

/* Every picture at any size, also of a state that has diverged, and through a vector of
 * environments; two states give two pictures. */
static void test_all_draw(void **unused) {
    (void)unused;
    const int sides[][2] = {{1, 1}, {7, 200}, {321, 123}};
    for (size_t e = 0; rlt_envs[e] != NULL; e++) {
        const rlt_env_renderer *r = NULL;
        rlt_vec_env *vec = NULL;
        rlt_err err = {0};
        if (rlt_env_renderer_of(rlt_envs[e], &r, &err) != RLT_OK) {
            assert_string_equal(rlt_envs[e]->name, "Blackjack-v1");
            assert_non_null(strstr(err.message, "CartPole-v1"));
            continue;
        }
        assert_int_equal(rlt_vec_env_create(rlt_envs[e], 70, 0, 1, &vec, &err), RLT_OK);
        float *observation =
            rlt_alloc(70 * sizeof(float) * (size_t)rlt_space_width(&r->def->observation_space));
        rlt_vec_env_reset(vec, observation);
        for (size_t s = 0; s < RLT_COUNT(sides); s++) {
            rlt_picture *p = make(sides[s][0], sides[s][1]);
            assert_int_equal(rlt_vec_env_render(vec, 69, p, &err), RLT_OK);
            double bad[4] = {NAN, INFINITY, NAN, 1e300};
            if (r->def->observation_space.kind == RLT_SPACE_BOX && r->def->image[0] == 0) {
                r->draw(r->def, bad, p);
            }
            rlt_picture_destroy(&p);
        }
        rlt_free(observation);
        rlt_vec_env_destroy(&vec);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_gif),
        cmocka_unit_test(test_gif_errors),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_cartpole_moves),
        cmocka_unit_test(test_pendulum_turns),
        cmocka_unit_test(test_walkers_are_where_the_state_says),
        cmocka_unit_test(test_all_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

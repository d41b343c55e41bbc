/* scene: the shapes that the environments' pictures share. Thread: the owner's of the picture. */
#include "envs/common/scene.h"

#include <math.h>

const rlt_color rlt_paper = {255, 255, 255}, rlt_ink = {40, 44, 52}, rlt_soft = {214, 220, 228},
                rlt_wood = {202, 152, 101}, rlt_red = {214, 69, 65}, rlt_green = {76, 160, 90},
                rlt_blue = {66, 118, 190}, rlt_yellow = {240, 190, 60};

rlt_scene rlt_scene_make(rlt_picture *picture, double left, double bottom, double right,
                         double top) {
    rlt_picture_fill(picture, rlt_paper);
    double scale = fmin(picture->width / (right - left), picture->height / (top - bottom));
    return (rlt_scene){picture, scale, (picture->width - scale * (left + right)) / 2,
                       (picture->height + scale * (bottom + top)) / 2};
}

rlt_point rlt_scene_point(const rlt_scene *scene, double x, double y) {
    return (rlt_point){scene->left + scene->scale * x, scene->base - scene->scale * y};
}

void rlt_scene_line(const rlt_scene *scene, double x0, double y0, double x1, double y1,
                    double width, rlt_color color) {
    rlt_picture_line(scene->picture, rlt_scene_point(scene, x0, y0), rlt_scene_point(scene, x1, y1),
                     fmax(width * scene->scale, 1), color);
}

void rlt_scene_circle(const rlt_scene *scene, double x, double y, double radius, rlt_color color) {
    rlt_point at = rlt_scene_point(scene, x, y);
    rlt_picture_circle(scene->picture, at.x, at.y, radius * scene->scale, color);
}

void rlt_scene_rod(const rlt_scene *scene, double x0, double y0, double x1, double y1, double width,
                   rlt_color color) {
    rlt_scene_line(scene, x0, y0, x1, y1, width, color);
    rlt_scene_circle(scene, x0, y0, width / 2, color);
    rlt_scene_circle(scene, x1, y1, width / 2, color);
}

void rlt_scene_rectangle(const rlt_scene *scene, double x0, double y0, double x1, double y1,
                         rlt_color color) {
    rlt_point a = rlt_scene_point(scene, x0, y0), b = rlt_scene_point(scene, x1, y1);
    rlt_picture_rectangle(scene->picture, a.x, a.y, b.x, b.y, color);
}

void rlt_scene_car(const rlt_scene *scene, double x, double y, double angle, double size) {
    static const rlt_point body[6] = {{-1.0, 0.25}, {1.0, 0.25}, {1.0, 0.65},
                                      {0.5, 0.7},   {0.3, 1.05}, {-1.0, 1.05}};
    double c = size * cos(angle), s = size * sin(angle);
    rlt_point outline[6];
    for (int i = 0; i < 6; i++) {
        outline[i] = rlt_scene_point(scene, x + c * body[i].x - s * body[i].y,
                                     y + s * body[i].x + c * body[i].y);
    }
    rlt_picture_polygon(scene->picture, outline, 6, rlt_blue);
    for (int side = -1; side <= 1; side += 2) {
        double along = 0.55 * side, above = 0.25;
        rlt_scene_circle(scene, x + c * along - s * above, y + s * along + c * above, 0.25 * size,
                         rlt_ink);
    }
}

void rlt_scene_flag(const rlt_scene *scene, double x, double y, double height, rlt_color color) {
    rlt_scene_line(scene, x, y, x, y + height, height / 20, rlt_ink);
    const rlt_point pennant[3] = {rlt_scene_point(scene, x, y + height),
                                  rlt_scene_point(scene, x + height / 2, y + height * 0.8),
                                  rlt_scene_point(scene, x, y + height * 0.6)};
    rlt_picture_polygon(scene->picture, pennant, 3, color);
}

rlt_scene rlt_scene_grid(rlt_picture *picture, int rows, int columns) {
    rlt_scene scene = rlt_scene_make(picture, 0, 0, columns, rows);
    for (int row = 0; row <= rows; row++) {
        rlt_scene_line(&scene, 0, row, columns, row, 0.02, rlt_soft);
    }
    for (int column = 0; column <= columns; column++) {
        rlt_scene_line(&scene, column, 0, column, rows, 0.02, rlt_soft);
    }
    return scene;
}

/* scene: a picture in the world's units (x to the right, y up), and grids of cells; what the
 * environments' pictures have in common. Thread: the owner's of the picture. */
#ifndef RLT_ENVS_SCENE_H
#define RLT_ENVS_SCENE_H
#include "render/render.h"

typedef struct rlt_scene {
    rlt_picture *picture;
    double scale, left, base; /* pixels a unit; pixel of x = 0; pixel row of y = 0 */
} rlt_scene;

extern const rlt_color rlt_paper, rlt_ink, rlt_soft, rlt_wood, rlt_red, rlt_green, rlt_blue,
    rlt_yellow;

/* Clears the picture and fits the given part of the world into it, centred, aspect kept. */
rlt_scene rlt_scene_make(rlt_picture *picture, double left, double bottom, double right,
                         double top);
rlt_point rlt_scene_point(const rlt_scene *scene, double x, double y);
void rlt_scene_line(const rlt_scene *scene, double x0, double y0, double x1, double y1,
                    double width, rlt_color color);
/* A line with round ends, as arms and poles have. */
void rlt_scene_rod(const rlt_scene *scene, double x0, double y0, double x1, double y1, double width,
                   rlt_color color);
void rlt_scene_circle(const rlt_scene *scene, double x, double y, double radius, rlt_color color);
void rlt_scene_rectangle(const rlt_scene *scene, double x0, double y0, double x1, double y1,
                         rlt_color color);
/* A car standing on a slope of `angle` rad, its wheels' ground point at (x, y). */
void rlt_scene_car(const rlt_scene *scene, double x, double y, double angle, double size);
/* A pole with a pennant, its foot at (x, y). */
void rlt_scene_flag(const rlt_scene *scene, double x, double y, double height, rlt_color color);
/* A grid of rows by columns cells of side 1; row 0 is at the top: the scene whose y = rows - row.
 */
rlt_scene rlt_scene_grid(rlt_picture *picture, int rows, int columns);
#endif

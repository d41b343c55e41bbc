/* tuner: expected hypervolume improvement: the boxes of a front against the hypervolume, the
 * logarithm of the gain against what SciPy's integration gives (tests/golden/gp_boxes.json), its
 * derivatives against differences, vector units against each other. */
#include "tuner/pareto.h"
#include "tuner/samplers/gp_boxes.h"
#include "tuner_testing.h"

enum { POINTS_MAX = 400, EIGHT = 8 };

/* By how much a point makes the volume grow, box by box. */
static double gain(const rlt_gp_boxes *at, const double *point) {
    double sum = 0;
    for (int b = 0; b < at->count; b++) {
        double part = 1;
        for (int k = 0; k < at->objectives; k++) {
            int gap = at->gaps[b * at->objectives + k], high = at->high[gap];
            bool ends = high < at->edge_first[at->objectives];
            double top = ends ? fmin(point[k], at->edges[high]) : point[k];
            part *= fmax(top - at->edges[at->low[gap]], 0);
        }
        sum += part;
    }
    return sum;
}

/* Points near a sphere, some of them dominated; `ties`: on a grid. */
static void draw(rlt_rng *rng, int objectives, bool ties, double *point) {
    double squares = 0;
    for (int k = 0; k < objectives; k++) {
        point[k] = fabs(rlt_rng_normal(rng));
        squares += point[k] * point[k];
    }
    double length = 0.7 + 0.4 * rlt_rng_f64(rng);
    for (int k = 0; k < objectives; k++) {
        point[k] *= length / sqrt(squares);
        point[k] = ties ? floor(8 * point[k]) / 8 : point[k];
    }
}

static void check_volumes(int objectives, int count, bool ties) {
    rlt_rng rng = rlt_rng_make(3, RLT_STREAM_TEST, (uint32_t)(objectives * 1000 + count));
    double points[(POINTS_MAX + 1) * RLT_OBJECTIVES_MAX], reference[RLT_OBJECTIVES_MAX];
    rlt_gp_boxes boxes;
    rlt_gp_boxes_init(&boxes, objectives);
    for (int k = 0; k < objectives; k++) {
        reference[k] = 0.05 * k;
    }
    for (int i = 0; i < count; i++) {
        draw(&rng, objectives, ties, points + i * objectives);
    }
    assert_true(rlt_gp_boxes_make(&boxes, points, count, reference));
    assert_true(objectives > 2 || boxes.count <= count + 1);
    double before = rlt_hypervolume(points, count, objectives, reference), *last = points;
    last += count * objectives;
    for (int i = 0; i < 50; i++) {
        draw(&rng, objectives, ties, last);
        double after = rlt_hypervolume(points, count + 1, objectives, reference);
        assert_near(gain(&boxes, last), after - before, 1e-12);
        if (i < count) {
            assert_near(gain(&boxes, points + i * objectives), 0, 1e-15);
        }
    }
    rlt_gp_boxes_fini(&boxes);
}

static void test_volumes(void **unused) {
    (void)unused;
    static const int counts[] = {0, 1, 2, 7, 30};
    for (int objectives = 2; objectives <= 5; objectives++) {
        for (size_t i = 0; i < RLT_COUNT(counts); i++) {
            check_volumes(objectives, counts[i], false);
            check_volumes(objectives, counts[i], true);
        }
    }
    check_volumes(2, 400, false);
    check_volumes(3, 150, false);
}

/* ---- expectations ---- */

static int numbers(const json_t *object, const char *key, double *out) {
    const json_t *list = json_object_get(object, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        out[i] = json_number_value(json_array_get(list, i));
    }
    return (int)json_array_size(list);
}

typedef struct golden_case {
    int objectives, count;
    double points[16 * RLT_OBJECTIVES_MAX], reference[RLT_OBJECTIVES_MAX];
    double mean[RLT_OBJECTIVES_MAX], variance[RLT_OBJECTIVES_MAX], log_gain;
} golden_case;

static golden_case read_case(const json_t *json) {
    golden_case read = {.log_gain = json_number_value(json_object_get(json, "log_gain"))};
    const json_t *front = json_object_get(json, "front");
    read.objectives = numbers(json, "reference", read.reference);
    read.count = (int)json_array_size(front);
    for (int i = 0; i < read.count * read.objectives; i++) {
        const json_t *point = json_array_get(front, (size_t)(i / read.objectives));
        read.points[i] = json_number_value(json_array_get(point, (size_t)(i % read.objectives)));
    }
    assert_int_equal(numbers(json, "mean", read.mean), read.objectives);
    numbers(json, "variance", read.variance);
    return read;
}

static void check_gain(const rlt_gp_boxes *boxes, const golden_case *at) {
    double by_mean[RLT_OBJECTIVES_MAX], by_variance[RLT_OBJECTIVES_MAX];
    double value = rlt_gp_boxes_log_gain(boxes, at->mean, at->variance, by_mean, by_variance);
    /* what is added to every variance is in ours alone: it shows where that is small */
    double tolerance = 1e-11 * fabs(at->log_gain) + 1e-11;
    for (int k = 0; k < at->objectives; k++) {
        tolerance += 2e-12 * fabs(by_variance[k]);
    }
    if (!(fabs(value - at->log_gain) <= tolerance)) {
        fail_msg("log gain %.15g, not %.15g", value, at->log_gain);
    }
}

static void check_derivatives(const rlt_gp_boxes *boxes, golden_case at) {
    double by[2][RLT_OBJECTIVES_MAX], other[2][RLT_OBJECTIVES_MAX];
    rlt_gp_boxes_log_gain(boxes, at.mean, at.variance, by[0], by[1]);
    for (int k = 0; k < 2 * at.objectives; k++) {
        double *moved = k < at.objectives ? &at.mean[k] : &at.variance[k - at.objectives];
        double got = k < at.objectives ? by[0][k] : by[1][k - at.objectives], here = *moved;
        double step = k < at.objectives ? 1e-5 * sqrt(at.variance[k]) : 1e-5 * here;
        *moved = here + step;
        double up = rlt_gp_boxes_log_gain(boxes, at.mean, at.variance, other[0], other[1]);
        *moved = here - step;
        double down = rlt_gp_boxes_log_gain(boxes, at.mean, at.variance, other[0], other[1]);
        *moved = here;
        /* a difference of 1e-5 sees 1e-11 of the value */
        double noise = 4e-12 * (1 + fabs(at.log_gain)) / step;
        assert_near(got, (up - down) / (2 * step), 1e-5 * fabs(got) + noise);
    }
}

/* One of eight places is the case's, the others are elsewhere. */
static void check_eight(const rlt_gp_boxes *boxes, const golden_case *at) {
    double mean[RLT_OBJECTIVES_MAX * EIGHT], variance[RLT_OBJECTIVES_MAX * EIGHT], out[EIGHT];
    double by[2][RLT_OBJECTIVES_MAX];
    for (int i = 0; i < at->objectives * EIGHT; i++) {
        mean[i] = at->mean[i / EIGHT] + 0.1 * (i % EIGHT - 3);
        variance[i] = at->variance[i / EIGHT] * (1 + 0.2 * (i % EIGHT - 3));
    }
    rlt_gp_boxes_log_gain8(boxes, mean, variance, out);
    for (int i = 0; i < EIGHT; i++) {
        double one_mean[RLT_OBJECTIVES_MAX], one_variance[RLT_OBJECTIVES_MAX];
        for (int k = 0; k < at->objectives; k++) {
            one_mean[k] = mean[k * EIGHT + i];
            one_variance[k] = variance[k * EIGHT + i];
        }
        double value = rlt_gp_boxes_log_gain(boxes, one_mean, one_variance, by[0], by[1]);
        assert_near(out[i], value, 1e-13 * (1 + fabs(value)));
    }
}

static void test_golden(void **unused) {
    (void)unused;
    json_t *json = json_load_file(RLT_SOURCE_DIR "/tests/golden/gp_boxes.json", 0, NULL);
    const json_t *cases = json_object_get(json, "cases");
    assert_int_equal(json_array_size(cases), 43);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        golden_case at = read_case(json_array_get(cases, i));
        rlt_gp_boxes boxes;
        rlt_gp_boxes_init(&boxes, at.objectives);
        assert_true(rlt_gp_boxes_make(&boxes, at.points, at.count, at.reference));
        check_gain(&boxes, &at);
        check_derivatives(&boxes, at);
        check_eight(&boxes, &at);
        rlt_gp_boxes_fini(&boxes);
    }
    json_decref(json);
}

/* log h by vectors against the scalar one, which mpmath has checked. */
static void test_log_h(void **unused) {
    (void)unused;
    enum { COUNT = 4000 };
    double z[COUNT], value[COUNT], slope[COUNT], scalar_slope;
    for (int i = 0; i < COUNT; i++) {
        z[i] = i < 3000 ? -30 + 0.02 * i : (i % 2 == 0 ? 1 : -1) * pow(10, (i - 3000) / 10.0);
    }
    rlt_gp_form_best()->log_h(&(rlt_gp_log_h_of){COUNT, z, value, slope});
    for (int i = 0; i < COUNT; i++) {
        double wanted = rlt_log_h(fmin(fmax(z[i], -1e100), 1e100), &scalar_slope);
        assert_near(value[i], wanted, 2e-12 * fmax(1, fabs(wanted)));
        if (fabs(z[i]) < 1e6) { /* beyond, the scalar one loses digits */
            assert_near(slope[i] / scalar_slope, 1, 1e-9);
        }
        assert_true(isfinite(slope[i]));
    }
}

/* Every vector unit gives the same bits. */
static void test_forms(void **unused) {
    (void)unused;
    enum { OBJECTIVES = 3, COUNT = 40 };
    rlt_rng rng = rlt_rng_make(4, RLT_STREAM_TEST, 0);
    double points[COUNT * OBJECTIVES], reference[OBJECTIVES] = {-0.1, 0, 0.1}, first[16], here[16];
    double mean[OBJECTIVES * EIGHT], variance[OBJECTIVES * EIGHT];
    for (int i = 0; i < COUNT; i++) {
        draw(&rng, OBJECTIVES, false, points + i * OBJECTIVES);
    }
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < OBJECTIVES * EIGHT; i++) {
            mean[i] = 0.5 + rlt_rng_normal(&rng) * pow(10, round / 25.0);
            variance[i] = pow(10, -6 * rlt_rng_f64(&rng));
        }
        for (int f = 0; f < 3; f++) {
            rlt_gp_boxes boxes;
            rlt_gp_boxes_init(&boxes, OBJECTIVES);
            if (rlt_gp_form_at(f) != NULL) {
                boxes.form = rlt_gp_form_at(f);
                assert_true(rlt_gp_boxes_make(&boxes, points, COUNT, reference));
                memset(here, 0, sizeof here);
                rlt_gp_boxes_log_gain8(&boxes, mean, variance, here);
                here[8] = rlt_gp_boxes_log_gain(&boxes, mean, variance, here + 9, here + 12);
                memcpy(f == 0 ? first : here, here, sizeof here);
                assert_memory_equal(first, here, sizeof here);
                assert_true(isfinite(here[8]));
            }
            rlt_gp_boxes_fini(&boxes);
        }
    }
}

/* Too many boxes: none, and the same object can be filled again. */
static void test_too_many(void **unused) {
    (void)unused;
    enum { OBJECTIVES = 5, COUNT = 300 };
    rlt_rng rng = rlt_rng_make(5, RLT_STREAM_TEST, 0);
    double points[COUNT * OBJECTIVES], reference[OBJECTIVES] = {0};
    for (int i = 0; i < COUNT; i++) {
        draw(&rng, OBJECTIVES, false, points + i * OBJECTIVES);
    }
    rlt_gp_boxes boxes;
    rlt_gp_boxes_init(&boxes, OBJECTIVES);
    assert_false(rlt_gp_boxes_make(&boxes, points, COUNT, reference));
    assert_true(rlt_gp_boxes_make(&boxes, points, 10, reference));
    double before = rlt_hypervolume(points, 10, OBJECTIVES, reference);
    double after = rlt_hypervolume(points, 11, OBJECTIVES, reference);
    assert_near(gain(&boxes, points + 10 * OBJECTIVES), after - before, 1e-12);
    rlt_gp_boxes_fini(&boxes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volumes),  cmocka_unit_test(test_golden),
        cmocka_unit_test(test_log_h),    cmocka_unit_test(test_forms),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests_name("tuner_gp_boxes", tests, NULL, NULL);
}

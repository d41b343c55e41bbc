/* measure: what a trial and a decision cost the tuner in memory; limits are the targets of the
 * design. Thread: the caller's. */
#include "measure/measure.h"

#include <math.h>
#include <stdio.h>

enum { TRIALS = 10000, FEW = 1000, MANY = 100000 };
static const double trial_ms_target = 0.3, decisions_target = 1e6;

static const char space[] = "{\"stop\":{\"steps\":72900},\"ppo\":{"
                            "\"lr\":{\"$space\":\"loguniform\",\"low\":1e-5,\"high\":1e-2},"
                            "\"gamma\":{\"$space\":\"uniform\",\"low\":0.9,\"high\":1},"
                            "\"epochs\":{\"$space\":\"randint\",\"low\":1,\"high\":20},"
                            "\"optimiser\":{\"$space\":\"choice\",\"values\":[\"adam\",\"sgd\"]"
                            "}}}";

rlt_status rlt_bench_tuner(int sampler, rlt_tuner **tuner, rlt_err *err) {
    rlt_tune_fields fields = {.maximise = true,
                              .goal = NAN,
                              .seed = 1,
                              .sampler = sampler,
                              .stopper = RLT_STOPPER_ASHA,
                              .asha = {100, 3, 1, 0, 0, 0}};
    json_t *experiment = json_loads(space, 0, NULL);
    rlt_status status = rlt_tuner_create(&fields, experiment, NULL, NULL, tuner, err);
    json_decref(experiment);
    return status;
}

/* One trial: asked for, judged once, ended. */
static rlt_status one_trial(rlt_tuner *tuner, double value, rlt_err *err) {
    int64_t number;
    json_t *params = NULL;
    rlt_decision decision;
    RLT_TRY(rlt_tuner_ask(tuner, &number, &params, err));
    json_decref(params);
    RLT_TRY(rlt_tuner_report(tuner, number, 100, value, &decision, err));
    bool stop = decision.action == RLT_ACTION_STOP;
    return rlt_tuner_finish(tuner, number, stop ? RLT_TRIAL_STOPPED : RLT_TRIAL_COMPLETED, value,
                            100, err);
}

static rlt_status measure_trials(const rlt_measure *m, rlt_err *err) {
    rlt_tuner *tuner = NULL;
    RLT_TRY(rlt_bench_tuner(RLT_SAMPLER_RANDOM, &tuner, err));
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    rlt_status status = RLT_OK;
    double start = rlt_clock_s();
    for (int i = 0; i < TRIALS && status == RLT_OK; i++) {
        status = one_trial(tuner, rlt_rng_f64(&rng), err);
    }
    rlt_figure figure = {.name = "a trial that does nothing, random sampler, ASHA",
                         .unit = "ms",
                         .value = (rlt_clock_s() - start) / TRIALS * 1e3,
                         .limit = trial_ms_target,
                         .limit_name = "target",
                         .less = true};
    rlt_tuner_destroy(&tuner);
    if (status == RLT_OK) {
        m->figure(m->user, &figure);
    }
    return status;
}

static rlt_status ask_all(rlt_tuner *tuner, int trials, rlt_err *err) {
    for (int i = 0; i < trials; i++) {
        int64_t number;
        json_t *params = NULL;
        RLT_TRY(rlt_tuner_ask(tuner, &number, &params, err));
        json_decref(params);
    }
    return RLT_OK;
}

static rlt_status report_all(rlt_tuner *tuner, const double *values, int trials, rlt_err *err) {
    int64_t step = 100;
    for (int rung = 0; rung < RLT_BENCH_RUNGS; rung++, step *= 3) {
        for (int i = 0; i < trials; i++) {
            rlt_decision decision;
            RLT_TRY(rlt_tuner_report(tuner, i, step, values[i] * (rung + 1), &decision, err));
        }
    }
    return RLT_OK;
}

rlt_status rlt_decision_seconds(int trials, uint64_t seed, double *seconds, rlt_err *err) {
    rlt_tuner *tuner = NULL;
    RLT_TRY(rlt_bench_tuner(RLT_SAMPLER_RANDOM, &tuner, err));
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    double *values = rlt_alloc(sizeof(double) * (size_t)trials);
    for (int i = 0; i < trials; i++) {
        values[i] = rlt_rng_normal(&rng);
    }
    rlt_status status = ask_all(tuner, trials, err);
    double start = rlt_clock_s();
    if (status == RLT_OK) {
        status = report_all(tuner, values, trials, err);
    }
    *seconds = rlt_clock_s() - start;
    rlt_free(values);
    rlt_tuner_destroy(&tuner);
    return status;
}

static rlt_status measure_decisions(const rlt_measure *m, int trials, int times, rlt_err *err) {
    char name[96];
    double sum = 0;
    for (int i = 0; i < times; i++) {
        double seconds;
        RLT_TRY(rlt_decision_seconds(trials, (uint64_t)i, &seconds, err));
        sum += seconds;
    }
    snprintf(name, sizeof(name), "ASHA decisions in memory, %d trials", trials);
    rlt_figure figure = {.name = name,
                         .unit = "/s",
                         .value = (double)RLT_BENCH_RUNGS * trials * times / sum,
                         .limit = decisions_target,
                         .limit_name = "target"};
    m->figure(m->user, &figure);
    return RLT_OK;
}

rlt_status rlt_measure_tuner(const rlt_measure *m, rlt_err *err) {
    RLT_TRY(measure_trials(m, err));
    RLT_TRY(measure_decisions(m, FEW, MANY / FEW, err));
    return measure_decisions(m, MANY, 1, err);
}

/* kill -9 at random instants of a driver, a learner, a worker, while a small sweep runs. The run
 * itself (after a driver's death: `rltune resume`) carries on, nothing acknowledged is lost,
 * nothing counts twice, the leaderboard is complete, and where no timing is involved (synchronous
 * workers, no stopper) all results equal those of a run that nobody killed, bit for bit.
 * RLTUNE_TEST_SEED chooses the instants, RLTUNE_TEST_KILLS how many there are in all. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60, DELAY_MAX_MS = 250, KILLS = RUN_SLOW ? 20 : 50 };

/* Two parameters of the text: transport, what to add to tune. */
static const char script[] =
    "return {\n"
    "  name = 'killed', env = 'CartPole-v1', device = 'cpu', seed = 3,\n"
    "  workers = 2, envs_per_worker = 2, threads = 1, transport = '%s',\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 2 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 12800 },\n"
    "  eval = { every = 2560, episodes = 2 }, checkpoint = { every = 640, keep = 2 },\n"
    "  tune = { trials = 6, parallel = 2, max_retries = 1000, max_failed = 6,\n"
    "           final = { seeds = 1, episodes = 2 }%s },\n"
    "}\n";
static const char asha[] = ", stopper = { 'asha', grace = 2560, reduction = 2 }";

static uint64_t seed;
static int kills_in_all;

static void open_place(run_place *place, const char *transport, const char *stopper) {
    char text[sizeof script + 128];
    run_open(place);
    snprintf(text, sizeof text, script, transport, stopper);
    run_write_script(place, text);
}

/* What the run gives when nobody is killed. */
static char *undisturbed(const char *transport) {
    run_place place;
    open_place(&place, transport, "");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *results = run_results(&place);
    run_close(&place);
    return results;
}

typedef struct sweep {
    run_place place;
    pid_t driver;
    bool ended;
    int code; /* of the driver, once it has ended */
    char snapshot[128];
    rlt_rng *rng;
} sweep;

static bool is_over(sweep *s) {
    if (!s->ended) {
        s->ended = run_has_ended(s->driver, &s->code);
    }
    return s->ended;
}

static int64_t experiments(const run_place *place) {
    const char *table = "SELECT count(*) FROM sqlite_schema WHERE name = 'experiments'";
    bool made = access(place->db, F_OK) == 0 && run_sql_int(place, table) > 0;
    return made ? run_sql_int(place, "SELECT count(*) FROM experiments") : 0;
}

/* Whoever has seen a row relies on it: what was committed before the kill is there after it. */
static void kill_driver(sweep *s) {
    bool begun = experiments(&s->place) > 0;
    if (begun) {
        run_snapshot(&s->place, s->snapshot);
    }
    kill(s->driver, SIGKILL);
    s->code = run_wait(&s->place, s->driver, DEADLINE_S);
    if (s->code != 128 + SIGKILL) { /* it was faster */
        s->ended = true;
        return;
    }
    if (experiments(&s->place) == 0) {
        s->driver = run_start(&s->place, "run", s->place.script, "--quiet");
        return;
    }
    int64_t epoch = run_sql_int(&s->place, "SELECT epoch FROM experiments");
    s->driver = run_start(&s->place, "resume", "1", "--quiet");
    run_await_sql(&s->place, "SELECT epoch FROM experiments", epoch + 1, DEADLINE_S);
    if (begun) {
        run_check_kept(&s->place, s->snapshot);
    }
}

static bool kill_child(sweep *s, const char *role) {
    pid_t pids[RUN_PROCESSES_MAX];
    int count = run_processes(&s->place, role, pids);
    if (count == 0) {
        return false;
    }
    kill(pids[rlt_rng_below(s->rng, (uint32_t)count)], SIGKILL);
    return true;
}

/* One sweep in which processes of the role die after random delays; counts *kills down. */
static void run_sweep(const char *role, const char *transport, const char *stopper,
                      const char *expected, int *kills, rlt_rng *rng) {
    sweep s = {.rng = rng};
    open_place(&s.place, transport, stopper);
    snprintf(s.snapshot, sizeof s.snapshot, "%s/test-snapshot", s.place.folder);
    s.driver = run_start(&s.place, "run", s.place.script, "--quiet");
    while (*kills > 0 && !is_over(&s)) {
        run_sleep_ms((int)rlt_rng_below(rng, DELAY_MAX_MS));
        if (is_over(&s)) {
            break;
        }
        if (strcmp(role, "driver") == 0) {
            kill_driver(&s);
            --*kills;
        } else {
            *kills -= kill_child(&s, role);
        }
    }
    run_expect_code(&s.place, s.ended ? s.code : run_wait(&s.place, s.driver, DEADLINE_S), 0);
    run_check_rows(&s.place, true);
    run_check_clean(&s.place);
    if (expected != NULL) {
        char *results = run_results(&s.place);
        run_assert_same(expected, results);
        free(results);
    }
    run_close(&s.place);
}

/* As many sweeps as it takes. `tenths` of all kills. */
static void kill_all(const char *role, const char *transport, const char *stopper,
                     const char *expected, int tenths) {
    int kills = (kills_in_all * tenths + 9) / 10;
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, rlt_hash64(role, strlen(role), 0) & 0xffff);
    while (kills > 0) {
        run_sweep(role, transport, stopper, expected, &kills, &rng);
    }
}

static char *expected_shm;

static void killed_drivers_are_resumed_to_the_same_results(void **state) {
    (void)state;
    expected_shm = undisturbed("shm"); /* used by the next ones too */
    kill_all("driver", "shm", "", expected_shm, 3);
}

static void killed_drivers_lose_no_decision_of_asha(void **state) {
    (void)state;
    kill_all("driver", "shm", asha, NULL, 1);
}

static void killed_learners_go_on_from_checkpoints_to_the_same_results(void **state) {
    (void)state;
    kill_all("learner", "shm", "", expected_shm, 2);
}

static void killed_learners_leave_asha_complete(void **state) {
    (void)state;
    kill_all("learner", "shm", asha, NULL, 1);
}

static void killed_workers_change_no_result_over_shared_memory(void **state) {
    (void)state;
    kill_all("worker", "shm", "", expected_shm, 2);
    free(expected_shm);
}

static void killed_workers_change_no_result_over_tcp(void **state) {
    (void)state;
    char *expected = undisturbed("tcp");
    kill_all("worker", "tcp", "", expected, 1);
    free(expected);
}

static int64_t number_from(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

int main(void) {
    seed = (uint64_t)number_from("RLTUNE_TEST_SEED", rlt_wall_ms() % 1000000);
    kills_in_all = (int)number_from("RLTUNE_TEST_KILLS", KILLS);
    printf("RLTUNE_TEST_SEED=%llu RLTUNE_TEST_KILLS=%d\n", (unsigned long long)seed, kills_in_all);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_drivers_are_resumed_to_the_same_results),
        cmocka_unit_test(killed_drivers_lose_no_decision_of_asha),
        cmocka_unit_test(killed_learners_go_on_from_checkpoints_to_the_same_results),
        cmocka_unit_test(killed_learners_leave_asha_complete),
        cmocka_unit_test(killed_workers_change_no_result_over_shared_memory),
        cmocka_unit_test(killed_workers_change_no_result_over_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

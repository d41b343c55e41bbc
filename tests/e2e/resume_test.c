/* One seed gives one trajectory: whether environments are stepped by the learner or by two worker
 * processes, over shared memory or TCP, and whether the run is interrupted or not, the final
 * weights, optimiser, normalisers and counters are the same to the last bit. For discrete actions,
 * for continuous ones with normalised observations and rewards, for an environment in Lua, for
 * masked actions of several parts, and for a policy with memory. */
#include "checkpoint/checkpoint.h"
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>

enum { DEADLINE_S = 60 };

static const char cartpole[] =
    "return { name = 'cartpole', env = 'CartPole-v1', device = 'cpu', seed = 11, threads = 1,\n"
    "  ppo = { lr = 2.5e-3, horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 24, 16 } }, stop = { steps = 20480 },\n"
    "  eval = { every = 5120, episodes = 3 }, checkpoint = { every = 1024, keep = 2 } }\n";

/* Episodes of 200 steps: the time limit cuts them inside segments. */
static const char pendulum[] =
    "return { name = 'pendulum', env = 'Pendulum-v1', device = 'cpu', seed = 12, threads = 1,\n"
    "  ppo = { lr = 1e-3, horizon = 64, minibatch = 128, epochs = 4, gamma = 0.9 },\n"
    "  model = { hidden = { 16, 16 }, activation = 'relu' },\n"
    "  normalise = { observation = true, reward = true }, stop = { steps = 20480 },\n"
    "  eval = { every = 5120, episodes = 3 }, checkpoint = { every = 1024, keep = 2 } }\n";

static const char corridor[] =
    "local function observe(s) return { s[1] / 10 } end\n"
    "return { name = 'corridor', device = 'cpu', seed = 13, threads = 1,\n"
    "  env = { name = 'Corridor-v0', observation_space = space.box(0, 1),\n"
    "    action_space = space.discrete(2), max_episode_steps = 50, state_size = 1,\n"
    "    reset = function(s, random) s[1] = random(3) return observe(s) end,\n"
    "    step = function(s, action, random)\n"
    "      if random() >= 0.05 then s[1] = math.max(0, s[1] + (action == 1 and 1 or -1)) end\n"
    "      local arrived = s[1] >= 10\n"
    "      return observe(s), arrived and 1 or -0.01, arrived end },\n"
    "  ppo = { lr = 2e-3, horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 10240 },\n"
    "  eval = { every = 5120, episodes = 3 }, checkpoint = { every = 1024, keep = 2 } }\n";

/* Actions of two parts under masks: the step is by `by + 1`, to a side that is not the wall. */
static const char masked[] =
    "local function observe(s) return { s[1], s[2] } end\n"
    "return { name = 'masked', device = 'cpu', seed = 15, threads = 1,\n"
    "  env = { name = 'Stride-v0', observation_space = space.multi_discrete{ 12, 3 },\n"
    "    action_space = space.multi_discrete{ 2, 3 }, max_episode_steps = 30, state_size = 2,\n"
    "    reset = function(s, random) s[1] = random(3) s[2] = random(3) return observe(s) end,\n"
    "    step = function(s, action, random)\n"
    "      assert(action[2] ~= s[2] and (action[1] == 1 or s[1] > 0))\n"
    "      s[1] = math.max(0, s[1] + (action[1] == 1 and 1 or -1) * (action[2] + 1))\n"
    "      s[1], s[2] = math.min(11, s[1]), random(3)\n"
    "      return observe(s), s[1] == 9 and 1 or -0.01, s[1] == 9 end,\n"
    "    action_mask = function(s)\n"
    "      return { { s[1] > 0, true }, { s[2] ~= 0, s[2] ~= 1, s[2] ~= 2 } } end },\n"
    "  ppo = { lr = 2e-3, horizon = 32, minibatch = 64, epochs = 4 },\n"
    "  model = { hidden = { 16 } }, stop = { steps = 10240 },\n"
    "  eval = { every = 5120, episodes = 3 }, checkpoint = { every = 1024, keep = 2 } }\n";

/* A policy with memory: what each sequence carries crosses segments, processes and checkpoints. */
static const char recurrent[] =
    "return { name = 'memory', env = 'CartPole-v1', device = 'cpu', seed = 14, threads = 1,\n"
    "  ppo = { lr = 2.5e-3, horizon = 32, minibatch = 64, epochs = 2 },\n"
    "  model = { { 'dense', 16, 'tanh' }, { 'lstm', 12 }, { 'attention', 2, 4 } },\n"
    "  stop = { steps = 20480 },\n"
    "  eval = { every = 5120, episodes = 3 }, checkpoint = { every = 1024, keep = 2 } }\n";

static const char *const local[] = {"workers=0", "envs_per_worker=8", "transport=shm",
                                    "learners=1"};
static const char *const over_shm[] = {"workers=2", "envs_per_worker=4", "transport=shm",
                                       "learners=1"};
static const char *const over_tcp[] = {"workers=2", "envs_per_worker=4", "transport=tcp",
                                       "learners=1"};
/* Several learners compute together, over shared memory and in a ring. */
/* The learner acts for its workers. */
static const char *const asking[] = {"workers=2", "envs_per_worker=4", "transport=shm",
                                     "inference=learner"};
static const char *const pair[] = {"workers=2", "envs_per_worker=4", "transport=shm", "learners=2"};
static const char *const four[] = {"workers=0", "envs_per_worker=8", "transport=tcp", "learners=4"};

static pid_t start(run_place *place, const char *script, const char *const form[4]) {
    run_open(place);
    run_write_script(place, script);
    return run_start(place, "run", place->script, "--quiet", "--set", form[0], "--set", form[1],
                     "--set", form[2], "--set", form[3]);
}

/* Checks the run's rows, takes its newest checkpoint, removes its folder. */
static void finish(run_place *place, rlt_checkpoint *checkpoint) {
    char path[256];
    rlt_err err = {0};
    run_check_rows(place, true);
    run_check_clean(place);
    run_newest_checkpoint(place, 1, path);
    if (rlt_checkpoint_read(path, NULL, checkpoint, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    run_close(place);
}

static void run_through(const char *script, const char *const form[4], rlt_checkpoint *checkpoint) {
    run_place place;
    pid_t driver = start(&place, script, form);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    finish(&place, checkpoint);
}

static const rlt_tensor *find(const rlt_checkpoint *checkpoint, const char *name) {
    for (int i = 0; i < checkpoint->count; i++) {
        if (strcmp(checkpoint->tensors[i].name, name) == 0) {
            return &checkpoint->tensors[i];
        }
    }
    fail_msg("%s is missing", name);
    return NULL;
}

/* All tensors; those of environments only when both runs cut them in the same parts. */
static void assert_equal(const rlt_checkpoint *a, const rlt_checkpoint *b, bool environments) {
    int compared = 0;
    for (int i = 0; i < a->count; i++) {
        const rlt_tensor *x = &a->tensors[i];
        if (strncmp(x->name, "environments.", 13) == 0 && !environments) {
            continue;
        }
        const rlt_tensor *y = find(b, x->name);
        assert_int_equal(rlt_tensor_bytes(x), rlt_tensor_bytes(y));
        if (memcmp(x->data, y->data, rlt_tensor_bytes(x)) != 0) {
            fail_msg("%s differs", x->name);
        }
        compared++;
    }
    assert_true(compared > 15);
}

static void check_forms(const char *script) {
    rlt_checkpoint a, b, c;
    run_through(script, local, &a);
    run_through(script, over_shm, &b);
    assert_equal(&a, &b, false);
    run_through(script, over_tcp, &c);
    assert_equal(&b, &c, true);
    rlt_checkpoint_fini(&c);
    run_through(script, asking, &c);
    assert_equal(&b, &c, true);
    rlt_checkpoint_fini(&a);
    rlt_checkpoint_fini(&b);
    rlt_checkpoint_fini(&c);
}

/* A team ends with the bits of one learner. */
static void check_teams(const char *script) {
    rlt_checkpoint alone, together;
    run_through(script, over_shm, &alone);
    run_through(script, pair, &together);
    assert_equal(&alone, &together, true);
    rlt_checkpoint_fini(&together);
    run_through(script, four, &together);
    assert_equal(&alone, &together, false);
    rlt_checkpoint_fini(&alone);
    rlt_checkpoint_fini(&together);
}

static void discrete_actions_give_one_trajectory_in_every_form(void **state) {
    (void)state;
    check_forms(cartpole);
}

static void normalised_continuous_actions_give_one_trajectory_in_every_form(void **state) {
    (void)state;
    check_forms(pendulum);
}

static void lua_environments_give_one_trajectory_in_every_form(void **state) {
    (void)state;
    check_forms(corridor);
}

static void masked_actions_give_one_trajectory_in_every_form(void **state) {
    (void)state;
    check_forms(masked);
    check_teams(masked);
}

static void policies_with_memory_give_one_trajectory_in_every_form(void **state) {
    (void)state;
    check_forms(recurrent);
}

/* Paused, resumed, its learner killed, its driver killed, resumed: the end is the same. */
static void check_interrupted(const char *script, const char *const form[4]) {
    static const char steps[] = "SELECT max(step) FROM checkpoints";
    rlt_checkpoint whole, pieces;
    run_through(script, form, &whole);
    run_place place;
    pid_t driver = start(&place, script, form), learner;
    run_await_sql(&place, steps, 1024, DEADLINE_S);
    kill(driver, SIGTERM);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 130);
    int64_t reached = run_sql_int(&place, steps);
    driver = run_start(&place, "resume", "1", "--quiet");
    run_await_sql(&place, steps, reached + 1, DEADLINE_S);
    learner = run_await_process(&place, "learner", DEADLINE_S);
    if (learner > 0) {
        kill(learner, SIGKILL);
    }
    run_sleep_ms(60);
    kill(driver, SIGKILL);
    run_wait(&place, driver, DEADLINE_S);
    run_expect_code(&place, run_command(&place, "resume", "1", "--quiet"), 0);
    finish(&place, &pieces);
    assert_equal(&whole, &pieces, true);
    rlt_checkpoint_fini(&whole);
    rlt_checkpoint_fini(&pieces);
}

static void interrupted_normalised_run_ends_the_same(void **state) {
    (void)state;
    check_interrupted(pendulum, local);
    check_interrupted(pendulum, over_tcp);
}

static void interrupted_lua_run_ends_the_same(void **state) {
    (void)state;
    check_interrupted(corridor, local);
    check_interrupted(corridor, over_shm);
}

static void interrupted_masked_run_ends_the_same(void **state) {
    (void)state;
    check_interrupted(masked, over_shm);
}

static void several_learners_are_as_one(void **state) {
    (void)state;
    check_teams(cartpole);
    check_teams(pendulum);
    check_teams(recurrent);
}

/* The process that has `word` in its command line is killed in mid-run: the end is the same. */
static void check_killed(const char *script, const char *const form[4], const char *word,
                         const char *reason) {
    rlt_checkpoint whole, pieces;
    run_through(script, form, &whole);
    run_place place;
    pid_t driver = start(&place, script, form);
    run_await_sql(&place, "SELECT max(step) FROM checkpoints", 1024, DEADLINE_S);
    pid_t process = run_await_process(&place, word, DEADLINE_S);
    assert_true(process > 0);
    kill(process, SIGKILL);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    if (reason != NULL) {
        char *reasons = run_sql_text(&place, "SELECT reason FROM transitions");
        assert_non_null(strstr(reasons, reason));
        free(reasons);
    }
    finish(&place, &pieces);
    assert_equal(&whole, &pieces, true);
    rlt_checkpoint_fini(&whole);
    rlt_checkpoint_fini(&pieces);
}

/* One of two learners: the trial goes on from its checkpoint. */
static void killed_member_of_a_team_changes_nothing(void **state) {
    (void)state;
    check_killed(pendulum, pair, "learner-1", "learner 1 of 2 ended by signal 9");
}

/* A worker that waits for the learner's actions; what its policy remembers is the learner's to
 * restore. */
static void killed_asking_worker_changes_nothing(void **state) {
    (void)state;
    check_killed(recurrent, asking, "worker", NULL);
}

static void interrupted_run_with_memory_ends_the_same(void **state) {
    (void)state;
    check_interrupted(recurrent, over_shm);
    check_interrupted(recurrent, asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discrete_actions_give_one_trajectory_in_every_form),
        cmocka_unit_test(normalised_continuous_actions_give_one_trajectory_in_every_form),
        cmocka_unit_test(lua_environments_give_one_trajectory_in_every_form),
        cmocka_unit_test(masked_actions_give_one_trajectory_in_every_form),
        cmocka_unit_test(policies_with_memory_give_one_trajectory_in_every_form),
        cmocka_unit_test(several_learners_are_as_one),
        cmocka_unit_test(killed_member_of_a_team_changes_nothing),
        cmocka_unit_test(killed_asking_worker_changes_nothing),
        cmocka_unit_test(interrupted_normalised_run_ends_the_same),
        cmocka_unit_test(interrupted_lua_run_ends_the_same),
        cmocka_unit_test(interrupted_masked_run_ends_the_same),
        cmocka_unit_test(interrupted_run_with_memory_ends_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

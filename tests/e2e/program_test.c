/* objective = "command" and objective = function: whole searches over programs, through the real
 * binary: how parameters get in and metrics out, how programs end and are ended, what is said when
 * they fail. Programs are sh and python3 of the system. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>
#include <sys/stat.h>

/* A script with this objective and these fields of tune. */
static void write_script(run_place *place, const char *objective, const char *params,
                         const char *rest) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "return { name = 'p', objective = %s, params = { %s }, %s }\n", objective,
                   params, rest);
    run_write_script(place, text.data);
    rlt_buf_fini(&text);
}

static void write_text(const run_place *place, const char *name, const char *text) {
    char path[200];
    rlt_err err = {0};
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    assert_int_equal(rlt_file_write_atomic(path, text, strlen(text), &err), RLT_OK);
}

static void expect_run(run_place *place, int code) {
    run_expect_code(place, run_command(place, "run", place->script), code);
}

static void expect_sql(const run_place *place, const char *sql, const char *expected) {
    char *text = run_sql_text(place, sql);
    assert_string_equal(text, expected);
    free(text);
}

/* ---- parameters and metrics ---- */

static void test_patterns(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'for i in 1 2 3; do echo epoch $i loss=$1$i "
                 "acc=0.$i; done', 'x', '{a}' }, metrics = { loss = 'loss=([0-9.]+)', step = "
                 "'epoch ([0-9]+)', acc = 'acc=([0-9.]+)' } }",
                 "a = space.grid{ 4, 5 }",
                 "tune = { metric = 'loss', mode = 'min', trials = 2, sampler = 'grid', parallel = "
                 "1 }");
    expect_run(&place, 0);
    run_check_rows(&place, true);
    expect_sql(&place, "SELECT number, state, reason, steps, value, best FROM trials ORDER BY id",
               "0|completed|the program ended|3|43.0|41.0\n"
               "1|completed|the program ended|3|53.0|51.0\n");
    expect_sql(&place,
               "SELECT step, metric, value FROM trial_curves WHERE number = 1 ORDER BY 1, 2",
               "1|acc|0.1\n1|loss|51.0\n2|acc|0.2\n2|loss|52.0\n3|acc|0.3\n3|loss|53.0\n");
    run_close(&place);
}

/* Arguments, environment, file, text: the same values, whatever characters they hold. */
static const char python_params[] =
    "import json, os, sys\n"
    "params = json.load(open(os.environ['RLTUNE_PARAMS_FILE']))\n"
    "assert params == json.loads(os.environ['RLTUNE_PARAMS']), params\n"
    "assert sys.argv[1] == '--rate=' + repr(params['rate']), sys.argv\n"
    "assert sys.argv[2] == 'a \"b\" $HOME `c` {x} 7 ' + params['kind'], sys.argv\n"
    "assert os.environ['KIND'] == 'is ' + params['kind'] + ' true [1,2]', os.environ['KIND']\n"
    "assert params['list'] == [1, 2] and params['flag'] is True and params['n'] == 7\n"
    "assert sys.argv[3] == os.environ['RLTUNE_SEED'] == str(5 + int(os.environ['RLTUNE_TRIAL']))\n"
    "assert sys.stdin.read() == ''\n"
    "assert os.getcwd() == os.path.realpath(os.environ['HERE'])\n"
    "print('some text')\n"
    "print(json.dumps({'step': 3, 'score': params['rate'], 'bad': float('nan'), 'text': 'x'}))\n"
    "print(json.dumps({'score': params['rate'] + 1}))\n";

static void test_parameters(void **state) {
    (void)state;
    run_place place;
    char objective[1024];
    run_open(&place);
    write_text(&place, "main.py", python_params);
    snprintf(objective, sizeof objective,
             "{ 'command', argv = { 'python3', 'main.py', '--rate={rate}', 'a \"b\" $HOME `c` "
             "{{x} {n} {kind}', '{seed}' }, env = { KIND = 'is {kind} {flag} {list}', HERE = '%s' "
             "}, folder = '%s', params_file = true }",
             place.folder, place.folder);
    write_script(&place, objective,
                 "rate = space.loguniform(1e-5, 1), n = 7, kind = space.choice{ 'x y', \"it's\" }, "
                 "flag = true, list = { 1, 2 }",
                 "seed = 5, tune = { metric = 'score', trials = 6, parallel = 2 }");
    expect_run(&place, 0);
    run_check_rows(&place, true);
    expect_sql(&place,
               "SELECT count(*), min(steps), max(steps) FROM trials WHERE state = "
               "'completed'",
               "6|4|4\n");
    expect_sql(&place,
               "SELECT count(*) FROM trials t JOIN trial_params p ON p.trial = t.id WHERE "
               "p.path = 'params.rate' AND abs(t.value - 1 - p.number) < 1e-12",
               "6\n");
    expect_sql(&place, "SELECT DISTINCT metric, step, value FROM trial_curves WHERE metric = 'bad'",
               "bad|3|\n");
    run_close(&place);
}

static const char python_board[] =
    "import struct, sys, time\n"
    "table = []\n"
    "for i in range(256):\n"
    "    for _ in range(8): i = (i >> 1) ^ (0x82f63b78 if i & 1 else 0)\n"
    "    table.append(i)\n"
    "def crc(data):\n"
    "    x = 0xffffffff\n"
    "    for b in data: x = table[(x ^ b) & 255] ^ (x >> 8)\n"
    "    x ^= 0xffffffff\n"
    "    return struct.pack('<I', (((x >> 15) | (x << 17)) + 0xa282ead8) & 0xffffffff)\n"
    "with open(sys.argv[1] + '/events.out.tfevents.1.host', 'wb') as f:\n"
    "    for step in range(1, 6):\n"
    "        value = b'\\x0a\\x04loss\\x15' + struct.pack('<f', 1 / step)\n"
    "        data = bytes([0x10, step, 0x2a, len(value) + 2, 0x0a, len(value)]) + value\n"
    "        size = struct.pack('<Q', len(data))\n"
    "        f.write(size + crc(size) + data + crc(data))\n"
    "        f.flush()\n"
    "        time.sleep(0.03)\n";

static void test_tensorboard(void **state) {
    (void)state;
    run_place place;
    char objective[512];
    run_open(&place);
    write_text(&place, "board.py", python_board);
    snprintf(objective, sizeof objective,
             "{ 'command', argv = { 'python3', '%s/board.py', '{checkpoint}' }, checkpoint = true, "
             "tensorboard = '{checkpoint}' }",
             place.folder);
    write_script(&place, objective, "a = space.uniform(0, 1)",
                 "tune = { metric = 'loss', mode = 'min', trials = 1 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT state, steps, value FROM trials", "completed|5|0.200000002980232\n");
    expect_sql(&place, "SELECT count(*), sum(value = 0.5) FROM trial_curves", "5|1\n");
    run_close(&place);
}

/* Over TCP: without the token nothing, with it reports and answers; malformed reports are refused.
 */
static const char python_socket[] =
    "import json, os, socket\n"
    "def connect(first):\n"
    "    s = socket.create_connection(('127.0.0.1', int(os.environ['RLTUNE_PORT'])), 20)\n"
    "    s.sendall(first)\n"
    "    return s, s.makefile('r')\n"
    "def refused(first, word):\n"
    "    s, f = connect(first)\n"
    "    answer = json.loads(f.readline())\n"
    "    assert word in answer['error'], answer\n"
    "    assert f.readline() == ''\n"
    "token = os.environ['RLTUNE_TOKEN']\n"
    "hello = json.dumps({'token': token}).encode() + b'\\n'\n"
    "refused(b'{\"loss\": 1}\\n', 'token')\n"
    "refused(b'{\"token\": \"' + token[:-1].encode() + b'\"}\\n', 'token')\n"
    "refused(b'{\"token\": \"' + b'0' * 32 + b'\"}\\n', 'token')\n"
    "refused(b'x' * 300, 'long')\n"
    "s, f = connect(hello)\n"
    "assert json.loads(f.readline()) == {'ok': True}\n"
    "s.sendall(b'{\"step\": 1, \"loss\": 2}\\n{\"step\": 2, \"loss\": 1.5, \"reply\": true}\\n')\n"
    "answer = json.loads(f.readline())\n"
    "assert answer['stop'] is False, answer\n"
    "s.sendall(b'loss 3\\n')\n"
    "assert 'JSON' in json.loads(f.readline())['error']\n"
    "s, f = connect(hello)\n"
    "assert f.readline()\n"
    "s.sendall(b'y' * 70000 + b'\\n')\n"
    "assert 'long' in json.loads(f.readline())['error']\n"
    "s, f = connect(hello)\n"
    "assert f.readline()\n"
    "s.sendall(b'{\"loss\": 0.25}')\n"; /* without an end of the line, and gone at once */

static void test_socket(void **state) {
    (void)state;
    run_place place;
    char objective[512];
    run_open(&place);
    write_text(&place, "socket.py.txt", python_socket);
    snprintf(objective, sizeof objective,
             "{ 'command', argv = { 'python3', '%s/socket.py.txt' }, socket = true }",
             place.folder);
    write_script(&place, objective, "a = space.uniform(0, 1)",
                 "tune = { metric = 'loss', mode = 'min', trials = 4, parallel = 2 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT DISTINCT state, steps, value FROM trials", "completed|3|0.25\n");
    run_close(&place);
}

/* ---- ends ---- */

static void test_failures(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'echo loss=1; case {a} in 0) echo gone wrong "
                 ">&2; exit 3;; 1) kill -SEGV $$;; 2) echo loss=nan;; 3) ;; esac', 'x' }, metrics "
                 "= { loss = 'loss=([0-9.]+|nan)' } }",
                 "a = space.grid{ 0, 1, 2, 3 }",
                 "tune = { mode = 'min', trials = 4, max_failed = 4, sampler = 'grid', parallel = "
                 "1 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT number, state, reason, attempt FROM trials ORDER BY id",
               "0|failed|exit code 3: gone wrong|1\n"
               "1|failed|signal 11 (Segmentation fault): loss=1|1\n"
               "2|failed|'loss' is not a finite number at step 2|1\n"
               "3|completed|the program ended|1\n");
    expect_sql(&place,
               "SELECT count(*) FROM events WHERE kind = 'trial.output' AND text LIKE "
               "'%gone wrong%'",
               "1\n");
    run_close(&place);
}

static void test_never_reported(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'echo \"{\\\\\"acc\\\\\": 1, \\\\\"lr\\\\\": "
                 "{a}}\"' } }",
                 "a = space.uniform(1, 2)", "tune = { metric = 'loss', trials = 1 }");
    expect_run(&place, 7);
    expect_sql(&place, "SELECT state, reason FROM trials",
               "failed|it never reported 'loss'; it reported: acc, lr\n");
    run_close(&place);
}

static void test_hung(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'echo loss=1; sleep 1000' }, silence_s = 0.2, "
                 "metrics = { loss = 'loss=(1)' } }",
                 "a = space.uniform(1, 2)", "tune = { trials = 1, max_retries = 1 }");
    expect_run(&place, 7);
    expect_sql(&place,
               "SELECT state, attempt, reason LIKE '%no report and no output for 0.2 "
               "s (objective.silence_s)%' FROM trials",
               "failed|2|1\n");
    run_close(&place);
}

/* Reports without a step count on from those of earlier attempts, if the program goes on, too. */
static void test_counting_on(void **state) {
    (void)state;
    static const char *const checkpoint[] = {"true", "false"}, *const steps[] = {"4\n", "2\n"};
    for (size_t i = 0; i < RLT_COUNT(checkpoint); i++) {
        run_place place;
        char text[300];
        run_open(&place);
        snprintf(text, sizeof text,
                 "{ 'command', argv = { 'sh', '-c', 'echo loss=1; echo loss=2; test "
                 "$RLTUNE_ATTEMPT = 2 || kill -9 $$' }, checkpoint = %s, metrics = { loss = "
                 "'loss=(.)' } }",
                 checkpoint[i]);
        write_script(&place, text, "a = space.uniform(1, 2)", "tune = { trials = 1 }");
        expect_run(&place, 0);
        expect_sql(&place, "SELECT max(step) FROM trial_curves WHERE metric = 'loss'", steps[i]);
        run_close(&place);
    }
}

/* A kill from outside is a loss: the next attempt finds the checkpoint of the one before. */
static void test_checkpoint(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'cd $RLTUNE_CHECKPOINT_DIR && n=$(cat n || "
                 "echo 0); echo $((n + 1)) > n; echo step $n loss=$n; test $n = 2 || kill -9 $$' "
                 "}, checkpoint = true, metrics = { step = 'step (\\\\d)', loss = 'loss=(.)' } }",
                 "a = space.uniform(1, 2)", "tune = { trials = 2, max_retries = 5 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT DISTINCT state, attempt, steps, value FROM trials",
               "completed|3|2|2.0\n");
    run_close(&place);
}

/* The stopper ends what is hopeless by SIGTERM; whoever does not listen is killed. */
static const char stubborn[] =
    "trap 'echo asked >> %s/asked' TERM\n"
    "for i in 1 2 3 4 5 6 7 8 9 10; do echo step $i loss=$2$i; sleep $1; done\n"
    "test $2 = 1 || while true; do sleep 0.1; done\n";

static void test_early_stopping(void **state) {
    (void)state;
    run_place place;
    char objective[512], text[512];
    run_open(&place);
    snprintf(text, sizeof text, stubborn, place.folder);
    write_text(&place, "stubborn.sh", text);
    snprintf(objective, sizeof objective,
             "{ 'command', argv = { 'sh', '%s/stubborn.sh', '0.02', '{a}' }, grace_s = 0.3, "
             "metrics = { loss = 'loss=([0-9.]+)', step = 'step ([0-9]+)' } }",
             place.folder);
    write_script(&place, objective, "a = space.grid{ 1, 2, 3, 4 }",
                 "stop = { steps = 10 }, tune = { mode = 'min', trials = 4, parallel = 1, sampler "
                 "= 'grid', stopper = { 'median', grace = 4, interval = 2, startup_trials = 1 } }");
    double begin = rlt_clock_s();
    expect_run(&place, 0);
    assert_true(rlt_clock_s() - begin < 30);
    expect_sql(&place, "SELECT number, state, steps >= 4 AND steps <= 10 FROM trials ORDER BY id",
               "0|completed|1\n1|stopped|1\n2|stopped|1\n3|stopped|1\n");
    expect_sql(&place, "SELECT action, count(*) > 0 FROM decisions GROUP BY action ORDER BY action",
               "continue|1\nstop|1\n");
    snprintf(text, sizeof text, "%s/asked", place.folder);
    assert_int_equal(access(text, F_OK), 0);
    run_close(&place);
}

static void test_limits(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'i=0; while true; do i=$((i + 1)); echo "
                 "\"{\\\\\"loss\\\\\": $i}\"; sleep 0.01; done' }, grace_s = 0 }",
                 "a = space.uniform(1, 2)",
                 "stop = { steps = 20 }, tune = { metric = 'loss', trials = 2, parallel = 2 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT DISTINCT state, reason FROM trials",
               "completed|stop.steps reached\n");
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'echo loss=1; sleep 100' }, metrics = { loss = "
                 "'loss=(.)' } }",
                 "a = space.uniform(1, 2)", "stop = { wall_s = 0.2 }, tune = { trials = 1 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT state, reason FROM trials WHERE experiment = 2",
               "completed|stop.wall_s passed\n");
    run_close(&place);
}

static void test_log(void **state) {
    (void)state;
    run_place place;
    char path[200];
    struct stat info, old;
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'i=0; while test $i -lt 3000; do i=$((i + 1)); "
                 "echo line $i; done; echo loss=1' }, log_max = 8192, metrics = { loss = "
                 "'loss=(.)' } }",
                 "a = space.uniform(1, 2)", "tune = { trials = 1 }");
    expect_run(&place, 0);
    snprintf(path, sizeof path, "%s-trials/e1-t1/log", place.db);
    assert_int_equal(stat(path, &info), 0);
    strcat(path, ".1");
    assert_int_equal(stat(path, &old), 0);
    assert_true(info.st_size > 0 && info.st_size <= 4096 && old.st_size == 4096);
    run_close(&place);
}

/* What a program leaves behind ends with it, even what has left its group. */
static void test_no_orphans(void **state) {
    (void)state;
    run_place place;
    pid_t pids[RUN_PROCESSES_MAX];
    run_open(&place);
    write_script(&place,
                 "{ 'command', argv = { 'sh', '-c', 'sleep 1000 & setsid sleep 1000 & echo loss=1' "
                 "}, metrics = { loss = 'loss=(.)' } }",
                 "a = space.uniform(1, 2)", "tune = { trials = 5, parallel = 3 }");
    expect_run(&place, 0);
    assert_int_equal(run_processes(&place, NULL, pids), 0);
    run_close(&place);
}

/* ---- functions ---- */

static void test_function(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(&place,
                 "function(params, report, trial)\n"
                 "  if params.x == 3 then error('three') end\n"
                 "  if params.x == 4 then local t = {}; while true do t[#t + 1] = {} end end\n"
                 "  for step = 1, 4 do\n"
                 "    local go_on = report(step, { value = params.x + step, seed = trial.seed })\n"
                 "    if not go_on then return end\n"
                 "  end\n"
                 "  print('number', trial.number)\n"
                 "  if params.x == 2 then return { value = 7, other = 8 } end\n"
                 "  if params.x == 5 then return 'text' end\n"
                 "  return params.x\n"
                 "end",
                 "x = space.grid{ 1, 2, 3, 4, 5 }",
                 "seed = 3, tune = { mode = 'min', trials = 5, max_failed = 5, sampler = 'grid', "
                 "parallel = 1 }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT number, state, steps, value FROM trials ORDER BY id",
               "0|completed|4|1.0\n1|completed|4|7.0\n2|failed|0|\n3|failed|0|\n4|failed|4|9.0\n");
    expect_sql(&place, "SELECT reason LIKE '%a.lua:2: three' FROM trials WHERE number = 2", "1\n");
    expect_sql(&place, "SELECT reason LIKE '%a.lua:3: %memory%' FROM trials WHERE number = 3",
               "1\n");
    expect_sql(&place,
               "SELECT reason LIKE '%a.lua:1: the objective returned something else%' FROM "
               "trials WHERE number = 4",
               "1\n");
    expect_sql(&place,
               "SELECT DISTINCT value FROM trial_curves WHERE metric = 'seed' AND number = 1",
               "4.0\n");
    run_close(&place);
}

static void test_function_stops(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_script(
        &place,
        "function(params, report)\n"
        "  for step = 1, 9 do\n"
        "    if not report(step, params.x * step) then report(step, params.x) return end\n"
        "  end\n"
        "end",
        "x = space.grid{ 1, 2, 3, 4 }",
        "stop = { steps = 9 }, tune = { mode = 'min', trials = 4, sampler = 'grid', "
        "parallel = 1, stopper = { 'median', grace = 3, interval = 1, startup_trials = 1 } }");
    expect_run(&place, 0);
    expect_sql(&place, "SELECT state, steps FROM trials ORDER BY id",
               "completed|9\nstopped|3\nstopped|3\nstopped|3\n");
    run_close(&place);
}

/* ---- what is refused before anything starts ---- */

static const struct {
    const char *objective, *rest, *message;
} refused[] = {
    {"{ 'command' }", "tune = {}", "a.lua:1: objective.argv: names no program"},
    {"{ 'comand', argv = { 'true' } }", "tune = {}", "is needed (did you mean 'command'?)"},
    {"{ 'command', argv = { 'true' } }", "tune = { metric = 'x' }, ppo = { lr = 1 }",
     "ppo: belongs to training"},
    {"{ 'command', argv = { 'true' } }", "tune = { metric = 'x' }, env = 'CartPole-v1'",
     "env: belongs to training"},
    {"{ 'command', argv = { 'true' } }", "tune = { metric = 'x' }, sed = 3",
     "did you mean 'seed'?"},
    {"{ 'command', argv = { 'true' } }", "tune = {}", "tune.metric: name the metric"},
    {"{ 'command', argv = { 'true' } }", "seed = 1", "objective: needs a table tune"},
    {"{ 'command', argv = { 'true', '{rat}' } }", "tune = { metric = 'x' }",
     "{rat} is none of the trial's values (did you mean 'rate'?)"},
    {"{ 'command', argv = { 'no-such-program-here' } }", "tune = { metric = 'x' }",
     "there is no program 'no-such-program-here' on the PATH"},
    {"{ 'command', argv = { 'true' }, folder = '/nonexistent' }", "tune = { metric = 'x' }",
     "objective.folder: '/nonexistent' is no folder"},
    {"{ 'command', argv = { 'true' }, metrics = { loss = 'loss' } }", "tune = {}",
     "objective.metrics: loss: 'loss' has no group"},
    {"{ 'command', argv = { 'true' }, shell = true }", "tune = { metric = 'x' }",
     "objective.shell: unknown key"},
    {"{ 'command', argv = { space.choice{ 'a' } } }", "tune = { metric = 'x' }",
     "objective.argv: [{"},
    {"{ 'command', argv = { 'true' } }", "tune = { metric = 'x', stopper = 'asha' }",
     "stop.steps: is needed with a stopper"},
    {"{ 'command', argv = { 'true' } }", "stop = { mean_return = 1 }, tune = { metric = 'x' }",
     "stop.mean_return: belongs to training"},
};

static void test_refused(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    for (size_t i = 0; i < RLT_COUNT(refused); i++) {
        write_script(&place, refused[i].objective, "rate = space.uniform(0, 1)", refused[i].rest);
        run_expect_code(&place, run_command(&place, "run", place.script), 3);
        run_expect_output(&place, refused[i].message);
        run_forget_output(&place);
    }
    assert_int_not_equal(access(place.db, F_OK), 0);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),       cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_tensorboard),    cmocka_unit_test(test_socket),
        cmocka_unit_test(test_failures),       cmocka_unit_test(test_never_reported),
        cmocka_unit_test(test_hung),           cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_counting_on),    cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_log),
        cmocka_unit_test(test_no_orphans),     cmocka_unit_test(test_function),
        cmocka_unit_test(test_function_stops), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The games of MinAtar against whole episodes of the authors' package, drawn from the same stream
 * (scripts/gen_golden_minatar.py); version 1's actions against version 0's. */
#include "envs/envs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH_MAX = 1000, STATE_MAX = 4096 };

typedef struct record {
    int8_t action, reward, terminated, unused;
    uint32_t planes;
} record;

typedef struct play {
    const rlt_env_def *def;
    rlt_rng rng;
    float planes[WIDTH_MAX], reward;
    bool terminated;
    _Alignas(16) unsigned char state[STATE_MAX];
} play;

static const rlt_env_def *find(const char *game, int version) {
    char name[64];
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    snprintf(name, sizeof name, "MinAtar/%s-v%d", game, version);
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, &err), RLT_OK);
    assert_true(def->state_size <= STATE_MAX && def->observation_space.size <= WIDTH_MAX);
    return def;
}

static void begin(play *p, uint32_t episode) {
    p->rng = rlt_rng_make(7, RLT_STREAM_TEST, episode);
    p->reward = 0;
    p->terminated = false;
    p->def->reset(p->def->context, p->state, &p->rng, p->planes);
}

static void act(play *p, int32_t action) {
    p->terminated =
        p->def->step(p->def->context, p->state, &p->rng, &action, p->planes, &p->reward);
}

static uint32_t hash_planes(const play *p) {
    uint32_t hash = 0x811c9dc5;
    for (int i = 0; i < p->def->observation_space.size; i++) {
        assert_true(p->planes[i] == 0.0f || p->planes[i] == 1.0f);
        hash = (hash ^ (uint32_t)p->planes[i]) * 0x01000193;
    }
    return hash;
}

static void check_game(const char *game, const char *file_name) {
    static play p;
    char path[128];
    p.def = find(game, 0);
    snprintf(path, sizeof path, "tests/golden/minatar_%s.bin", file_name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    record r;
    uint32_t episode = 0;
    int count = 0;
    for (; fread(&r, sizeof r, 1, file) == 1; count++) {
        if (r.action < 0) {
            begin(&p, episode++);
        } else {
            act(&p, r.action);
        }
        if (hash_planes(&p) != r.planes || p.reward != (float)r.reward ||
            p.terminated != (r.terminated != 0)) {
            fail_msg("%s: record %d differs (episode %u)", game, count, episode - 1);
        }
    }
    fclose(file);
    assert_true(count > 6000);
}

static const char *const games[][2] = {{"Breakout", "breakout"},
                                       {"SpaceInvaders", "space_invaders"},
                                       {"Asterix", "asterix"},
                                       {"Freeway", "freeway"},
                                       {"Seaquest", "seaquest"}};

static void test_episodes(void **unused) {
    (void)unused;
    for (size_t g = 0; g < RLT_COUNT(games); g++) {
        check_game(games[g][0], games[g][1]);
    }
}

/* The package's minimal_action_set of each game. */
static void test_minimal_actions(void **unused) {
    (void)unused;
    static const int sets[][7] = {{0, 1, 3, -1},
                                  {0, 1, 3, 5, -1},
                                  {0, 1, 2, 3, 4, -1},
                                  {0, 2, 4, -1},
                                  {0, 1, 2, 3, 4, 5, -1}};
    static play all, used;
    for (size_t g = 0; g < RLT_COUNT(games); g++) {
        all.def = find(games[g][0], 0);
        used.def = find(games[g][0], 1);
        int count = 0;
        while (sets[g][count] >= 0) {
            count++;
        }
        assert_int_equal(used.def->action_space.size, count);
        begin(&all, 1);
        begin(&used, 1);
        for (int t = 0; t < 200; t++) {
            act(&all, sets[g][t * 7 / 3 % count]);
            act(&used, t * 7 / 3 % count);
            assert_memory_equal(all.planes, used.planes,
                                sizeof(float) * (size_t)all.def->observation_space.size);
            assert_true(all.reward == used.reward && all.terminated == used.terminated);
            if (all.terminated) {
                begin(&all, 2 + (uint32_t)t);
                begin(&used, 2 + (uint32_t)t);
            }
        }
    }
}

static void test_images(void **unused) {
    (void)unused;
    static const int channels[] = {4, 6, 4, 7, 10};
    for (size_t g = 0; g < RLT_COUNT(games); g++) {
        for (int version = 0; version < 2; version++) {
            const rlt_env_def *def = find(games[g][0], version);
            assert_true(def->image[0] == 10 && def->image[1] == 10 && def->image[2] == channels[g]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_episodes),
        cmocka_unit_test(test_minimal_actions),
        cmocka_unit_test(test_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Gathers between members that run as threads here: every member gets all blocks in the order of
 * ranks, for any size and number of calls, also when some are late; members out of step notice; an
 * idle call that fails ends the wait. Both kinds of group, compared with a plain copy. */
#include "group/group.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 5, PIECE = 100, CALLS = 60, BYTES_MAX = 1000 };

typedef struct member {
    rlt_group *group;
    int rank, count;
    bool out_of_step;
    int wrong;
    rlt_status status;
    rlt_err err;
    pthread_t thread;
} member;

static unsigned char byte_of(int call, int rank, size_t i) {
    return (unsigned char)(call * 31 + rank * 7 + (int)(i % 251));
}

static void *run_member(void *user) {
    member *m = user;
    static _Thread_local unsigned char mine[BYTES_MAX], all[MEMBERS_MAX * BYTES_MAX];
    rlt_rng sizes = rlt_rng_make(5, RLT_STREAM_TEST, 0);
    for (int call = 0; call < CALLS && m->status == RLT_OK; call++) {
        size_t bytes = 1 + rlt_rng_below(&sizes, BYTES_MAX);
        bytes -= m->out_of_step && call == 7 && bytes > 1;
        for (size_t i = 0; i < bytes; i++) {
            mine[i] = byte_of(call, m->rank, i);
        }
        if ((call + m->rank) % 9 == 0) {
            usleep(2000);
        }
        bool in_place = call % 2 == 0;
        unsigned char *own = all + (size_t)m->rank * bytes;
        if (in_place) {
            memcpy(own, mine, bytes);
        }
        m->status = rlt_group_all_gather(m->group, in_place ? own : mine, all, bytes, &m->err);
        for (int r = 0; r < m->count && m->status == RLT_OK; r++) {
            for (size_t i = 0; i < bytes; i++) {
                m->wrong += all[(size_t)r * bytes + i] != byte_of(call, r, i);
            }
        }
    }
    return NULL;
}

static void run_all(member *members, int count) {
    for (int r = 0; r < count; r++) {
        pthread_create(&members[r].thread, NULL, run_member, &members[r]);
    }
    for (int r = 0; r < count; r++) {
        pthread_join(members[r].thread, NULL);
    }
}

static rlt_status give_up(void *user, rlt_err *err) {
    int *calls = user;
    return ++*calls < 20 ? RLT_OK : rlt_fail(err, RLT_EPEER, "gave up");
}

typedef struct gathering {
    member members[MEMBERS_MAX];
    rlt_shm shm;
    int calls[MEMBERS_MAX];
} gathering;

static void open_group(gathering *g, bool ring, int count) {
    rlt_err err = {0};
    size_t size = rlt_group_shm_size(count, PIECE);
    rlt_group_address addresses[MEMBERS_MAX];
    *g = (gathering){0};
    if (!ring) {
        assert_int_equal(rlt_shm_create(&g->shm, "group-test", size, &err), RLT_OK);
    }
    for (int r = 0; r < count; r++) {
        member *m = &g->members[r];
        rlt_group_idle idle = {give_up, &g->calls[r]};
        *m = (member){.rank = r, .count = count};
        rlt_status status =
            ring
                ? rlt_group_ring_listen(r, count, PIECE, NULL, idle, &m->group, &addresses[r], &err)
                : rlt_group_shm(g->shm.data, g->shm.size, r, count, PIECE, idle, &m->group, &err);
        assert_int_equal(status, RLT_OK);
    }
    for (int r = 0; ring && r < count; r++) {
        assert_int_equal(
            rlt_group_ring_connect(g->members[r].group, &addresses[(r + 1) % count], &err), RLT_OK);
    }
}

static void close_group(gathering *g) {
    for (int r = 0; r < MEMBERS_MAX; r++) {
        rlt_group_destroy(&g->members[r].group);
    }
    rlt_shm_fini(&g->shm);
}

static void test_all_get_all(void **unused) {
    (void)unused;
    for (int ring = 0; ring < 2; ring++) {
        for (int count = 1; count <= MEMBERS_MAX; count++) {
            gathering g;
            open_group(&g, ring, count);
            run_all(g.members, count);
            for (int r = 0; r < count; r++) {
                if (g.members[r].status != RLT_OK) {
                    fail_msg("%s", g.members[r].err.message);
                }
                assert_int_equal(g.members[r].wrong, 0);
            }
            close_group(&g);
        }
    }
}

static void test_out_of_step_is_noticed(void **unused) {
    (void)unused;
    for (int ring = 0; ring < 2; ring++) {
        gathering g;
        open_group(&g, ring, 3);
        g.members[1].out_of_step = true;
        run_all(g.members, 3);
        int noticed = 0;
        for (int r = 0; r < 3; r++) { /* who has noticed leaves, and the rest give up */
            assert_true(g.members[r].status != RLT_OK);
            noticed += g.members[r].status == RLT_EPROTO;
        }
        assert_true(noticed > 0);
        close_group(&g);
    }
}

/* A member that never comes. */
static void test_a_failing_idle_call_ends_the_wait(void **unused) {
    (void)unused;
    for (int ring = 0; ring < 2; ring++) {
        gathering g;
        open_group(&g, ring, 3);
        run_all(g.members, 2);
        assert_int_equal(g.members[0].status, RLT_EPEER);
        assert_int_equal(g.members[1].status, RLT_EPEER);
        close_group(&g);
    }
}

static void test_too_little_memory_is_refused(void **unused) {
    (void)unused;
    rlt_group *group = NULL;
    rlt_err err = {0};
    static unsigned char memory[64];
    assert_int_equal(
        rlt_group_shm(memory, sizeof memory, 0, 2, PIECE, (rlt_group_idle){0}, &group, &err),
        RLT_EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_get_all),
        cmocka_unit_test(test_out_of_step_is_noticed),
        cmocka_unit_test(test_a_failing_idle_call_ends_the_wait),
        cmocka_unit_test(test_too_little_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

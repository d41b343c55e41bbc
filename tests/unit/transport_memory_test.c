/* Tests of shared memory, the slot ring, the weight block and credits, within one process, between
 * threads (for TSan) and between processes: the binary starts itself with "child" as first argument
 * and the descriptor of the memory. */
#include "transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SLOTS = 4, SLOT_SIZE = 1000, HANDOVERS = 20000, EPOCH = 5 };

static rlt_err err;

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void test_shm(void **state) {
    (void)state;
    int before = open_descriptors();
    rlt_shm shm, other, none = {0};
    assert_int_equal(rlt_shm_create(&shm, "test", 10000, &err), RLT_OK);
    assert_int_equal(shm.size, 10000);
    assert_int_equal((uintptr_t)shm.data % 4096, 0);
    for (size_t i = 0; i < shm.size; i++) {
        assert_int_equal(((char *)shm.data)[i], 0);
    }
    assert_int_equal(fcntl(shm.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(rlt_shm_attach(&other, dup(shm.fd), 10000, &err), RLT_OK);
    ((char *)shm.data)[9999] = 42;
    assert_int_equal(((char *)other.data)[9999], 42);
    assert_int_equal(ftruncate(shm.fd, 100), -1); /* sealed against the reader's SIGBUS */
    assert_int_equal(ftruncate(shm.fd, 20000), -1);
    assert_int_equal(fcntl(shm.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    rlt_shm_fini(&other);
    rlt_shm_fini(&other);
    rlt_shm_fini(&shm);
    rlt_shm_fini(&none);
    assert_int_equal(open_descriptors(), before);
}

static void test_shm_refuses(void **state) {
    (void)state;
    rlt_shm shm, other;
    assert_int_equal(rlt_shm_create(&shm, "test", 0, &err), RLT_EINVAL);
    assert_int_equal(rlt_shm_create(&shm, "segments", (size_t)1 << 50, &err), RLT_ENOMEM);
    assert_non_null(strstr(err.message, "\"segments\""));
    assert_non_null(strstr(err.message, "MiB are free"));
    assert_null(shm.data);
    assert_int_equal(rlt_shm_create(&shm, "test", 8192, &err), RLT_OK);
    assert_int_equal(rlt_shm_attach(&other, shm.fd, 8191, &err), RLT_EPROTO);
    assert_int_equal(rlt_shm_attach(&other, shm.fd, 0, &err), RLT_EPROTO);
    assert_null(other.data);
    assert_true(fcntl(shm.fd, F_GETFD) >= 0); /* not taken over on failure */
    assert_int_equal(rlt_shm_attach(&other, 1000, 8192, &err), RLT_EIO);
    int plain = memfd_create("plain", MFD_CLOEXEC);
    assert_int_equal(ftruncate(plain, 8192), 0);
    assert_int_equal(rlt_shm_attach(&other, plain, 8192, &err), RLT_EPROTO);
    close(plain);
    rlt_shm_fini(&shm);
}

/* ---- ring ---- */

static rlt_ring ring_in(void *memory, size_t size) {
    rlt_ring ring;
    assert_int_equal(rlt_ring_init(&ring, memory, size, SLOTS, SLOT_SIZE, &err), RLT_OK);
    return ring;
}

static void test_ring_layout(void **state) {
    (void)state;
    size_t size = rlt_ring_size(SLOTS, SLOT_SIZE);
    char *memory = rlt_alloc(size + 64);
    rlt_ring ring = ring_in(memory, size), same;
    for (uint32_t i = 0; i < SLOTS; i++) {
        char *slot = rlt_ring_slot(&ring, i);
        assert_int_equal((uintptr_t)slot % 64, 0);
        assert_true(slot > memory && slot + SLOT_SIZE <= memory + size);
        assert_true(i == 0 || slot >= (char *)rlt_ring_slot(&ring, i - 1) + SLOT_SIZE);
        memset(slot, 0xff, SLOT_SIZE); /* a full slot touches no other state */
    }
    assert_int_equal(rlt_ring_find_free(&ring), 0);
    assert_int_equal(rlt_ring_attach(&same, memory, size, SLOTS, SLOT_SIZE, &err), RLT_OK);
    assert_ptr_equal(rlt_ring_slot(&same, 3), rlt_ring_slot(&ring, 3));
    assert_int_equal(rlt_ring_attach(&same, memory, size, SLOTS - 1, SLOT_SIZE, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_attach(&same, memory, size, SLOTS, SLOT_SIZE - 1, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_init(&same, memory, size - 1, SLOTS, SLOT_SIZE, &err), RLT_EINVAL);
    assert_int_equal(rlt_ring_init(&same, memory + 8, size, SLOTS, SLOT_SIZE, &err), RLT_EINVAL);
    assert_int_equal(rlt_ring_size(0, 8), 0);
    assert_int_equal(rlt_ring_size(8, 0), 0);
    assert_int_equal(rlt_ring_size(UINT32_MAX, 8), 0);
    assert_int_equal(rlt_ring_size(8, SIZE_MAX), 0);
    memset(memory, 0, size);
    assert_int_equal(rlt_ring_attach(&same, memory, size, SLOTS, SLOT_SIZE, &err), RLT_EPROTO);
    rlt_free(memory);
}

static void test_ring_ownership(void **state) {
    (void)state;
    size_t size = rlt_ring_size(SLOTS, SLOT_SIZE), used;
    void *memory = rlt_alloc(size);
    rlt_ring ring = ring_in(memory, size);
    assert_int_equal(rlt_ring_take(&ring, 0, EPOCH, &used, &err), RLT_EPROTO); /* free */
    assert_int_equal(rlt_ring_release(&ring, 0, &err), RLT_EPROTO);
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_int_equal(rlt_ring_find_free(&ring), i);
        assert_int_equal(rlt_ring_publish(&ring, i, EPOCH, i * 10, &err), RLT_OK);
    }
    assert_int_equal(rlt_ring_find_free(&ring), -1);
    assert_int_equal(rlt_ring_publish(&ring, 2, EPOCH + 1, 999, &err), RLT_EPROTO); /* doubled */
    assert_int_equal(rlt_ring_release(&ring, 2, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_take(&ring, 2, EPOCH, &used, &err), RLT_OK);
    assert_int_equal(used, 20);
    assert_int_equal(rlt_ring_take(&ring, 2, EPOCH, &used, &err), RLT_EPROTO); /* doubled */
    assert_non_null(strstr(err.message, "slot 2 is in use, expected filled"));
    assert_int_equal(rlt_ring_publish(&ring, 2, EPOCH, 1, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_release(&ring, 2, &err), RLT_OK);
    assert_int_equal(rlt_ring_release(&ring, 2, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_find_free(&ring), 2);
    /* Out of range. */
    assert_int_equal(rlt_ring_publish(&ring, 2, EPOCH, SLOT_SIZE + 1, &err), RLT_EINVAL);
    assert_int_equal(rlt_ring_publish(&ring, SLOTS, EPOCH, 1, &err), RLT_EINVAL);
    assert_int_equal(rlt_ring_take(&ring, SLOTS, EPOCH, &used, &err), RLT_EPROTO);
    assert_int_equal(rlt_ring_release(&ring, UINT32_MAX, &err), RLT_EPROTO);
    rlt_free(memory);
}

static void test_ring_stale_and_reclaim(void **state) {
    (void)state;
    size_t size = rlt_ring_size(SLOTS, SLOT_SIZE), used;
    void *memory = rlt_alloc(size);
    rlt_ring ring = ring_in(memory, size);
    assert_int_equal(rlt_ring_publish(&ring, 0, EPOCH - 1, 1, &err), RLT_OK);
    assert_int_equal(rlt_ring_publish(&ring, 1, EPOCH, 1, &err), RLT_OK);
    assert_int_equal(rlt_ring_publish(&ring, 2, EPOCH, 1, &err), RLT_OK);
    assert_int_equal(rlt_ring_take(&ring, 0, EPOCH, &used, &err), RLT_ESTALE);
    assert_int_equal(rlt_ring_find_free(&ring), 0); /* it is free again */
    assert_int_equal(rlt_ring_take(&ring, 1, EPOCH, &used, &err), RLT_OK);
    assert_int_equal(rlt_ring_reclaim(&ring), 2); /* one filled, one in use */
    assert_int_equal(rlt_ring_reclaim(&ring), 0);
    assert_int_equal(rlt_ring_take(&ring, 2, EPOCH, &used, &err), RLT_EPROTO);
    rlt_free(memory);
}

/* A worker that writes over the header cannot make the learner read outside of the slot. */
static void test_ring_corrupt_header(void **state) {
    (void)state;
    size_t size = rlt_ring_size(SLOTS, SLOT_SIZE), used;
    char *memory = rlt_alloc(size);
    rlt_ring ring = ring_in(memory, size);
    assert_int_equal(rlt_ring_publish(&ring, 1, EPOCH, 77, &err), RLT_OK);
    size_t head = (size_t)((char *)rlt_ring_slot(&ring, 0) - memory);
    uint64_t huge = UINT64_MAX / 2, used_before = 77;
    char *at = memmem(memory, head, &used_before, sizeof used_before);
    assert_non_null(at);
    memcpy(at, &huge, sizeof huge);
    assert_int_equal(rlt_ring_take(&ring, 1, EPOCH, &used, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "announces"));
    memset(memory + head - 64, 0xee, 64); /* the last slot's state */
    assert_int_equal(rlt_ring_take(&ring, SLOTS - 1, EPOCH, &used, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "corrupt"));
    assert_int_equal(rlt_ring_reclaim(&ring), 1);
    rlt_free(memory);
}

static void nap(void) {
    usleep(50);
}

static bool filled_with(const char *slot, size_t used, int serial) {
    for (size_t i = 0; i < used; i++) {
        if (slot[i] != (serial & 0x7f)) {
            return false;
        }
    }
    return true;
}

static size_t used_by(uint64_t serial) {
    return sizeof serial + serial % (SLOT_SIZE + 1 - sizeof serial);
}

/* The worker's side: hands over HANDOVERS slots, each with its serial number and a filling. */
static int produce(rlt_ring *ring) {
    for (uint64_t serial = 0; serial < HANDOVERS; serial++) {
        int slot;
        while ((slot = rlt_ring_find_free(ring)) < 0) {
            nap();
        }
        char *data = rlt_ring_slot(ring, (uint32_t)slot);
        size_t used = used_by(serial);
        memcpy(data, &serial, sizeof serial);
        memset(data + sizeof serial, (int)(serial & 0x7f), used - sizeof serial);
        if (rlt_ring_publish(ring, (uint32_t)slot, EPOCH, used, &err) != RLT_OK) {
            return 1;
        }
    }
    return 0;
}

static uint64_t check_slot(const rlt_ring *ring, uint32_t slot, size_t used) {
    const char *data = rlt_ring_slot(ring, slot);
    uint64_t serial;
    memcpy(&serial, data, sizeof serial);
    assert_in_range(serial, 0, HANDOVERS - 1);
    assert_int_equal(used, used_by(serial));
    assert_true(filled_with(data + sizeof serial, used - sizeof serial, (int)(serial & 0x7f)));
    return serial;
}

/* The learner's side, in another thread or process: each serial comes once, and whole. */
static void consume(rlt_ring *ring) {
    static bool seen[HANDOVERS];
    memset(seen, 0, sizeof seen);
    double deadline_s = rlt_clock_s() + 60;
    for (int count = 0; count < HANDOVERS;) {
        assert_true(rlt_clock_s() < deadline_s);
        int before = count;
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            size_t used;
            if (rlt_ring_take(ring, slot, EPOCH, &used, NULL) == RLT_OK) {
                uint64_t serial = check_slot(ring, slot, used);
                assert_false(seen[serial]);
                seen[serial] = true;
                count++;
                assert_int_equal(rlt_ring_release(ring, slot, NULL), RLT_OK);
            }
        }
        if (count == before) {
            nap();
        }
    }
}

static void *produce_thread(void *ring) {
    return produce(ring) == 0 ? ring : NULL;
}

static void test_ring_between_threads(void **state) {
    (void)state;
    size_t size = rlt_ring_size(SLOTS, SLOT_SIZE);
    void *memory = rlt_alloc(size), *result;
    rlt_ring learner = ring_in(memory, size), worker;
    assert_int_equal(rlt_ring_attach(&worker, memory, size, SLOTS, SLOT_SIZE, &err), RLT_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce_thread, &worker), 0);
    consume(&learner);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &worker);
    rlt_free(memory);
}

static pid_t start_child(const char *mode, const rlt_shm *shm) {
    char fd[16], size[32];
    snprintf(fd, sizeof fd, "%d", shm->fd);
    snprintf(size, sizeof size, "%zu", shm->size);
    char *argv[] = {"", "child", (char *)mode, fd, size, NULL};
    pid_t pid;
    assert_int_equal(rlt_process_spawn(argv, &shm->fd, 1, &pid, &err), RLT_OK);
    return pid;
}

static int exit_of(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test_ring_between_processes(void **state) {
    (void)state;
    rlt_shm shm;
    assert_int_equal(rlt_shm_create(&shm, "ring", rlt_ring_size(SLOTS, SLOT_SIZE), &err), RLT_OK);
    rlt_ring ring = ring_in(shm.data, shm.size);
    pid_t pid = start_child("produce", &shm);
    consume(&ring);
    assert_int_equal(exit_of(pid), 0);
    rlt_shm_fini(&shm);
}

static void test_ring_after_a_killed_worker(void **state) {
    (void)state;
    rlt_shm shm;
    assert_int_equal(rlt_shm_create(&shm, "ring", rlt_ring_size(SLOTS, SLOT_SIZE), &err), RLT_OK);
    rlt_ring ring = ring_in(shm.data, shm.size);
    pid_t pid = start_child("produce", &shm);
    double deadline_s = rlt_clock_s() + 20;
    while (rlt_ring_find_free(&ring) >= 0) { /* nobody takes: it fills all and waits */
        assert_true(rlt_clock_s() < deadline_s);
        nap();
    }
    kill(pid, SIGKILL);
    assert_int_equal(exit_of(pid), 128 + SIGKILL);
    assert_int_equal(rlt_ring_reclaim(&ring), SLOTS);
    pid = start_child("produce", &shm); /* its successor finds a clean ring */
    consume(&ring);
    assert_int_equal(exit_of(pid), 0);
    rlt_shm_fini(&shm);
}

/* ---- weights ---- */

enum { WEIGHT_BYTES = 4 * 1001 + 1, PUBLISHES = 20000, READERS = 2 };

static void test_weights_basics(void **state) {
    (void)state;
    size_t size = rlt_weights_size(WEIGHT_BYTES);
    char *memory = rlt_alloc(size), *data = rlt_alloc(WEIGHT_BYTES + 1);
    rlt_weights writer, reader;
    uint64_t version;
    assert_int_equal(rlt_weights_init(&writer, memory, size, WEIGHT_BYTES, &err), RLT_OK);
    assert_int_equal(rlt_weights_attach(&reader, memory, size, WEIGHT_BYTES, &err), RLT_OK);
    assert_true(rlt_weights_version(&reader) == 0);
    assert_int_equal(rlt_weights_read(&reader, data, &version), RLT_ENOTFOUND);
    for (uint64_t v = 1; v < 100; v += v) {
        memset(data, (int)v, WEIGHT_BYTES);
        rlt_weights_publish(&writer, data, v);
        memset(data, 0, WEIGHT_BYTES);
        data[WEIGHT_BYTES] = 99; /* must stay: the size is no multiple of a word */
        assert_int_equal(rlt_weights_read(&reader, data, &version), RLT_OK);
        assert_true(version == v && rlt_weights_version(&reader) == v);
        assert_true(filled_with(data, WEIGHT_BYTES, (int)v));
        assert_int_equal(data[WEIGHT_BYTES], 99);
    }
    assert_int_equal(rlt_weights_attach(&reader, memory, size, WEIGHT_BYTES - 1, &err), RLT_EPROTO);
    assert_int_equal(rlt_weights_init(&reader, memory, size - 1, WEIGHT_BYTES, &err), RLT_EINVAL);
    assert_int_equal(rlt_weights_init(&reader, memory + 8, size, WEIGHT_BYTES, &err), RLT_EINVAL);
    assert_int_equal(rlt_weights_size(0), 0);
    assert_int_equal(rlt_weights_size(SIZE_MAX), 0);
    rlt_free(memory);
    rlt_free(data);
}

/* Set number v holds the byte v everywhere: a torn copy shows two of them. */
static void publish_all(rlt_weights *weights) {
    char data[WEIGHT_BYTES];
    for (uint64_t v = 1; v <= PUBLISHES; v++) {
        memset(data, (int)(v & 0x7f), sizeof data);
        rlt_weights_publish(weights, data, v);
    }
}

/* Versions never go back and every copy is whole; 0 when the last one was seen. */
static int read_until_last(const rlt_weights *weights) {
    char data[WEIGHT_BYTES];
    uint64_t last = 0, version;
    double deadline_s = rlt_clock_s() + 60;
    while (last < PUBLISHES && rlt_clock_s() < deadline_s) {
        rlt_status status = rlt_weights_read(weights, data, &version);
        if (status == RLT_ENOTFOUND || status == RLT_EBUSY) {
            nap();
            continue;
        }
        if (status != RLT_OK || version < last || !filled_with(data, sizeof data, (int)version)) {
            return 2;
        }
        last = version;
    }
    return last == PUBLISHES ? 0 : 3;
}

static void *read_thread(void *weights) {
    return read_until_last(weights) == 0 ? weights : NULL;
}

static void test_weights_between_threads(void **state) {
    (void)state;
    size_t size = rlt_weights_size(WEIGHT_BYTES);
    void *memory = rlt_alloc(size), *result;
    rlt_weights weights;
    assert_int_equal(rlt_weights_init(&weights, memory, size, WEIGHT_BYTES, &err), RLT_OK);
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_thread, &weights), 0);
    }
    publish_all(&weights);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, &weights);
    }
    rlt_free(memory);
}

static void test_weights_between_processes(void **state) {
    (void)state;
    rlt_shm shm;
    rlt_weights weights;
    assert_int_equal(rlt_shm_create(&shm, "weights", rlt_weights_size(WEIGHT_BYTES), &err), RLT_OK);
    assert_int_equal(rlt_weights_init(&weights, shm.data, shm.size, WEIGHT_BYTES, &err), RLT_OK);
    pid_t pids[READERS];
    for (int i = 0; i < READERS; i++) {
        pids[i] = start_child("read", &shm);
    }
    publish_all(&weights);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(exit_of(pids[i]), 0);
    }
    rlt_shm_fini(&shm);
}

/* A learner that was killed while it wrote: its successor goes on in the same block. */
static void test_weights_after_a_killed_writer(void **state) {
    (void)state;
    rlt_shm shm;
    rlt_weights weights;
    char data[WEIGHT_BYTES];
    uint64_t version;
    assert_int_equal(rlt_shm_create(&shm, "weights", rlt_weights_size(WEIGHT_BYTES), &err), RLT_OK);
    assert_int_equal(rlt_weights_init(&weights, shm.data, shm.size, WEIGHT_BYTES, &err), RLT_OK);
    for (int round = 0; round < 10; round++) {
        uint64_t before = rlt_weights_version(&weights);
        pid_t pid = start_child("write", &shm);
        double deadline_s = rlt_clock_s() + 20;
        while (rlt_weights_version(&weights) < before + 10 && rlt_clock_s() < deadline_s) {
            nap();
        }
        kill(pid, SIGKILL);
        assert_int_equal(exit_of(pid), 128 + SIGKILL);
        version = 0;
        if (rlt_weights_read(&weights, data, &version) == RLT_OK) {
            assert_true(filled_with(data, sizeof data, (int)version));
        }
        uint64_t next =
            (version > rlt_weights_version(&weights) ? version : rlt_weights_version(&weights)) + 1;
        for (uint64_t v = next; v < next + 3; v++) {
            memset(data, (int)(v & 0x7f), sizeof data);
            rlt_weights_publish(&weights, data, v);
            assert_int_equal(rlt_weights_read(&weights, data, &version), RLT_OK);
            assert_true(version == v && filled_with(data, sizeof data, (int)v));
        }
    }
    rlt_shm_fini(&shm);
}

/* ---- credits ---- */

static void test_credits(void **state) {
    (void)state;
    rlt_credit credit = {.limit = 100};
    assert_true(rlt_credit_take(&credit, 60));
    assert_false(rlt_credit_take(&credit, 41));
    assert_true(rlt_credit_take(&credit, 40));
    assert_false(rlt_credit_take(&credit, 1));
    assert_true(rlt_credit_take(&credit, 0));
    assert_false(rlt_credit_take(&credit, UINT64_MAX));
    assert_int_equal(rlt_credit_give(&credit, 101, &err), RLT_EPROTO);
    assert_int_equal(rlt_credit_give(&credit, 60, &err), RLT_OK);
    credit.limit = 30; /* lowered while 40 are out */
    assert_false(rlt_credit_take(&credit, 1));
    assert_int_equal(rlt_credit_give(&credit, 40, &err), RLT_OK);
    assert_true(rlt_credit_take(&credit, 30));
}

static int run_child(const char *mode, int fd, size_t size) {
    rlt_shm shm;
    if (rlt_shm_attach(&shm, fd, size, &err) != RLT_OK) {
        return 10;
    }
    if (strcmp(mode, "produce") == 0) {
        rlt_ring ring;
        rlt_status status = rlt_ring_attach(&ring, shm.data, size, SLOTS, SLOT_SIZE, &err);
        return status == RLT_OK ? produce(&ring) : 11;
    }
    rlt_weights weights;
    if (rlt_weights_attach(&weights, shm.data, size, WEIGHT_BYTES, &err) != RLT_OK) {
        return 12;
    }
    if (strcmp(mode, "read") == 0) {
        return read_until_last(&weights);
    }
    char data[WEIGHT_BYTES];
    for (uint64_t v = rlt_weights_version(&weights) + 1;; v++) { /* until it is killed */
        memset(data, (int)(v & 0x7f), sizeof data);
        rlt_weights_publish(&weights, data, v);
    }
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "child") == 0) {
        return run_child(argv[2], atoi(argv[3]), (size_t)strtoull(argv[4], NULL, 10));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shm),
        cmocka_unit_test(test_shm_refuses),
        cmocka_unit_test(test_ring_layout),
        cmocka_unit_test(test_ring_ownership),
        cmocka_unit_test(test_ring_stale_and_reclaim),
        cmocka_unit_test(test_ring_corrupt_header),
        cmocka_unit_test(test_ring_between_threads),
        cmocka_unit_test(test_ring_between_processes),
        cmocka_unit_test(test_ring_after_a_killed_worker),
        cmocka_unit_test(test_weights_basics),
        cmocka_unit_test(test_weights_between_threads),
        cmocka_unit_test(test_weights_between_processes),
        cmocka_unit_test(test_weights_after_a_killed_writer),
        cmocka_unit_test(test_credits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

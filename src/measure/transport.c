/* measure: messages between two threads over the channel that processes use, against a bare pipe;
 * weights against memcpy. Threads: the caller's and one that answers. */
#include "transport/transport.h"
#include "measure/measure.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PINGS = 2000, STARTS = 9, WAIT_MS = 20000 };

/* ---- channel ---- */

typedef struct echo {
    rlt_channel *server;
    rlt_status status;
    rlt_err err;
} echo;

static rlt_status answer(echo *e) {
    rlt_msg_writer writer = {0};
    rlt_status status = RLT_OK;
    bool last = false;
    while (status == RLT_OK && !last) {
        rlt_packet packet;
        RLT_TRY_GOTO(rlt_channel_recv(e->server, &packet, WAIT_MS, &e->err), done);
        last = packet.msg->type == RLT_MSG_STOP;
        rlt_msg_begin(&writer, RLT_MSG_CREDIT, 1, 0);
        RLT_TRY_GOTO(rlt_msg_end(&writer, &e->err), done);
        status = rlt_channel_send(e->server, packet.peer, &writer, NULL, 0, WAIT_MS, &e->err);
    }
done:
    rlt_msg_writer_fini(&writer);
    return status;
}

static void *run_echo(void *user) {
    echo *e = user;
    e->status = answer(e);
    return NULL;
}

static rlt_status ping(rlt_channel *client, rlt_msg_writer *writer, rlt_msg_type type,
                       double *seconds, rlt_err *err) {
    rlt_packet packet;
    double start = rlt_clock_s();
    rlt_msg_begin(writer, type, 1, 0);
    rlt_msg_put_u64(writer, "slot", 1);
    RLT_TRY(rlt_msg_end(writer, err));
    RLT_TRY(rlt_channel_send(client, NULL, writer, NULL, 0, WAIT_MS, err));
    RLT_TRY(rlt_channel_recv(client, &packet, WAIT_MS, err));
    *seconds = rlt_clock_s() - start;
    return RLT_OK;
}

/* Bind with fresh keys, connect, `pings` round trips; *start: until the first came back. */
static rlt_status converse(int pings, double *start, double *median, rlt_err *err) {
    static double samples[PINGS];
    echo e = {0};
    rlt_channel *client = NULL;
    rlt_msg_writer writer = {0};
    pthread_t thread;
    double began = rlt_clock_s();
    RLT_TRY(rlt_channel_bind(&e.server, &(rlt_channel_options){0}, err));
    rlt_channel_options options = {.endpoint = rlt_channel_endpoint(e.server),
                                   .name = "bench",
                                   .keys = rlt_channel_keys(e.server)};
    rlt_status status = rlt_channel_connect(&client, &options, err);
    bool threaded = status == RLT_OK && pthread_create(&thread, NULL, run_echo, &e) == 0;
    if (status == RLT_OK && !threaded) {
        status = rlt_fail(err, RLT_EIO, "could not start a thread");
    }
    for (int i = 0; i < pings && status == RLT_OK; i++) {
        status = ping(client, &writer, i + 1 < pings ? RLT_MSG_HEARTBEAT : RLT_MSG_STOP,
                      &samples[i], err);
        *start = i == 0 ? rlt_clock_s() - began : *start;
    }
    if (threaded) {
        pthread_join(thread, NULL);
    }
    *median = rlt_median(samples, pings);
    rlt_msg_writer_fini(&writer);
    rlt_channel_destroy(client);
    rlt_channel_destroy(e.server);
    return status;
}

/* ---- a bare pipe, and a copy ---- */

static void *run_pipe(void *user) {
    const int *fds = user; /* reads from the first, writes to the second */
    char bytes[38];
    while (read(fds[0], bytes, sizeof(bytes)) == sizeof(bytes) &&
           write(fds[1], bytes, sizeof(bytes)) == sizeof(bytes)) {
    }
    return NULL;
}

static rlt_status pipe_pings(double *median, rlt_err *err) {
    static double samples[PINGS];
    int there[2], back[2];
    char bytes[38] = {0};
    pthread_t thread;
    if (pipe(there) != 0 || pipe(back) != 0) {
        return rlt_fail(err, RLT_EIO, "could not make a pipe: %s", strerror(errno));
    }
    int ends[2] = {there[0], back[1]};
    bool good = pthread_create(&thread, NULL, run_pipe, ends) == 0, threaded = good;
    for (int i = 0; i < PINGS && good; i++) {
        double start = rlt_clock_s();
        good = write(there[1], bytes, sizeof(bytes)) == sizeof(bytes) &&
               read(back[0], bytes, sizeof(bytes)) == sizeof(bytes);
        samples[i] = rlt_clock_s() - start;
    }
    close(there[1]);
    if (threaded) {
        pthread_join(thread, NULL);
    }
    close(there[0]);
    close(back[0]);
    close(back[1]);
    *median = rlt_median(samples, PINGS);
    return good ? RLT_OK : rlt_fail(err, RLT_EIO, "the pipe failed");
}

static rlt_status measure_weights(const rlt_measure *m, size_t size, rlt_err *err) {
    void *memory = rlt_alloc(rlt_weights_size(size)), *data = rlt_alloc(size);
    rlt_weights weights;
    rlt_status status = rlt_weights_init(&weights, memory, rlt_weights_size(size), size, err);
    double start = rlt_clock_s(), moved = 0, taken = 0;
    for (uint64_t i = 1; status == RLT_OK && taken < m->seconds / 2; i++) {
        rlt_weights_publish(&weights, data, i);
        moved += (double)size;
        taken = i % 64 == 0 ? rlt_clock_s() - start : taken;
    }
    rlt_free(data);
    rlt_free(memory);
    RLT_TRY(status);
    char name[64];
    snprintf(name, sizeof(name), "weights published, %zu KiB", size >> 10);
    rlt_figure figure = {.name = name,
                         .unit = "GB/s",
                         .value = moved / taken * 1e-9,
                         .limit = rlt_ceiling_memcpy(size),
                         .limit_name = "memcpy"};
    m->figure(m->user, &figure);
    return RLT_OK;
}

rlt_status rlt_measure_transport(const rlt_measure *m, rlt_err *err) {
    double starts[STARTS] = {0}, pipe_s = 0, round_s = 0, ignored = 0;
    for (int i = 0; i < STARTS; i++) {
        RLT_TRY(converse(2, &starts[i], &ignored, err));
    }
    RLT_TRY(pipe_pings(&pipe_s, err));
    RLT_TRY(converse(PINGS, &ignored, &round_s, err));
    rlt_figure figure = {.name = "control message there and back, encrypted",
                         .unit = "us",
                         .value = round_s * 1e6,
                         .limit = pipe_s * 1e6,
                         .limit_name = "a bare pipe",
                         .less = true};
    m->figure(m->user, &figure);
    figure = (rlt_figure){.name = "fresh keys, bind, connect, first message back",
                          .unit = "ms",
                          .value = rlt_median(starts, STARTS) * 1e3,
                          .limit = 10,
                          .limit_name = "target",
                          .less = true};
    m->figure(m->user, &figure);
    return measure_weights(m, (size_t)36 << 10, err);
}

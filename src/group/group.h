/* group: several processes that compute one thing together, each with a part of it: a gather that
 * gives every member all parts, in the order of ranks, whatever the order in which they come. By
 * shared memory between processes of one host, or by a ring of channels.
 * A member that dies is its parent's to notice: `idle` is called while waiting, and an error from
 * it ends the wait. Thread: a group belongs to one. */
#ifndef RLT_GROUP_H
#define RLT_GROUP_H
#include "transport/transport.h"

enum { RLT_GROUP_MAX = 64 };
typedef struct rlt_group rlt_group;
typedef struct rlt_group_idle {
    rlt_status (*call)(void *user, rlt_err *err); /* several times a second; NULL: none */
    void *user;
} rlt_group_idle;

typedef struct rlt_group_ops {
    rlt_status (*all_gather)(rlt_group *group, const void *mine, void *all, size_t bytes,
                             rlt_err *err);
    void (*destroy)(rlt_group *group);
} rlt_group_ops;
struct rlt_group {
    const rlt_group_ops *ops;
    int rank, count;
    uint64_t gathers; /* done so far */
    rlt_group_idle idle;
};
/* all[count][bytes]: block r becomes what rank r gave as `mine`; mine may be this rank's block of
 * `all`. Every member calls with the same bytes, in the same order of calls. No allocation.
 * RLT_EPROTO: another member is at another call, or its block has another size. */
rlt_status rlt_group_all_gather(rlt_group *group, const void *mine, void *all, size_t bytes,
                                rlt_err *err);
void rlt_group_destroy(rlt_group **group); /* NULL inside is fine */

/* Shared memory of rlt_group_shm_size bytes, zeroed by its creator, borrowed while the group lives;
 * blocks of more than `block_max` bytes go in pieces. */
size_t rlt_group_shm_size(int count, size_t block_max);
rlt_status rlt_group_shm(void *memory, size_t size, int rank, int count, size_t block_max,
                         rlt_group_idle idle, rlt_group **group, rlt_err *err);

/* A ring: each member hears its left neighbour on a server of its own, and speaks to its right
 * neighbour's. listen: takes no part yet, gives what the left neighbour must know. connect: with
 * what the right neighbour gave. piece_max: bytes of a message. */
typedef struct rlt_group_address {
    char endpoint[128];
    char keys[RLT_CREDENTIALS_SIZE]; /* secret: travels by encrypted channels alone */
} rlt_group_address;
rlt_status rlt_group_ring_listen(int rank, int count, size_t piece_max, const char *endpoint,
                                 rlt_group_idle idle, rlt_group **group, rlt_group_address *address,
                                 rlt_err *err);
rlt_status rlt_group_ring_connect(rlt_group *group, const rlt_group_address *right, rlt_err *err);
#endif

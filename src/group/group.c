/* group: what both kinds have in common. Thread: the group's. */
#include "group/group.h"

#include <string.h>

rlt_status rlt_group_all_gather(rlt_group *group, const void *mine, void *all, size_t bytes,
                                rlt_err *err) {
    if (group->count == 1) {
        if (mine != all) {
            memcpy(all, mine, bytes);
        }
        return RLT_OK;
    }
    RLT_TRY(group->ops->all_gather(group, mine, all, bytes, err));
    group->gathers++;
    return RLT_OK;
}

void rlt_group_destroy(rlt_group **group) {
    if (*group != NULL) {
        (*group)->ops->destroy(*group);
    }
    *group = NULL;
}

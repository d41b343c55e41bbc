/* cli: enqueue: a point that is to be tried before the sampler's next: told to the driver of the
 * experiment, or, if nobody drives it, kept for the next one. Thread: main only. */
#include "cli/cli.h"
#include "cli/report.h"
#include "config/config.h"
#include "driver/driver.h"
#include "store/store.h"
#include "study/study.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

const rlt_cli_option rlt_cli_enqueue_options[] = {
    {"--set", "KEY=VALUE", "a parameter's value, e.g. ppo.lr=3e-4; others are drawn at random"},
    RLT_CLI_JSON_OPTION,
    RLT_CLI_DB_OPTION,
    {0},
};

enum { TIMEOUT_S = 30 };

/* What --set gave, by path. */
static rlt_status read_point(const rlt_cli_args *args, json_t *point, rlt_err *err) {
    for (int i = 0; i < args->given_count; i++) {
        char path[RLT_CLI_PATH_MAX];
        const char *text;
        if (strcmp(args->given[i].name, "--set") != 0) {
            continue;
        }
        RLT_TRY(rlt_cli_split_set(args, args->given[i].value, path, &text, err));
        json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
        json_object_set_new(point, path, value != NULL ? value : json_string(text));
    }
    return json_object_size(point) > 0
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL,
                          "rltune enqueue: name at least one value, e.g. --set ppo.lr=3e-4");
}

static rlt_status tell_driver(const char *name, const json_t *point, int64_t *queued,
                              rlt_err *err) {
    rlt_study_client *client = NULL;
    json_t *reply = NULL;
    RLT_TRY(rlt_study_connect(name, &client, err));
    json_t *request = json_pack("{s:s, s:O}", "op", "enqueue", "params", (json_t *)point);
    rlt_status status = rlt_study_call(client, request, TIMEOUT_S, &reply, err);
    if (status == RLT_OK) {
        *queued = json_integer_value(json_object_get(reply, "queued"));
    }
    json_decref(request);
    json_decref(reply);
    rlt_study_close(&client);
    return status;
}

rlt_status rlt_cli_enqueue(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    int64_t id, queued = 0;
    char name[RLT_STUDY_NAME_SIZE];
    rlt_store *store = NULL;
    RLT_TRY(rlt_cli_parse("enqueue", 1, 1, argc, argv, &args, err));
    const char *db = rlt_report_db(&args);
    RLT_TRY(rlt_store_open(db, RLT_STORE_READ, &store, err));
    rlt_status status = rlt_report_find(store, &args, args.words[0], &id, err);
    rlt_store_close(&store);
    RLT_TRY(status);
    RLT_TRY(rlt_study_name(db, id, name, err));
    json_t *point = json_object();
    status = read_point(&args, point, err);
    if (status == RLT_OK) {
        status = tell_driver(name, point, &queued, err);
    }
    bool alone = status == RLT_ENOTFOUND;
    if (alone) {
        status = rlt_driver_enqueue(db, id, point, &queued, err);
    }
    json_decref(point);
    RLT_TRY(status);
    if (rlt_cli_flag(&args, "--json")) {
        printf("{\"experiment\": %lld, \"queued\": %lld}\n", (long long)id, (long long)queued);
        return RLT_OK;
    }
    printf("queued; %lld wait%s\n", (long long)queued, queued == 1 ? "s" : "");
    if (alone) {
        printf("nobody drives experiment %lld now; next: rltune resume %lld%s%s\n", (long long)id,
               (long long)id, rlt_cli_flag(&args, "--db") ? " --db " : "",
               rlt_cli_flag(&args, "--db") ? db : "");
    }
    return RLT_OK;
}

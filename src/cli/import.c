/* import: what other tools know: an Optuna study becomes an experiment, a Katib Experiment a
 * script. What could not be taken over is listed on standard error. Thread: main only. */
#include "cli/report.h"
#include "exchange/exchange.h"

#include <inttypes.h>
#include <string.h>

const rlt_cli_option rlt_cli_import_options[] = {
    {"--study", "NAME", "optuna: the study to take (default: the only one)"},
    {"--out", "FILE", "write the script there: katib's, or one with the study's search space"},
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

static json_t *notes_json(const rlt_notes *notes) {
    json_t *list = json_array();
    for (int i = 0; i < notes->count; i++) {
        json_array_append_new(list, json_pack("{s:i, s:s}", "line", notes->items[i].line, "text",
                                              notes->items[i].text));
    }
    return list;
}

void rlt_cli_put_notes(rlt_notes *notes, const char *file, const char *title) {
    rlt_buf text = {0};
    if (notes->count > 0) {
        rlt_notes_write(notes, file, "  ", &text);
        fprintf(stderr, "%s\n%s", title, text.data);
    }
    rlt_buf_fini(&text);
}

static rlt_status put_script(const rlt_cli_args *args, const rlt_buf *lua, rlt_err *err) {
    const char *out = rlt_cli_value(args, "--out");
    if (out != NULL) {
        RLT_TRY(rlt_file_write_atomic(out, lua->data, lua->size, err));
        fprintf(stderr, "wrote %s\n", out);
    }
    return RLT_OK;
}

static rlt_status put_counts(rlt_store *store, int64_t id, rlt_err *err) {
    rlt_report report = {0};
    rlt_status status = rlt_report_load(&report, store, id, err);
    if (status == RLT_OK) {
        int64_t counts[6] = {0};
        rlt_buf text = {0};
        for (int i = 0; i < report.trial_count; i++) {
            for (int s = 0; rlt_report_states[s] != NULL; s++) {
                counts[s] += strcmp(report.trials[i].state, rlt_report_states[s]) == 0;
            }
        }
        rlt_report_counts(counts, &text);
        printf("experiment %" PRId64 ": %s, trials %s\n", id, report.experiment.name, text.data);
        rlt_buf_fini(&text);
    }
    report.store = NULL; /* borrowed */
    rlt_report_close(&report);
    return status;
}

static rlt_status put_import(const rlt_cli_args *args, rlt_store *store, int64_t id,
                             rlt_notes *notes, rlt_err *err) {
    const char *db = rlt_report_db(args);
    if (rlt_cli_flag(args, "--json")) {
        return rlt_report_print_json(json_pack("{s:I, s:s, s:o}", "experiment", (json_int_t)id,
                                               "db", db, "notes", notes_json(notes)),
                                     err);
    }
    RLT_TRY(put_counts(store, id, err));
    rlt_cli_put_notes(notes, args->words[1], "not taken over, or changed:");
    bool named = rlt_cli_flag(args, "--db");
    printf("\nin %s; next:\n  rltune show %" PRId64 "%s%s\n", db, id, named ? " --db " : "",
           named ? db : "");
    return RLT_OK;
}

static rlt_status import_optuna(const rlt_cli_args *args, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_notes notes = {0};
    rlt_buf lua = {0};
    int64_t id = 0;
    rlt_status status = rlt_store_open(rlt_report_db(args), RLT_STORE_WRITE, &store, err);
    if (status == RLT_OK) {
        status = rlt_optuna_import(args->words[1], rlt_cli_value(args, "--study"), store, &id,
                                   &notes, &lua, err);
    }
    if (status == RLT_OK) {
        status = put_script(args, &lua, err);
    }
    if (status == RLT_OK) {
        status = put_import(args, store, id, &notes, err);
    }
    rlt_store_close(&store);
    rlt_notes_fini(&notes);
    rlt_buf_fini(&lua);
    return status;
}

static rlt_status import_katib(const rlt_cli_args *args, rlt_err *err) {
    const char *path = args->words[1];
    char *text = NULL;
    size_t size = 0;
    rlt_notes notes = {0};
    rlt_buf lua = {0};
    rlt_status status = rlt_file_read(path, RLT_KATIB_SIZE_MAX, &text, &size, err);
    if (status == RLT_OK) {
        status = rlt_katib_convert(text, size, path, &notes, &lua, err);
    }
    if (status == RLT_OK) {
        status = put_script(args, &lua, err);
    }
    if (status == RLT_OK && rlt_cli_flag(args, "--json")) {
        status = rlt_report_print_json(
            json_pack("{s:s, s:o}", "script", lua.data, "notes", notes_json(&notes)), err);
    } else if (status == RLT_OK) {
        fputs(rlt_cli_value(args, "--out") == NULL ? lua.data : "", stdout);
        rlt_cli_put_notes(&notes, path, "not mapped, or mapped to something else:");
    }
    rlt_free(text);
    rlt_notes_fini(&notes);
    rlt_buf_fini(&lua);
    return status;
}

rlt_status rlt_cli_import(int argc, char **argv, rlt_err *err) {
    static const char *const kinds[] = {"optuna", "katib"};
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse("import", 2, 2, argc, argv, &args, err));
    if (strcmp(args.words[0], "optuna") == 0) {
        return import_optuna(&args, err);
    }
    if (strcmp(args.words[0], "katib") == 0) {
        return rlt_cli_flag(&args, "--study")
                   ? rlt_fail(err, RLT_EINVAL, "rltune import katib: --study belongs to optuna")
                   : import_katib(&args, err);
    }
    const char *nearest = rlt_str_nearest(args.words[0], kinds, RLT_COUNT(kinds));
    return rlt_fail(err, RLT_EINVAL,
                    "rltune import: '%.40s' is no kind of file%s%s%s; allowed: "
                    "optuna, katib",
                    args.words[0], nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}

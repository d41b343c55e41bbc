/* exchange: the tables of Optuna's RDB storage as Optuna 5.0.0 makes them (schema 12; 4.x has the
 * same), and its times. Source: what `sqlite3 study.db .schema` says of a study made by it.
 * Thread: any. Owner: static. */
#include "exchange/exchange_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ATTRIBUTES(name, owner, owners)                                                            \
    "CREATE TABLE " name "s (" name "_id INTEGER NOT NULL, " owner "_id INTEGER, "                 \
    "\"key\" VARCHAR(512), value_json TEXT, PRIMARY KEY (" name "_id), UNIQUE (" owner "_id, "     \
    "\"key\"), FOREIGN KEY(" owner "_id) REFERENCES " owners " (" owner "_id));"

const char optuna_schema[] =
    "CREATE TABLE studies (study_id INTEGER NOT NULL, study_name VARCHAR(512) NOT NULL, "
    "PRIMARY KEY (study_id));"
    "CREATE TABLE version_info (version_info_id INTEGER NOT NULL, schema_version INTEGER, "
    "library_version VARCHAR(256), PRIMARY KEY (version_info_id), CHECK (version_info_id=1));"
    "CREATE TABLE study_directions (study_direction_id INTEGER NOT NULL, direction VARCHAR(8) NOT "
    "NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL, PRIMARY KEY "
    "(study_direction_id), UNIQUE (study_id, objective), FOREIGN KEY(study_id) REFERENCES studies "
    "(study_id));" ATTRIBUTES("study_user_attribute", "study", "studies") ATTRIBUTES(
        "study_system_attribute", "study",
        "studies") "CREATE TABLE trials (trial_id INTEGER NOT NULL, number INTEGER, study_id "
                   "INTEGER, state "
                   "VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME, "
                   "PRIMARY KEY "
                   "(trial_id), FOREIGN KEY(study_id) REFERENCES studies (study_id));" ATTRIBUTES(
                       "trial_user_attribute", "trial", "trials")
                       ATTRIBUTES(
                           "trial_system_attribute", "trial",
                           "trials") "CREATE TABLE trial_params (param_id INTEGER NOT NULL, "
                                     "trial_id INTEGER, param_name "
                                     "VARCHAR(512), param_value FLOAT, distribution_json TEXT, "
                                     "PRIMARY KEY (param_id), UNIQUE "
                                     "(trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES "
                                     "trials (trial_id));"
                                     "CREATE TABLE trial_values (trial_value_id INTEGER NOT NULL, "
                                     "trial_id INTEGER NOT NULL, "
                                     "objective INTEGER NOT NULL, value FLOAT, value_type "
                                     "VARCHAR(7) NOT NULL, PRIMARY KEY "
                                     "(trial_value_id), UNIQUE (trial_id, objective), FOREIGN "
                                     "KEY(trial_id) REFERENCES trials "
                                     "(trial_id));"
                                     "CREATE TABLE trial_intermediate_values "
                                     "(trial_intermediate_value_id INTEGER NOT NULL, "
                                     "trial_id INTEGER NOT NULL, step INTEGER NOT NULL, "
                                     "intermediate_value FLOAT, "
                                     "intermediate_value_type VARCHAR(7) NOT NULL, PRIMARY KEY "
                                     "(trial_intermediate_value_id), "
                                     "UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES "
                                     "trials (trial_id));"
                                     "CREATE TABLE trial_heartbeats (trial_heartbeat_id INTEGER "
                                     "NOT NULL, trial_id INTEGER NOT "
                                     "NULL, heartbeat DATETIME NOT NULL, PRIMARY KEY "
                                     "(trial_heartbeat_id), UNIQUE (trial_id), "
                                     "FOREIGN KEY(trial_id) REFERENCES trials (trial_id));"
                                     "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT "
                                     "NULL, CONSTRAINT "
                                     "alembic_version_pkc PRIMARY KEY (version_num));"
                                     "CREATE UNIQUE INDEX ix_studies_study_name ON studies "
                                     "(study_name);"
                                     "CREATE INDEX ix_trials_study_id ON trials (study_id);"
                                     "INSERT INTO version_info VALUES (1, 12, '" OPTUNA_LIBRARY
                                     "');"
                                     "INSERT INTO alembic_version VALUES ('" OPTUNA_ALEMBIC "');";

void optuna_time_text(int64_t wall_ms, char text[40]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    size_t size =
        localtime_r(&seconds, &local) != NULL ? strftime(text, 32, "%Y-%m-%d %H:%M:%S", &local) : 0;
    snprintf(text + size, 40 - size, ".%06d", (int)(wall_ms % 1000) * 1000);
}

int64_t optuna_time_parse(const char *text) {
    struct tm local = {.tm_isdst = -1};
    int micros = 0, fields;
    fields = sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d.%6d", &local.tm_year, &local.tm_mon,
                    &local.tm_mday, &local.tm_hour, &local.tm_min, &local.tm_sec, &micros);
    local.tm_year -= 1900;
    local.tm_mon -= 1;
    time_t seconds = fields >= 6 ? mktime(&local) : -1;
    return seconds > 0 ? (int64_t)seconds * 1000 + micros / 1000 : 0;
}

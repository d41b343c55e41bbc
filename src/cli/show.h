/* cli: the two halves of `rltune show`. Thread: main only. */
#ifndef RLT_CLI_SHOW_H
#define RLT_CLI_SHOW_H
#include "cli/report.h"

/* One trial: parameters, state, transitions, decisions, checkpoints, curve. */
rlt_status rlt_show_trial(const rlt_report *report, const rlt_report_trial *trial, rlt_err *err);
/* What was decided about it, a sentence each. */
rlt_status rlt_show_why(const rlt_report *report, const rlt_report_trial *trial, rlt_err *err);
/* The `count` first trials of the order, with their parameters. */
rlt_status rlt_show_leaderboard(const rlt_report *report, int count, rlt_err *err);
/* model_text.c: the network of a configuration as Lua, if it is a list of layers; else nothing. */
void rlt_show_model(const json_t *config, rlt_buf *text);
#endif

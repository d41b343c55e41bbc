/* cli: progress of a run for a person: a table that is redrawn in place on a terminal, plain lines
 * elsewhere; both on stderr. Thread: main only. */
#ifndef RLT_CLI_LIVE_H
#define RLT_CLI_LIVE_H
#include "driver/driver.h"

typedef struct rlt_live {
    bool terminal, colour, quiet;
    int lines;        /* drawn and to be overwritten */
    double next_line; /* when a plain progress line is due */
    rlt_buf pending;  /* lines that go above the table with its next drawing */
} rlt_live;
/* Until fini the log of this process goes through the table too. */
void rlt_live_init(rlt_live *live, bool quiet);
/* The two callbacks of rlt_driver_options; user is a rlt_live. */
void rlt_live_progress(void *user, const rlt_driver_view *view);
void rlt_live_event(void *user, const char *line);
void rlt_live_fini(rlt_live *live); /* leaves the last table on the screen */
/* "1:02:03", "12.3 s", "-" for NAN. */
void rlt_duration_text(double seconds, char *text, size_t size);
/* 1,234,567 */
void rlt_grouped_text(int64_t n, char *text, size_t size);
/* The table as it would be drawn, for `columns` x `rows`, lines ended by `line_end`; returns the
 * number of lines. */
int rlt_live_table(const rlt_driver_view *view, int columns, int rows, bool colour,
                   const char *line_end, rlt_buf *out);
#endif

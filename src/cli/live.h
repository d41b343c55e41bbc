/* cli: progress of a run for a person: a table that is redrawn in place on a terminal, plain lines
 * elsewhere; both on stderr. Thread: main only. */
#ifndef RLT_CLI_LIVE_H
#define RLT_CLI_LIVE_H
#include "driver/driver.h"

typedef struct rlt_live {
    bool terminal, quiet;
    int lines;        /* drawn and to be overwritten */
    double next_line; /* when a plain progress line is due */
    double steps_per_s;
} rlt_live;
void rlt_live_init(rlt_live *live, bool quiet);
/* The two callbacks of rlt_driver_options; user is a rlt_live. */
void rlt_live_progress(void *user, const rlt_driver_view *view);
void rlt_live_event(void *user, const char *line);
void rlt_live_fini(rlt_live *live); /* leaves the last table on the screen */
/* "1:02:03", "12.3 s", "-" for NAN. */
void rlt_duration_text(double seconds, char *text, size_t size);
#endif

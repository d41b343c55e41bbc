/* cli: what standard output can show. Thread: main only. */
#include "cli/report.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Asks the locale for its character set and leaves it as it was: numbers stay in C form. */
static bool locale_is_utf8(void) {
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale == (locale_t)0) {
        return false;
    }
    bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

rlt_screen rlt_screen_of_stdout(void) {
    rlt_screen screen = {.columns = 80, .rows = 24};
    const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    if (!isatty(STDOUT_FILENO)) {
        return screen;
    }
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        screen.columns = size.ws_col;
        screen.rows = size.ws_row;
    }
    bool dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    screen.unicode = !dumb && locale_is_utf8();
    screen.colour = !dumb && (no_colour == NULL || no_colour[0] == 0);
    return screen;
}

bool rlt_screen_can_move(void) {
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

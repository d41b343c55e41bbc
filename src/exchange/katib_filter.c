/* exchange: filters of lines, from Go's regular expressions (RE2's syntax) to POSIX extended ones.
 * A filter of Katib has a group for the name and one for the value and stands for all metrics; a
 * pattern here is one metric's, so that the name takes the place of its group. What POSIX cannot
 * say is refused, and the result is compiled before it is believed. Thread: any. */
#include "exchange/katib_impl.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_MAX = 200 };

typedef struct reader {
    const char *at, *end;
    rlt_buf *out;
    const char *why; /* the first thing that cannot be said; NULL */
} reader;

static void refuse(reader *r, const char *why) {
    r->why = r->why != NULL ? r->why : why;
    r->at = r->end;
}

/* ---- classes ---- */

static const char *members_of(char letter) {
    switch (letter) {
    case 'd':
        return "0-9";
    case 'w':
        return "A-Za-z0-9_";
    case 's':
        return "[:space:]";
    default:
        return NULL;
    }
}

static char plain_of(char letter) {
    return letter == 't' ? '\t' : letter;
}

typedef struct class_text { /* ']' stands first in a class of POSIX, '-' last, '^' not first */
    rlt_buf members;
    bool negated, bracket, dash, hat;
} class_text;

static void add_member(class_text *c, char letter) {
    c->bracket |= letter == ']';
    c->dash |= letter == '-';
    c->hat |= letter == '^';
    if (strchr("]-^", letter) == NULL) {
        rlt_buf_append(&c->members, &letter, 1);
    }
}

static void read_member(reader *r, class_text *c) {
    char letter = *r->at++;
    if (letter == '\\' && r->at < r->end) {
        letter = *r->at++;
        const char *members = members_of(letter);
        if (members != NULL) {
            rlt_buf_append(&c->members, members, strlen(members));
            return;
        }
        if (isalnum((unsigned char)letter) && letter != 't') {
            refuse(r, "an escape in a class of characters");
        }
        add_member(c, plain_of(letter));
        return;
    }
    bool range = r->end - r->at >= 2 && r->at[0] == '-' && r->at[1] != ']' && r->at[1] != '\\' &&
                 strchr("]-^", letter) == NULL;
    add_member(c, letter);
    if (range) {
        rlt_buf_append(&c->members, r->at, 2);
        r->at += 2;
    }
}

/* r->at is behind the bracket. */
static bool read_class(reader *r, class_text *c) {
    c->negated = r->at < r->end && *r->at == '^';
    r->at += c->negated;
    const char *begin = r->at;
    rlt_buf_append(&c->members, "", 0);
    while (r->at < r->end && (*r->at != ']' || r->at == begin)) {
        if (r->at[0] == '[' && r->end - r->at > 1 && r->at[1] == ':') {
            refuse(r, "a named class");
        } else {
            read_member(r, c);
        }
    }
    if (r->at >= r->end) {
        refuse(r, "a class of characters that does not end");
        return false;
    }
    r->at++;
    return true;
}

static void put_class(const class_text *c, bool negated, rlt_buf *out) {
    bool first = !c->bracket && c->members.size == 0 && !negated; /* where '^' would negate */
    rlt_buf_printf(out, "[%s%s%s%s%s%s]", negated ? "^" : "", c->bracket ? "]" : "",
                   c->members.data, first && c->dash ? "-" : "", c->hat ? "^" : "",
                   !first && c->dash ? "-" : "");
}

static void copy_class(reader *r) {
    class_text c = {0};
    if (read_class(r, &c)) {
        put_class(&c, c.negated, r->out);
    }
    rlt_buf_fini(&c.members);
}

/* ---- everything else ---- */

static void copy_escape(reader *r) {
    static const char special[] = ".[]{}()*+?^$|\\";
    char letter = *r->at++;
    const char *members = members_of((char)tolower((unsigned char)letter));
    if (members != NULL) {
        rlt_buf_printf(r->out, "[%s%s]", isupper((unsigned char)letter) ? "^" : "", members);
    } else if (letter == 'b' || letter == 'B') {
        rlt_buf_printf(r->out, "\\%c", letter);
    } else if (isalnum((unsigned char)letter) && letter != 't') {
        refuse(r, "an escape");
    } else {
        letter = plain_of(letter);
        rlt_buf_printf(r->out, strchr(special, letter) != NULL ? "\\%c" : "%c", letter);
    }
}

/* The bytes of a repetition "{2,3}"; 0: the brace is one. */
static size_t braces(const char *at, const char *end) {
    const char *next = at + 1;
    while (next < end && isdigit((unsigned char)*next)) {
        next++;
    }
    if (next == at + 1) {
        return 0;
    }
    if (next < end && *next == ',') {
        next++;
        while (next < end && isdigit((unsigned char)*next)) {
            next++;
        }
    }
    return next < end && *next == '}' ? (size_t)(next - at) + 1 : 0;
}

static void check_lazy(reader *r) {
    if (r->at < r->end && *r->at == '?') {
        refuse(r, "a repetition that takes as little as it can");
    }
}

static void copy_group(reader *r) { /* r->at is at the parenthesis */
    const char *name = r->at + 3;
    r->at++;
    rlt_buf_append(r->out, "(", 1);
    if (r->at < r->end && *r->at == '?') {
        bool plain = r->end - r->at > 1 && r->at[1] == ':';
        bool named = r->end - r->at > 2 && strncmp(r->at, "?P<", 3) == 0;
        const char *close = named ? memchr(name, '>', (size_t)(r->end - name)) : NULL;
        if (!plain && close == NULL) {
            refuse(r, "a group with options");
            return;
        }
        r->at = plain ? r->at + 2 : close + 1;
    }
}

static void copy(reader *r) {
    while (r->at < r->end) {
        char letter = *r->at;
        size_t repeat = letter == '{' ? braces(r->at, r->end) : 0;
        if (letter == '(') {
            copy_group(r);
            continue;
        }
        r->at++;
        if (letter == '\\' && r->at < r->end) {
            copy_escape(r);
        } else if (letter == '[') {
            copy_class(r);
        } else if (repeat > 0) {
            rlt_buf_append(r->out, r->at - 1, repeat);
            r->at += repeat - 1;
            check_lazy(r);
        } else if (letter == '{' || letter == '}') {
            rlt_buf_printf(r->out, "\\%c", letter);
        } else {
            rlt_buf_append(r->out, &letter, 1);
            if (strchr("*+?", letter) != NULL) {
                check_lazy(r);
            }
        }
    }
}

/* ---- the two groups ---- */

typedef struct groups {
    const char *name, *name_end, *value; /* their parentheses */
    bool more_before, either;            /* groups before the value; a choice outside of groups */
} groups;

static const char *skip_class(const char *at) { /* at the bracket */
    at += at[1] == '^' ? 2 : 1;
    for (bool first = true; *at != 0 && (*at != ']' || first); first = false) {
        at += at[0] == '\\' && at[1] != 0 ? 2 : 1;
    }
    return at;
}

static groups find_groups(const char *filter) {
    groups g = {0};
    int depth = 0;
    for (const char *at = filter; *at != 0; at++) {
        if (*at == '\\' && at[1] != 0) {
            at++;
        } else if (*at == '[') {
            at = skip_class(at);
            if (*at == 0) {
                break;
            }
        } else if (*at == '(') {
            bool captures = at[1] != '?' || at[2] == 'P';
            g.more_before |= g.value == NULL && (!captures || (g.name != NULL && depth > 0));
            if (captures && g.name == NULL) {
                g.more_before |= depth > 0;
                g.name = at;
            } else if (captures && g.value == NULL && g.name_end != NULL) {
                g.value = at;
            }
            depth++;
        } else if (*at == ')') {
            depth--;
            g.name_end = g.name != NULL && g.name_end == NULL ? at : g.name_end;
        }
        g.either |= *at == '|' && depth == 0;
    }
    return g;
}

/* Whether the name's group takes this name at all. */
static bool takes(const groups *g, const char *metric, const char **why) {
    rlt_buf text = {0};
    regex_t regex;
    rlt_buf_printf(&text, "^");
    reader r = {.at = g->name, .end = g->name_end + 1, .out = &text};
    copy(&r);
    rlt_buf_printf(&text, "$");
    *why = r.why;
    bool compiled = r.why == NULL && regcomp(&regex, text.data, REG_EXTENDED | REG_NOSUB) == 0;
    bool fits = compiled && regexec(&regex, metric, 0, NULL, 0) == 0;
    if (compiled) {
        regfree(&regex);
    } else if (*why == NULL) {
        *why = "what is no regular expression";
    }
    rlt_buf_fini(&text);
    return fits;
}

/* A group at the beginning, such as ([\w-]+), takes a whole word: a longer one that ends with this
 * name is another metric. */
static void put_boundary(const char *filter, const groups *g, rlt_buf *out) {
    class_text c = {0};
    rlt_buf ignored = {0};
    reader r = {.at = filter + 2, .end = g->name_end, .out = &ignored};
    if (g->name == filter && strncmp(filter, "(\\S+)", 5) == 0) {
        rlt_buf_printf(out, "(^|[[:space:]])");
    } else if (g->name == filter && strncmp(filter, "(\\w+)", 5) == 0) {
        rlt_buf_printf(out, "(^|[^A-Za-z0-9_])");
    } else if (g->name == filter && filter[1] == '[' && read_class(&r, &c) && !c.negated &&
               r.end - r.at == 1 && strchr("+*", *r.at) != NULL) {
        rlt_buf_printf(out, "(^|");
        put_class(&c, true, out);
        rlt_buf_printf(out, ")");
    }
    rlt_buf_fini(&c.members);
    rlt_buf_fini(&ignored);
}

static void put_plain(const char *text, rlt_buf *out) {
    for (; *text != 0; text++) {
        rlt_buf_printf(out, strchr(".[]{}()*+?^$|\\", *text) != NULL ? "\\%c" : "%c", *text);
    }
}

static bool convert(const char *filter, const groups *g, const char *metric, rlt_buf *out,
                    const char **why) {
    regex_t regex;
    reader before = {.at = filter, .end = g->name, .out = out};
    reader after = {.at = g->name_end + 1, .end = filter + strlen(filter), .out = out};
    put_boundary(filter, g, out);
    copy(&before);
    put_plain(metric, out);
    copy(&after);
    *why = before.why != NULL ? before.why : after.why;
    if (*why == NULL && regcomp(&regex, out->data, REG_EXTENDED) != 0) {
        *why = "what is no regular expression";
    } else if (*why == NULL) {
        regfree(&regex);
    }
    return *why == NULL;
}

bool rlt_katib_filter(const char *filter, const char *metric, rlt_buf *out, const char **why) {
    groups g = find_groups(filter);
    *why = NULL;
    if (g.name == NULL || g.name_end == NULL || g.value == NULL) {
        *why = "no group for the name, followed by one for the value";
    } else if (g.more_before) {
        *why = "groups inside or before those of the name and the value";
    } else if (g.either) {
        *why = "a choice outside of its groups";
    }
    if (*why != NULL || !takes(&g, metric, why)) {
        return false;
    }
    size_t before = out->size;
    rlt_buf_append(out, "", 0);
    bool done = convert(filter, &g, metric, out, why);
    if (!done) {
        out->size = before;
    }
    return done;
}

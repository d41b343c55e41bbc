/* lua: the line of a path such as "ppo.lr" or "model[3]", found in the text of a script: names
 * before "=", nested by braces; strings and comments are skipped. Best effort: a table built by
 * code is not understood. Thread: any. */
#include "lua/script_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16, NAME_SIZE = 96 };

typedef struct brace {
    char name[NAME_SIZE]; /* "[2]": the second item of the one around it; "": the outermost */
    int items, parens;    /* items passed; parentheses open */
    bool named;           /* the entry in progress has a name */
} brace;

typedef struct scan {
    const char *at, *end;
    int line, depth;
    brace open[DEPTH_MAX];
    char pending[NAME_SIZE]; /* assigned to by what follows, or "" */
    const char *path;
    int exact, suffix; /* lines found */
} scan;

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static void advance(scan *s) {
    s->line += *s->at == '\n';
    s->at++;
}

static void skip_space(scan *s) {
    while (s->at < s->end && isspace((unsigned char)*s->at)) {
        advance(s);
    }
}

/* At "[[" or "[==[": passes the long bracket; false (and nothing passed) if it is none. */
static bool skip_long(scan *s) {
    const char *open = s->at + 1;
    size_t level = 0;
    while (open + level < s->end && open[level] == '=') {
        level++;
    }
    if (open + level >= s->end || open[level] != '[') {
        return false;
    }
    for (; s->at < s->end; advance(s)) {
        size_t equals = 0;
        if (*s->at != ']') {
            continue;
        }
        while (s->at + 1 + equals < s->end && s->at[1 + equals] == '=') {
            equals++;
        }
        if (equals == level && s->at + 1 + equals < s->end && s->at[1 + equals] == ']') {
            s->at += equals + 2;
            return true;
        }
    }
    return true;
}

static void skip_comment(scan *s) {
    s->at += 2;
    if (s->at < s->end && *s->at == '[' && skip_long(s)) {
        return;
    }
    while (s->at < s->end && *s->at != '\n') {
        s->at++;
    }
}

/* At a quote: passes the string and copies its start. */
static void read_string(scan *s, char *text) {
    char quote = *s->at++;
    size_t size = 0;
    while (s->at < s->end && *s->at != quote && *s->at != '\n') {
        bool escape = *s->at == '\\' && s->at + 1 < s->end;
        s->at += escape;
        if (size + 1 < NAME_SIZE) {
            text[size++] = *s->at;
        }
        advance(s);
    }
    s->at += s->at < s->end && *s->at == quote;
    text[size] = 0;
}

/* name or name.name.name */
static void read_names(scan *s, char *text) {
    size_t size = 0;
    while (s->at < s->end &&
           (is_name(*s->at) || (*s->at == '.' && s->at + 1 < s->end && is_name(s->at[1])))) {
        if (size + 1 < NAME_SIZE) {
            text[size++] = *s->at;
        }
        s->at++;
    }
    text[size] = 0;
}

/* `name` is assigned to on `line`: is it the path, under the names of the open braces? */
static void compare(scan *s, const char *name, int line) {
    char full[RLT_FIELD_PATH_MAX] = "";
    size_t size = 0;
    int depth = s->depth < DEPTH_MAX ? s->depth : DEPTH_MAX;
    for (int i = 0; i <= depth && size < sizeof full; i++) {
        const char *part = i < depth ? s->open[i].name : name;
        const char *dot = size > 0 && part[0] != 0 && part[0] != '[' ? "." : "";
        size += (size_t)snprintf(full + size, sizeof full - size, "%s%s", dot, part);
    }
    if (size >= sizeof full) {
        return;
    }
    size_t path_size = strlen(s->path);
    if (size >= sizeof full || size < path_size || strcmp(full + size - path_size, s->path) != 0) {
        return;
    }
    if (size == path_size) {
        s->exact = line;
    } else if (full[size - path_size - 1] == '.' && s->path[0] != '[') {
        s->suffix = line;
    }
}

/* After a possible key: takes it when "=" follows. */
static void take_key(scan *s, const char *key, int line) {
    skip_space(s);
    if (s->at < s->end && *s->at == '=' && (s->at + 1 == s->end || s->at[1] != '=')) {
        s->at++;
        compare(s, key, line);
        if (s->depth > 0 && s->depth <= DEPTH_MAX) {
            s->open[s->depth - 1].named = true;
        }
        snprintf(s->pending, sizeof s->pending, "%s", key);
    }
}

static void read_bracket(scan *s) {
    char key[NAME_SIZE];
    int line = s->line;
    if (skip_long(s)) {
        return;
    }
    s->at++;
    skip_space(s);
    if (s->at < s->end && (*s->at == '"' || *s->at == '\'')) {
        read_string(s, key);
        skip_space(s);
        if (s->at < s->end && *s->at == ']') {
            s->at++;
            take_key(s, key, line);
        }
    }
}

/* The innermost brace, or NULL. */
static brace *inner(scan *s) {
    return s->depth > 0 && s->depth <= DEPTH_MAX ? &s->open[s->depth - 1] : NULL;
}

static void open_brace(scan *s) {
    brace *around = inner(s);
    if (around != NULL && s->pending[0] == 0) {
        snprintf(s->pending, sizeof s->pending, "[%d]", around->items + 1);
        compare(s, s->pending, s->line);
    }
    if (s->depth < DEPTH_MAX) {
        s->open[s->depth] = (brace){.items = 0};
        memcpy(s->open[s->depth].name, s->pending, sizeof s->pending);
    }
    s->depth++;
    s->pending[0] = 0;
}

static void read_mark(scan *s, char mark) {
    brace *around = inner(s);
    if (mark == '{') {
        open_brace(s);
    } else if (mark == '}') {
        s->depth -= s->depth > 0;
        s->pending[0] = 0;
    } else if (around != NULL && (mark == '(' || mark == ')')) {
        around->parens += mark == '(' ? 1 : -1;
    } else if (mark == ',' || mark == ';') {
        s->pending[0] = 0;
        if (around != NULL && around->parens <= 0) {
            around->items += !around->named;
            around->named = false;
        }
    }
    advance(s);
}

/* What a word changes in the number of open blocks. */
static int block_of(const char *word) {
    static const char *const opening[] = {"function", "if", "do", "repeat"};
    for (size_t i = 0; i < RLT_COUNT(opening); i++) {
        if (strcmp(word, opening[i]) == 0) {
            return 1;
        }
    }
    return strcmp(word, "end") == 0 || strcmp(word, "until") == 0 ? -1 : 0;
}

/* After "function": passes its body, whose names and tables are none of the configuration's. */
static void skip_function(scan *s) {
    char text[NAME_SIZE];
    for (int blocks = 1; blocks > 0 && s->at < s->end;) {
        if (*s->at == '-' && s->at + 1 < s->end && s->at[1] == '-') {
            skip_comment(s);
        } else if (*s->at == '"' || *s->at == '\'') {
            read_string(s, text);
        } else if (isalpha((unsigned char)*s->at) || *s->at == '_') {
            read_names(s, text);
            blocks += block_of(text);
        } else if (*s->at != '[' || !skip_long(s)) {
            advance(s);
        }
    }
}

/* A function within a table: the item of a list, or the value of a name. */
static void read_function(scan *s, const brace *around, int line) {
    if (s->pending[0] == 0 && around->parens <= 0) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "[%d]", around->items + 1);
        compare(s, name, line);
    }
    skip_function(s);
}

static void step(scan *s) {
    char text[NAME_SIZE];
    int line = s->line;
    if (*s->at == '-' && s->at + 1 < s->end && s->at[1] == '-') {
        skip_comment(s);
    } else if (*s->at == '"' || *s->at == '\'') {
        read_string(s, text);
    } else if (*s->at == '[') {
        read_bracket(s);
    } else if (isalpha((unsigned char)*s->at) || *s->at == '_') {
        read_names(s, text);
        if (inner(s) != NULL && strcmp(text, "function") == 0) {
            read_function(s, inner(s), line);
        } else {
            take_key(s, text, line);
        }
    } else {
        read_mark(s, *s->at);
    }
}

static int find(const char *text, size_t size, const char *path) {
    scan s = {.at = text, .end = text + size, .line = 1, .path = path};
    while (s.at < s.end) {
        step(&s);
    }
    return s.exact > 0 ? s.exact : s.suffix;
}

int rlt_script_locate(void *script, const char *path) {
    size_t size;
    const char *text = rlt_script_text(script, &size);
    char wanted[RLT_FIELD_PATH_MAX];
    snprintf(wanted, sizeof wanted, "%s", path);
    int line = path[0] != 0 ? find(text, size, wanted) : 0;
    while (line == 0 && wanted[0] != 0 && wanted[strlen(wanted) - 1] == ']') {
        *strrchr(wanted, '[') = 0; /* an item without braces of its own: the list around it */
        line = find(text, size, wanted);
    }
    return line;
}

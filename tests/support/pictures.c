#include "tests/support/pictures.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void pictures_check_text(const rlt_buf *text, int columns, int rows, bool unicode, bool colour) {
    int lines = 0, width = 0;
    for (const char *at = text->data; *at != 0; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '\n') {
            assert_true(width <= columns);
            width = 0;
            lines++;
        } else if (c == 0x1b) {
            assert_true(colour);
            at += strcspn(at, "m");
        } else {
            assert_true(c >= 0x20 && c != 0x7f && (unicode || c < 0x80));
            width += (c & 0xc0) != 0x80;
        }
    }
    assert_true(lines > 0 && lines <= rows && width == 0);
}

enum { DEPTH_MAX = 16, TAG_MAX = 32 };

/* Of "<path d=...": "path"; the place after it. */
static const char *read_name(const char *at, char name[TAG_MAX]) {
    size_t size = 0;
    while (isalnum((unsigned char)*at) && size + 1 < TAG_MAX) {
        name[size++] = *at++;
    }
    name[size] = 0;
    assert_true(size > 0);
    return at;
}

/* The end of a tag, with all its attributes quoted. */
static const char *read_attributes(const char *at, bool *empty) {
    while (*at == ' ' || *at == '\n') {
        at += strspn(at, " \n");
        if (*at == '/' || *at == '>') {
            break;
        }
        at += strcspn(at, "=\"<>");
        assert_true(at[0] == '=' && at[1] == '"');
        at += 2 + strcspn(at + 2, "\"<");
        assert_true(*at++ == '"');
    }
    *empty = *at == '/';
    at += *empty;
    assert_true(*at == '>');
    return at + 1;
}

void pictures_check_svg(const rlt_buf *text) {
    char open[DEPTH_MAX][TAG_MAX], name[TAG_MAX];
    int depth = 0;
    assert_true(strncmp(text->data, "<svg ", 5) == 0);
    for (const char *at = strchr(text->data, '<'); at != NULL; at = strchr(at, '<')) {
        bool closes = at[1] == '/', empty = false;
        at = read_attributes(read_name(at + 1 + closes, name), &empty);
        if (closes) {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (!empty) {
            assert_true(depth < DEPTH_MAX);
            snprintf(open[depth++], TAG_MAX, "%s", name);
        }
    }
    assert_int_equal(depth, 0);
    const char *address = strstr(text->data, "http"); /* of the namespace, and no other */
    assert_non_null(address);
    assert_null(strstr(address + 1, "http"));
    static const char *const attributes[] = {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf",
                                             "Mnan",   "Lnan",    "Mnan",   "Minf",
                                             "L-inf",  "M-inf",   "hnan",   "Hnan"};
    for (size_t i = 0; i < RLT_COUNT(attributes); i++) {
        const char *found = strstr(text->data, attributes[i]);
        if (found != NULL) {
            fail_msg("in the SVG: %.200s", found - (found - text->data > 100 ? 100 : 0));
        }
    }
    assert_string_equal(text->data + text->size - strlen("</svg>\n"), "</svg>\n");
}

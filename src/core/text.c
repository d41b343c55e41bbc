/* core: text of unknown origin made safe to print. Why: names and messages come from scripts and
 * files; none may move a terminal's cursor or end an XML element.
 * Threads: reentrant. Owner: the caller. */
#include "core/core.h"

#include <limits.h>
#include <string.h>

/* Bytes of the UTF-8 character at `text` (RFC 3629), 0 if there is none. */
static int utf8_size(const unsigned char *text) {
    unsigned char lead = text[0];
    int size = lead < 0x80                   ? 1
               : lead >= 0xc2 && lead < 0xe0 ? 2
               : lead >= 0xe0 && lead < 0xf0 ? 3
               : lead >= 0xf0 && lead < 0xf5 ? 4
                                             : 0;
    for (int i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
               (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f) ||
               (lead == 0xef && text[1] == 0xbf && text[2] >= 0xbe); /* U+FFFE, U+FFFF */
    return bad ? 0 : size;
}

static bool is_control(const unsigned char *text) {
    return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

static const char *xml_escape(unsigned char c) {
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

int rlt_buf_text(rlt_buf *out, const char *text, int columns, rlt_text_form form) {
    const unsigned char *at = (const unsigned char *)text;
    int count = 0;
    for (; *at != 0 && count < columns; count++) {
        int size = utf8_size(at);
        const char *escaped = form == RLT_TEXT_XML ? xml_escape(*at) : NULL;
        if (size == 0 || is_control(at) || (form == RLT_TEXT_ASCII && size > 1)) {
            rlt_buf_append(out, "?", 1);
        } else if (escaped != NULL) {
            rlt_buf_append(out, escaped, strlen(escaped));
        } else {
            rlt_buf_append(out, at, (size_t)size);
        }
        at += size == 0 ? 1 : size;
    }
    return count;
}

int rlt_str_columns(const char *text) {
    rlt_buf scratch = {0};
    int width = rlt_buf_text(&scratch, text, INT_MAX, RLT_TEXT_UTF8);
    rlt_buf_fini(&scratch);
    return width;
}

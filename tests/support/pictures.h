/* Tests of pictures: what every one of them must be, whatever was drawn. Asserts through cmocka. */
#ifndef RLT_TESTS_PICTURES_H
#define RLT_TESTS_PICTURES_H
#include "core/core.h"

/* Whole lines of at most `columns` characters, at most `rows` of them; no control characters but
 * colours, no bytes beyond ASCII unless allowed. */
void pictures_check_text(const rlt_buf *text, int columns, int rows, bool unicode, bool colour);
/* One SVG document: tags that match, nothing from outside, no number that is none. */
void pictures_check_svg(const rlt_buf *text);
#endif

/* exchange: a YAML document as a tree with lines. Private to src/exchange. */
#ifndef RLT_EXCHANGE_YAML_H
#define RLT_EXCHANGE_YAML_H
#include "core/core.h"

#include <yaml.h>

typedef struct rlt_yaml {
    yaml_document_t document;
    const char *file; /* for messages; borrowed */
} rlt_yaml;
typedef yaml_node_t rlt_yaml_node;

/* The only document of a text. RLT_ECONFIG: "file:line: ..."; RLT_ENOTSUP: there are several. */
rlt_status rlt_yaml_read(const char *text, size_t size, const char *file, rlt_yaml *yaml,
                         rlt_err *err);
void rlt_yaml_fini(rlt_yaml *yaml);
rlt_yaml_node *rlt_yaml_root(rlt_yaml *yaml);
int rlt_yaml_line(const rlt_yaml_node *node); /* from 1; 0 for NULL */
/* NULL: there is no such entry, or the node is no mapping. */
rlt_yaml_node *rlt_yaml_get(rlt_yaml *yaml, const rlt_yaml_node *node, const char *key);
/* The text of a scalar, or NULL. */
const char *rlt_yaml_text(const rlt_yaml_node *node);
/* Entries of a sequence or of a mapping: 0 of anything else. */
int rlt_yaml_count(const rlt_yaml_node *node);
rlt_yaml_node *rlt_yaml_item(rlt_yaml *yaml, const rlt_yaml_node *node, int i); /* sequence */
const char *rlt_yaml_key(rlt_yaml *yaml, const rlt_yaml_node *node, int i,
                         rlt_yaml_node **value); /* mapping; "" for a key that is no text */
#endif

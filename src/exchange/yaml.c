/* exchange: YAML by libyaml. Its loader resolves aliases to the same node, so that a text of
 * bounded size gives a tree of bounded size; who walks it must bound the depth, as a node may hold
 * itself. Thread: any. Owner: the caller. */
#include "exchange/yaml.h"

#include <string.h>

static rlt_status fail_parse(const yaml_parser_t *parser, const char *file, rlt_err *err) {
    return rlt_fail(err, RLT_ECONFIG, "%.200s:%zu: %.200s", file, parser->problem_mark.line + 1,
                    parser->problem != NULL ? parser->problem : "no valid YAML");
}

static rlt_status load(yaml_parser_t *parser, rlt_yaml *yaml, rlt_err *err) {
    yaml_document_t next;
    if (!yaml_parser_load(parser, &yaml->document)) {
        return fail_parse(parser, yaml->file, err);
    }
    if (yaml_document_get_root_node(&yaml->document) == NULL) {
        yaml_document_delete(&yaml->document);
        return rlt_fail(err, RLT_ECONFIG, "%.200s: is empty", yaml->file);
    }
    rlt_status status = RLT_OK;
    if (!yaml_parser_load(parser, &next)) {
        status = fail_parse(parser, yaml->file, err);
    } else {
        const yaml_node_t *more = yaml_document_get_root_node(&next);
        if (more != NULL) {
            status = rlt_fail(err, RLT_ENOTSUP,
                              "%.200s:%zu: a second document begins here; put each Experiment into "
                              "a file of its own",
                              yaml->file, more->start_mark.line + 1);
        }
        yaml_document_delete(&next);
    }
    if (status != RLT_OK) {
        yaml_document_delete(&yaml->document);
    }
    return status;
}

rlt_status rlt_yaml_read(const char *text, size_t size, const char *file, rlt_yaml *yaml,
                         rlt_err *err) {
    yaml_parser_t parser;
    *yaml = (rlt_yaml){.file = file};
    RLT_ASSERT(yaml_parser_initialize(&parser) != 0);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    rlt_status status = load(&parser, yaml, err);
    yaml_parser_delete(&parser);
    return status;
}

void rlt_yaml_fini(rlt_yaml *yaml) {
    yaml_document_delete(&yaml->document);
}

rlt_yaml_node *rlt_yaml_root(rlt_yaml *yaml) {
    return yaml_document_get_root_node(&yaml->document);
}

int rlt_yaml_line(const rlt_yaml_node *node) {
    return node != NULL ? (int)node->start_mark.line + 1 : 0;
}

const char *rlt_yaml_text(const rlt_yaml_node *node) {
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
                                                          : NULL;
}

int rlt_yaml_count(const rlt_yaml_node *node) {
    if (node != NULL && node->type == YAML_SEQUENCE_NODE) {
        return (int)(node->data.sequence.items.top - node->data.sequence.items.start);
    }
    if (node != NULL && node->type == YAML_MAPPING_NODE) {
        return (int)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    }
    return 0;
}

rlt_yaml_node *rlt_yaml_item(rlt_yaml *yaml, const rlt_yaml_node *node, int i) {
    return node != NULL && node->type == YAML_SEQUENCE_NODE && i >= 0 && i < rlt_yaml_count(node)
               ? yaml_document_get_node(&yaml->document, node->data.sequence.items.start[i])
               : NULL;
}

const char *rlt_yaml_key(rlt_yaml *yaml, const rlt_yaml_node *node, int i, rlt_yaml_node **value) {
    *value = NULL;
    if (node == NULL || node->type != YAML_MAPPING_NODE || i < 0 || i >= rlt_yaml_count(node)) {
        return "";
    }
    const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
    const char *key = rlt_yaml_text(yaml_document_get_node(&yaml->document, pair->key));
    *value = yaml_document_get_node(&yaml->document, pair->value);
    return key != NULL ? key : "";
}

rlt_yaml_node *rlt_yaml_get(rlt_yaml *yaml, const rlt_yaml_node *node, const char *key) {
    rlt_yaml_node *value;
    if (node == NULL || node->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (int i = 0; i < rlt_yaml_count(node); i++) {
        if (strcmp(rlt_yaml_key(yaml, node, i, &value), key) == 0) {
            return value;
        }
    }
    return NULL;
}

/* command: the event files of one command: one file, or those in a folder that are written while
 * the command runs. Writers begin a new file when they start again, so there may be several.
 * Thread: the host's. Owner: the command. */
#include "command/command_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { FILES_MAX = 16 };
static const char file_word[] = "tfevents";

struct rlt_board {
    char *path;
    time_t started;
    struct {
        char *name;
        rlt_event_file *file;
    } files[FILES_MAX];
    int count;
};

rlt_board *rlt_board_open(const char *path) {
    rlt_board *board = rlt_alloc(sizeof *board);
    board->path = strdup(path);
    board->started = time(NULL) - 1;
    return board;
}

static bool has_file(const rlt_board *board, const char *name) {
    for (int i = 0; i < board->count; i++) {
        if (strcmp(board->files[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_file(rlt_board *board, const char *path) {
    struct stat info;
    if (board->count < FILES_MAX && !has_file(board, path) && stat(path, &info) == 0 &&
        S_ISREG(info.st_mode) && info.st_mtime >= board->started) {
        board->files[board->count].name = strdup(path);
        board->files[board->count++].file = rlt_event_file_open(path);
    }
}

static void look(rlt_board *board) {
    char path[4096];
    DIR *folder = opendir(board->path);
    if (folder == NULL) {
        add_file(board, board->path);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, file_word) != NULL &&
            snprintf(path, sizeof path, "%s/%s", board->path, entry->d_name) < (int)sizeof path) {
            add_file(board, path);
        }
    }
    closedir(folder);
}

rlt_status rlt_board_read(rlt_board *board, rlt_event_visit visit, void *user, rlt_err *err) {
    look(board);
    for (int i = 0; i < board->count; i++) {
        RLT_TRY(rlt_event_file_read(board->files[i].file, visit, user, err));
    }
    return RLT_OK;
}

void rlt_board_close(rlt_board **board) {
    for (int i = 0; *board != NULL && i < (*board)->count; i++) {
        rlt_event_file_close(&(*board)->files[i].file);
        free((*board)->files[i].name);
    }
    if (*board != NULL) {
        free((*board)->path);
        rlt_free(*board);
    }
    *board = NULL;
}

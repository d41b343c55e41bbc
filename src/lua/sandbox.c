/* lua: the sandbox: memory cap, work and time limits, and error messages with their line.
 * Why a work count besides the instruction hook: one instruction may copy a megabyte, so that
 * allocated bytes count too; nothing that a script can call runs long without either.
 * Thread: the owner's. */
#include "lua/script_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HOOK_INSTRUCTIONS = 1000,
    WORK_BYTES = 16,    /* allocated bytes that count as one instruction */
    COLLECT_BYTES = 32, /* live bytes that count as one when a full collection is forced */
    STRING_MAX = 256 << 10
};
static const size_t memory_default = 64u << 20;
static const double cpu_max_s = 0.6;

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

rlt_sandbox *rlt_sandbox_of(lua_State *L) {
    return *(rlt_sandbox **)lua_getextraspace(L);
}

/* The line of the innermost function that is Lua, or 0. Allocates nothing. */
static int current_line(lua_State *L) {
    lua_Debug info;
    for (int level = 0; lua_getstack(L, level, &info); level++) {
        lua_getinfo(L, "Sl", &info);
        if (info.currentline > 0) {
            return info.currentline;
        }
    }
    return 0;
}

/* Whether the call in progress has used up its work or time; remembers why. */
static bool exhausted(rlt_sandbox *sandbox, bool look_at_clock) {
    if (sandbox->work > sandbox->work_max) {
        sandbox->stopped = RLT_STOPPED_WORK;
        return true;
    }
    if (look_at_clock && sandbox->work_max != RLT_WORK_UNLIMITED) {
        double now = cpu_s();
        sandbox->cpu_start_s = sandbox->cpu_start_s > 0 ? sandbox->cpu_start_s : now;
        if (now - sandbox->cpu_start_s > cpu_max_s) {
            sandbox->stopped = RLT_STOPPED_TIME;
            return true;
        }
    }
    return false;
}

/* Lua retries once after a full collection, which costs time in proportion to what is alive. */
static void *refuse(rlt_sandbox *sandbox, rlt_stopped why) {
    sandbox->stopped = why;
    sandbox->work += sandbox->memory / COLLECT_BYTES;
    exhausted(sandbox, true);
    int line = sandbox->L != NULL ? current_line(sandbox->L) : 0;
    if (line > 0) { /* 0: Lua shrinks its stack after the error */
        sandbox->stopped_line = line;
    }
    return NULL;
}

/* lua_Alloc; `old` is a kind of object when `memory` is NULL. */
static void *allocate(void *user, void *memory, size_t old, size_t size) {
    rlt_sandbox *sandbox = user;
    bool is_string = memory == NULL && old == LUA_TSTRING;
    old = memory == NULL ? 0 : old;
    if (size == 0) {
        sandbox->memory -= old;
        free(memory);
        return NULL;
    }
    if (sandbox->active && size > old) {
        if (is_string && size > STRING_MAX) {
            return refuse(sandbox, RLT_STOPPED_STRING);
        }
        if (size - old > sandbox->memory_max ||
            sandbox->memory > sandbox->memory_max - (size - old)) {
            return refuse(sandbox, RLT_STOPPED_MEMORY);
        }
        sandbox->work += size / WORK_BYTES;
        if (exhausted(sandbox, false)) {
            return refuse(sandbox, RLT_STOPPED_WORK);
        }
    }
    void *moved = realloc(memory, size);
    if (moved == NULL) {
        return size <= old ? memory : refuse(sandbox, RLT_STOPPED_MEMORY);
    }
    sandbox->memory += size - old;
    return moved;
}

static const char *limit_text(const rlt_sandbox *sandbox, char *text, size_t size) {
    switch (sandbox->stopped) {
    case RLT_STOPPED_MEMORY:
        snprintf(
            text, size,
            "the script needs more memory than its limit of %zu MiB; does something grow, or a "
            "function call itself, without end?",
            sandbox->memory_max >> 20);
        break;
    case RLT_STOPPED_STRING:
        snprintf(text, size, "a string of more than %d KiB", STRING_MAX >> 10);
        break;
    case RLT_STOPPED_TIME:
        snprintf(text, size, "the script ran for more than %.1f s of CPU time", cpu_max_s);
        break;
    default:
        snprintf(text, size,
                 "the script ran longer than its limit of %llu instructions; is there an endless "
                 "loop?",
                 (unsigned long long)sandbox->work_max);
    }
    return text;
}

static void raise_limit(lua_State *L) {
    char text[160];
    rlt_sandbox *sandbox = rlt_sandbox_of(L);
    sandbox->stopped_line = current_line(L);
    lua_pushstring(L, limit_text(sandbox, text, sizeof text));
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *info) {
    (void)info;
    rlt_sandbox *sandbox = rlt_sandbox_of(L);
    if (!sandbox->active) {
        return;
    }
    sandbox->work += HOOK_INSTRUCTIONS;
    if (exhausted(sandbox, true)) {
        raise_limit(L);
    }
}

void rlt_sandbox_charge(lua_State *L, uint64_t units) {
    rlt_sandbox *sandbox = rlt_sandbox_of(L);
    sandbox->work += units;
    if (sandbox->active && exhausted(sandbox, false)) {
        raise_limit(L);
    }
}

/* Whether an error's text begins with the script's own "name:", as Lua writes it. */
static bool has_place(lua_State *L, const char *text) {
    lua_Debug info;
    for (int level = 0; lua_getstack(L, level, &info); level++) {
        lua_getinfo(L, "S", &info);
        if (*info.what != 'C') {
            size_t size = strlen(info.short_src);
            return strncmp(text, info.short_src, size) == 0 && text[size] == ':';
        }
    }
    return false;
}

/* Message handler: any error object becomes text with its line. */
static int on_error(lua_State *L) {
    const rlt_sandbox *sandbox = rlt_sandbox_of(L);
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
    if (text != NULL && has_place(L, text)) {
        return 1;
    }
    int line = current_line(L);
    if (text == NULL) {
        text = lua_pushfstring(L, "error() was called with a %s", luaL_typename(L, 1));
    }
    lua_pushfstring(L, "%s:%d: %s", sandbox->name, line, text);
    return 1;
}

/* Takes the error object off the stack. */
static rlt_status report(rlt_sandbox *sandbox, int code, rlt_err *err) {
    static const char absent[] = "nil value (global '";
    char limit[160];
    const char *text = lua_type(sandbox->L, -1) == LUA_TSTRING ? lua_tostring(sandbox->L, -1) : "?";
    bool limited = sandbox->stopped == RLT_STOPPED_WORK || sandbox->stopped == RLT_STOPPED_TIME;
    rlt_status status;
    if (code == LUA_ERRMEM || limited) {
        status = rlt_fail(err, RLT_ELIMIT, "%s:%d: %s", sandbox->name, sandbox->stopped_line,
                          limit_text(sandbox, limit, sizeof limit));
    } else {
        bool hint = strstr(text, absent) != NULL || strstr(text, "nil value (field '") != NULL;
        status =
            rlt_fail(err, RLT_ESCRIPT, "%.380s%s", text,
                     hint ? " (scripts have no io, os, load, require, coroutine, pcall, string "
                            "patterns, math.random)"
                          : "");
    }
    for (char *at = err != NULL ? err->message : (char[]){0}; *at != 0; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at; /* no terminal escapes */
    }
    lua_pop(sandbox->L, 1);
    return status;
}

static void begin(rlt_sandbox *sandbox, uint64_t work_max) {
    sandbox->work = 0;
    sandbox->work_max = work_max;
    sandbox->cpu_start_s = 0;
    sandbox->stopped = RLT_STOPPED_NOT;
    sandbox->stopped_line = 0;
    sandbox->active = true;
}

rlt_status rlt_sandbox_call(rlt_sandbox *sandbox, int args, int results, uint64_t work_max,
                            rlt_err *err) {
    begin(sandbox, work_max);
    int code = lua_pcall(sandbox->L, args, results, 1);
    sandbox->active = false;
    return code == LUA_OK ? RLT_OK : report(sandbox, code, err);
}

/* What the parser says of nesting alone ("C stack overflow") names no place. */
static void add_chunk_name(rlt_sandbox *sandbox) {
    lua_State *L = sandbox->L;
    const char *text = lua_tostring(L, -1);
    size_t size = strlen(sandbox->name);
    if (strncmp(text, sandbox->name, size) != 0 && strncmp(text, "...", 3) != 0) {
        lua_pushfstring(L, "%s:1: %s; the script nests too deeply", sandbox->name, text);
        lua_remove(L, -2);
    }
}

rlt_status rlt_sandbox_load(rlt_sandbox *sandbox, const char *text, size_t size, rlt_err *err) {
    if (size > 0 && text[0] == LUA_SIGNATURE[0]) {
        return rlt_fail(err, RLT_ESCRIPT,
                        "%s:1: this is precompiled Lua; only the text of a script is accepted",
                        sandbox->name);
    }
    lua_pushfstring(sandbox->L, "@%s", sandbox->name);
    begin(sandbox, UINT64_MAX);
    int code = luaL_loadbufferx(sandbox->L, text, size, lua_tostring(sandbox->L, -1), "t");
    sandbox->active = false;
    lua_remove(sandbox->L, -2);
    if (code == LUA_ERRSYNTAX || code == LUA_ERRRUN) {
        add_chunk_name(sandbox);
    }
    return code == LUA_OK ? RLT_OK : report(sandbox, code, err);
}

rlt_status rlt_sandbox_init(rlt_sandbox *sandbox, const char *name,
                            const rlt_script_options *options, rlt_err *err) {
    *sandbox = (rlt_sandbox){.name = name, .print = options->print};
    sandbox->print_user = options->print_user;
    sandbox->memory_max = options->memory_max > 0 ? options->memory_max : memory_default;
    lua_State *L = lua_newstate(allocate, sandbox);
    if (L == NULL) {
        return rlt_fail(err, RLT_ENOMEM, "%s: no memory for a script", name);
    }
    sandbox->L = L;
    *(rlt_sandbox **)lua_getextraspace(L) = sandbox;
    lua_pushcfunction(L, on_error);
    rlt_library_open(L);
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    return RLT_OK;
}

void rlt_sandbox_fini(rlt_sandbox *sandbox) {
    if (sandbox->L != NULL) {
        lua_State *L = sandbox->L;
        sandbox->L = NULL; /* objects are gone while it closes */
        lua_close(L);
    }
}

/* doctor: what this machine has and what is missing. Library versions are those of the loaded
 * libraries, asked by symbol: their headers belong to the modules that use them.
 * Thread: main only. */
#include "cli/machine.h"
#include "cli/report.h"
#include "envs/envs.h"
#include "measure/measure.h"
#include "nn/device.h"
#include "scheduler/scheduler.h"
#include "transport/transport.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zmq.h>

static const double gib = 1 << 30;

typedef struct facts {
    char cpu[128], env_form[16], curve[160], folder[512];
    int cores_online, cores_allowed;
    double cores_quota;                                 /* of the cgroup; 0: none */
    double memory_gib, available_gib, memory_limit_gib; /* limit 0: none */
    bool has_curve, db_exists, db_writable;
    double db_free_gib;
    const char *db;
    rlt_cuda cuda;
    int gpus; /* that the CUDA module can use */
    rlt_device_info gpu[RLT_CUDA_SHOWN_MAX];
    rlt_err gpu_problem; /* when there are none */
} facts;

/* ---- libraries ---- */

static json_t *text_of(const char *symbol) {
    const char *(*ask)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, symbol);
    return ask != NULL ? json_string(ask()) : json_null();
}

static json_t *png_version(void) {
    const char *(*ask)(const void *) =
        (const char *(*)(const void *))dlsym(RTLD_DEFAULT, "png_get_libpng_ver");
    return ask != NULL ? json_string(ask(NULL)) : json_null();
}

/* "$LuaVersion: Lua 5.4.4  Copyright ..." is in the library. */
static json_t *lua_version_text(void) {
    const char *ident = dlsym(RTLD_DEFAULT, "lua_ident");
    const char *number = ident != NULL ? strstr(ident, "Lua 5") : NULL;
    return number != NULL ? json_sprintf("%.*s", (int)strcspn(number + 4, " "), number + 4)
                          : json_null();
}

static json_t *libraries(void) {
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "zeromq",
                     json_sprintf("%d.%d.%d", major, minor, patch), "msgpack",
                     text_of("msgpack_version"), "lua", lua_version_text(), "sqlite",
                     text_of("sqlite3_libversion"), "sodium", text_of("sodium_version_string"),
                     "jansson", text_of("jansson_version_str"), "png", png_version());
}

/* ---- the machine ---- */

/* The first number of a file, e.g. of a cgroup; 0 when there is none ("max"). */
static double first_number(const char *path, double *second) {
    char text[128] = "", *end = text;
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        size_t got = fread(text, 1, sizeof(text) - 1, file);
        text[got] = '\0';
        fclose(file);
    }
    double number = strtod(text, &end);
    if (second != NULL) {
        *second = end != text ? strtod(end, NULL) : 0;
    }
    return end != text ? number : 0;
}

static double meminfo_gib(const char *name) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    double kib = 0;
    size_t size = strlen(name);
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, size) == 0 && line[size] == ':') {
            kib = strtod(line + size + 1, NULL);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib * 1024 / gib;
}

static void look_at_database(facts *f) {
    const char *path = getenv("RLTUNE_DB"), *slash;
    struct statvfs disk;
    f->db = path != NULL && path[0] != '\0' ? path : "rltune.db";
    slash = strrchr(f->db, '/');
    snprintf(f->folder, sizeof(f->folder), "%.*s", slash != NULL ? (int)(slash - f->db) + 1 : 1,
             slash != NULL ? f->db : ".");
    f->db_exists = access(f->db, F_OK) == 0;
    f->db_writable = access(f->folder, W_OK) == 0 && (!f->db_exists || access(f->db, W_OK) == 0);
    f->db_free_gib =
        statvfs(f->folder, &disk) == 0 ? (double)disk.f_bavail * (double)disk.f_frsize / gib : 0;
}

/* The driver's own library lists what is there; the module, what can be trained on. */
static void look_at_gpus(facts *f) {
    f->cuda = rlt_cuda_look();
    const rlt_backend *module = rlt_backend_cuda(&f->gpu_problem);
    f->gpus = module != NULL ? module->count(&f->gpu_problem) : 0;
    for (int i = 0; i < f->gpus && i < RLT_CUDA_SHOWN_MAX; i++) {
        rlt_err err = {0};
        if (module->info(i, &f->gpu[i], &err) != RLT_OK) {
            snprintf(f->gpu[i].detail, sizeof(f->gpu[i].detail), "%.255s", err.message);
        }
    }
}

static void look(facts *f) {
    rlt_keys keys;
    rlt_err err = {0};
    rlt_env_form form = RLT_ENV_FORM_SCALAR;
    double period;
    rlt_cpu_name(f->cpu, sizeof(f->cpu));
    f->cores_online = (int)sysconf(_SC_NPROCESSORS_ONLN);
    f->cores_allowed = rlt_scheduler_cores();
    f->cores_quota = first_number("/sys/fs/cgroup/cpu.max", &period);
    f->cores_quota = period > 0 ? f->cores_quota / period : 0;
    f->memory_gib = meminfo_gib("MemTotal");
    f->available_gib = meminfo_gib("MemAvailable");
    f->memory_limit_gib = first_number("/sys/fs/cgroup/memory.max", NULL) / gib;
    f->has_curve = rlt_keys_generate(&keys, &err) == RLT_OK;
    if (!f->has_curve) {
        snprintf(f->curve, sizeof(f->curve), "%.150s", err.message);
    }
    rlt_keys_wipe(&keys);
    if (rlt_env_best_form(rlt_envs[0], &form, &err) == RLT_OK) {
        snprintf(f->env_form, sizeof(f->env_form), "%s", rlt_env_form_name(form));
    }
    look_at_database(f);
    look_at_gpus(f);
}

/* ---- output ---- */

static json_t *gpus_json(const facts *f) {
    json_t *all = json_array();
    for (int i = 0; i < f->gpus && i < RLT_CUDA_SHOWN_MAX; i++) {
        const rlt_device_info *gpu = &f->gpu[i];
        json_array_append_new(all,
                              json_pack("{s:o, s:s, s:s, s:f, s:f}", "device",
                                        json_sprintf("cuda:%d", i), "name", gpu->name, "detail",
                                        gpu->detail, "memory_gib", (double)gpu->memory_bytes / gib,
                                        "free_gib", (double)gpu->free_bytes / gib));
    }
    return all;
}

static rlt_status print_json(const facts *f, rlt_err *err) {
    json_t *names = json_array();
    for (int i = 0; i < f->cuda.devices && i < RLT_CUDA_SHOWN_MAX; i++) {
        json_array_append_new(names, json_string(f->cuda.names[i]));
    }
    json_t *json = json_pack(
        "{s:s, s:i, s:i, s:f, s:s, s:s, s:s, s:f, s:f, s:f, s:b, s:o, s:s, s:b, s:f, s:i, s:i, "
        "s:o, s:o, s:s}",
        "cpu", f->cpu, "cores", f->cores_online, "cores_allowed", f->cores_allowed, "cores_quota",
        f->cores_quota, "vector", rlt_vector_unit(), "env_form", f->env_form, "nn_form",
        rlt_nn_form_name(), "memory_gib", f->memory_gib, "available_gib", f->available_gib,
        "memory_limit_gib", f->memory_limit_gib, "curve", (int)f->has_curve, "libraries",
        libraries(), "database", f->db, "database_writable", (int)f->db_writable,
        "database_free_gib", f->db_free_gib, "cuda_devices", f->cuda.devices, "cuda_driver",
        f->cuda.driver, "cuda_names", names, "gpus", gpus_json(f), "gpu_problem",
        f->gpus > 0 ? "" : f->gpu_problem.message);
    return rlt_report_print_json(json, err);
}

static void print_cpu(const facts *f) {
    printf("cpu        %s, %d cores, vector unit %s\n", f->cpu, f->cores_online, rlt_vector_unit());
    printf("           %d core%s allowed to this process", f->cores_allowed,
           f->cores_allowed == 1 ? "" : "s");
    if (f->cores_quota > 0) {
        printf(", at most %.2g of them by its cgroup's quota", f->cores_quota);
    }
    printf("\n           forms in use: environments %s, network %s\n", f->env_form,
           rlt_nn_form_name());
    printf("memory     %.1f GiB, %.1f available", f->memory_gib, f->available_gib);
    if (f->memory_limit_gib > 0) {
        printf(", at most %.1f by its cgroup", f->memory_limit_gib);
    }
    printf("; shared memory by memfd: the size of /dev/shm does not matter\n");
}

static void print_libraries(void) {
    json_t *all = libraries(), *value;
    const char *name, *gap = "libraries ";
    json_object_foreach(all, name, value) {
        printf("%s %s %s", gap, name,
               json_is_string(value) ? json_string_value(value) : "(version not known)");
        gap = ",";
    }
    printf("\n");
    json_decref(all);
}

static void print_cuda(const facts *f) {
    const rlt_cuda *cuda = &f->cuda;
    printf("cuda       ");
    if (cuda->driver > 0) {
        printf("driver %d.%d, ", cuda->driver / 1000, cuda->driver % 1000 / 10);
    }
    if (cuda->devices == 0) {
        printf("%s", cuda->problem);
    }
    for (int i = 0; i < cuda->devices && i < RLT_CUDA_SHOWN_MAX; i++) {
        printf("%s%d: %s", i > 0 ? ", " : "", i, cuda->names[i]);
    }
    printf("\n");
    for (int i = 0; i < f->gpus && i < RLT_CUDA_SHOWN_MAX; i++) {
        const rlt_device_info *gpu = &f->gpu[i];
        printf("           cuda:%d %s, %.1f GiB, %.1f free; %s\n", i, gpu->name,
               (double)gpu->memory_bytes / gib, (double)gpu->free_bytes / gib, gpu->detail);
    }
    if (f->gpus == 0) {
        printf("           no GPU to train on: %s;\n           device = \"auto\" takes the CPU\n",
               f->gpu_problem.message);
    }
}

rlt_status rlt_cli_doctor(int argc, char **argv, rlt_err *err) {
    bool json = false;
    static facts f;
    RLT_TRY(rlt_cli_only_json("doctor", argc, argv, &json, err));
    look(&f);
    if (json) {
        return print_json(&f, err);
    }
    print_cpu(&f);
    print_libraries();
    printf("transport  %s\n",
           f.has_curve ? "messages between processes are encrypted (CURVE)" : f.curve);
    printf("database   %s: %s, %.1f GiB free in %s\n", f.db,
           !f.db_writable ? "cannot be written; name another with --db or RLTUNE_DB"
           : f.db_exists  ? "is there and can be written"
                          : "can be created",
           f.db_free_gib, f.folder);
    print_cuda(&f);
    return RLT_OK;
}

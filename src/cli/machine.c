/* version, and the facts about this binary and this machine that go into an experiment's row.
 * Thread: main only. */
#include "cli/machine.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

static rlt_status print_json(json_t *object, rlt_err *err) {
    int failed = json_dumpf(object, stdout, JSON_INDENT(2));
    json_decref(object);
    putchar('\n');
    return failed ? rlt_fail(err, RLT_EIO, "cannot write to standard output") : RLT_OK;
}

rlt_status rlt_cli_version(int argc, char **argv, rlt_err *err) {
    bool json = false;
    RLT_TRY(rlt_cli_only_json("version", argc, argv, &json, err));
    if (json) {
        return print_json(json_pack("{s:s, s:s, s:s}", "version", RLT_VERSION, "commit", RLT_COMMIT,
                                    "compiler", __VERSION__),
                          err);
    }
    printf("rltune %s (%s, compiler %s)\n", RLT_VERSION, RLT_COMMIT, __VERSION__);
    return RLT_OK;
}

void rlt_cpu_name(char *name, size_t size) {
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(name, size, "%s", colon + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

const char *rlt_vector_unit(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
        return "avx512";
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "none";
}

rlt_cuda rlt_cuda_look(void) {
    rlt_cuda cuda = {.problem = "no CUDA driver (libcuda.so.1 not found)"};
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver == NULL) {
        return cuda;
    }
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
    int (*version)(int *) = (int (*)(int *))dlsym(driver, "cuDriverGetVersion");
    int (*count)(int *) = (int (*)(int *))dlsym(driver, "cuDeviceGetCount");
    int (*name)(char *, int, int) = (int (*)(char *, int, int))dlsym(driver, "cuDeviceGetName");
    cuda.problem = "the CUDA driver is there but finds no device";
    if (version != NULL && version(&cuda.driver) != 0) {
        cuda.driver = 0;
    }
    if (init == NULL || count == NULL || init(0) != 0 || count(&cuda.devices) != 0) {
        cuda.devices = 0;
    }
    for (int i = 0; i < cuda.devices && i < RLT_CUDA_SHOWN_MAX; i++) {
        if (name == NULL || name(cuda.names[i], sizeof(cuda.names[i]), i) != 0) {
            snprintf(cuda.names[i], sizeof(cuda.names[i]), "unknown");
        }
    }
    dlclose(driver);
    return cuda;
}

/* GPUs without waking their driver up, which takes longer than a run may take to start. */
static int device_files(void) {
    char path[32];
    int count = 0;
    do {
        snprintf(path, sizeof(path), "/dev/nvidia%d", count);
    } while (access(path, F_OK) == 0 && ++count < 64);
    return count;
}

char *rlt_cli_facts(void) {
    char cpu[128];
    rlt_cpu_name(cpu, sizeof(cpu));
    struct utsname os;
    struct sysinfo info = {0};
    if (uname(&os) != 0) {
        os = (struct utsname){.sysname = "unknown"};
    }
    double memory_gib = sysinfo(&info) == 0 ? (double)info.totalram * info.mem_unit / (1 << 30) : 0;
    json_t *facts =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:f, s:s, s:s, s:s, s:i}", "version", RLT_VERSION,
                  "commit", RLT_COMMIT, "compiler", __VERSION__, "cpu", cpu, "cores",
                  (int)sysconf(_SC_NPROCESSORS_ONLN), "vector", rlt_vector_unit(), "memory_gib",
                  memory_gib, "os", os.sysname, "os_release", os.release, "host", os.nodename,
                  "cuda_devices", device_files());
    char *text = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    return text;
}

/* version and doctor: facts about this binary and this machine.
 * Thread: main only. Library versions are the loaded ones, not those of the headers. */
#include "cli/cli.h"

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

static void cpu_name(char *name, size_t size) {
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

static const char *vector_unit(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
        return "avx512";
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "none";
}

/* The number of CUDA devices by the driver's own library, which is loaded here only: 0 with the
 * reason in *why when there is no driver or no device. */
static int cuda_devices(const char **why) {
    int count = 0;
    *why = "no CUDA driver (libcuda.so.1 not found)";
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver == NULL) {
        return 0;
    }
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
    int (*get_count)(int *) = (int (*)(int *))dlsym(driver, "cuDeviceGetCount");
    *why = "the CUDA driver is there but finds no device";
    if (init == NULL || get_count == NULL || init(0) != 0 || get_count(&count) != 0) {
        count = 0;
    }
    dlclose(driver);
    return count;
}

char *rlt_cli_facts(void) {
    char cpu[128];
    cpu_name(cpu, sizeof(cpu));
    struct utsname os;
    struct sysinfo info = {0};
    if (uname(&os) != 0) {
        os = (struct utsname){.sysname = "unknown"};
    }
    double memory_gib = sysinfo(&info) == 0 ? (double)info.totalram * info.mem_unit / (1 << 30) : 0;
    const char *why = NULL;
    json_t *facts =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:f, s:s, s:s, s:s, s:i}", "version", RLT_VERSION,
                  "commit", RLT_COMMIT, "compiler", __VERSION__, "cpu", cpu, "cores",
                  (int)sysconf(_SC_NPROCESSORS_ONLN), "vector", vector_unit(), "memory_gib",
                  memory_gib, "os", os.sysname, "os_release", os.release, "host", os.nodename,
                  "cuda_devices", cuda_devices(&why));
    char *text = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    return text;
}

rlt_status rlt_cli_doctor(int argc, char **argv, rlt_err *err) {
    bool json = false;
    RLT_TRY(rlt_cli_only_json("doctor", argc, argv, &json, err));
    char cpu[128];
    cpu_name(cpu, sizeof(cpu));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct sysinfo info = {0};
    double memory_gib = sysinfo(&info) == 0 ? (double)info.totalram * info.mem_unit / (1 << 30) : 0;
    const char *why = NULL;
    int devices = cuda_devices(&why);
    if (json) {
        return print_json(json_pack("{s:s, s:i, s:s, s:f, s:s, s:i}", "cpu", cpu, "cores",
                                    (int)cores, "vector", vector_unit(), "memory_gib", memory_gib,
                                    "jansson", jansson_version_str(), "cuda_devices", devices),
                          err);
    }
    printf("cpu      %s, %ld cores, vector unit %s\n", cpu, cores, vector_unit());
    printf("memory   %.1f GiB\n", memory_gib);
    printf("jansson  %s\n", jansson_version_str());
    printf("cuda     %d device%s%s%s\n", devices, devices == 1 ? "" : "s", devices ? "" : ": ",
           devices ? "" : why);
    return RLT_OK;
}

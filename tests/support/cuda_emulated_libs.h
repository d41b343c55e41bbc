/* The switches of the emulation that the parity suite, in C, sets; see cuda_emulated_libs.cpp. */
#ifndef RLT_CUDA_EMULATED_LIBS_H
#define RLT_CUDA_EMULATED_LIBS_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/* The order of a block's threads; see cuda_emulation.h. */
void emulation_set_order(uint64_t seed);
extern bool emulation_conv; /* true: the emulated library has convolutions */
#ifdef __cplusplus
}
#endif
#endif

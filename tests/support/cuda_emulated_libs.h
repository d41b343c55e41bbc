/* The switch of the emulated libraries; see cuda_emulated_libs.cpp. */
#ifndef RLT_CUDA_EMULATED_LIBS_H
#define RLT_CUDA_EMULATED_LIBS_H
#ifdef __cplusplus
extern "C" {
#endif
extern bool emulation_conv; /* true: the emulated library has convolutions */
#ifdef __cplusplus
}
#endif
#endif

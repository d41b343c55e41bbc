/* Found before CUDA's own when the .cu files are compiled for the emulation. */
#include "tests/support/cuda_emulation.h"

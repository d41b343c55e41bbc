# The CUDA backend's files, for the module and for the emulated build: a line each.
set(RLT_CUDA_SOURCES device.cu memory.cu graph.cu act_bias.cu dense.cu conv.cu elementwise.cu
    norm.cu advantage.cu batch.cu step.cu loss_policy.cu loss_value.cu loss_sac.cu sample.cu lstm.cu
    gru.cu attention.cu attention_back.cu gate.cu)
# What stands on cuBLASLt, cuDNN and NCCL: the module alone (the emulated build has plain loops).
set(RLT_CUDA_LIBRARY_SOURCES libs.cu libs_gemm.cu libs_conv.cu libs_nccl.cu)

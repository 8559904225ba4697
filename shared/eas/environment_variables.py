"""Environment variables that a worker sets for its tasks and their programs."""

#: Variables by which numerical libraries learn how many threads they may use. They read them when they are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

#: The graphics processors that CUDA shows to a program, by commas.
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"

#: The folder of a worker's attempts. By this its successor knows what they have left behind.
MARK_VARIABLE = "EAS_ATTEMPTS_IN"

// Version, instruction set and ABI namespace.
#pragma once

/// Version of the library, semantic versioning.
#define MINIVIT_VERSION "0.1.0"

// The instruction set is fixed when a file is compiled. Everything lives in an inline namespace named after
// it (and after the use of OpenMP), so that two files compiled for different machines cannot silently share
// one inline function: the linker sees two names.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define MINIVIT_ISA avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define MINIVIT_ISA avx2
#elif defined(__ARM_NEON)
#define MINIVIT_ISA neon
#else
#define MINIVIT_ISA baseline
#endif

#if defined(_OPENMP)
#define MINIVIT_THREADING omp
#else
#define MINIVIT_THREADING serial
#endif

#define MINIVIT_JOIN_(a, b, c) a##_##b##_##c
#define MINIVIT_JOIN(a, b, c) MINIVIT_JOIN_(a, b, c)
#define MINIVIT_STRING_(x) #x
#define MINIVIT_STRING(x) MINIVIT_STRING_(x)

/// The inline namespace, for example `v0_avx2_omp`.
#define MINIVIT_ABI MINIVIT_JOIN(v0, MINIVIT_ISA, MINIVIT_THREADING)

namespace minivit::inline MINIVIT_ABI {

/// The version, "major.minor.patch".
inline constexpr const char* kVersion = MINIVIT_VERSION;

/// The instruction set that this file was compiled for: "avx512", "avx2", "neon" or "baseline".
inline constexpr const char* kInstructionSet = MINIVIT_STRING(MINIVIT_ISA);

}  // namespace minivit::inline MINIVIT_ABI

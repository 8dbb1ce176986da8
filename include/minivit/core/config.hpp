// Version, supported platforms, instruction set, ABI namespace, separate compilation.
#pragma once

/// Version of the library, semantic versioning.
#define MINIVIT_VERSION "0.2.0"

#if __cplusplus < 202002L
#error "minivit needs C++20: compile with -std=c++20 (CMake: target_compile_features(app PRIVATE cxx_std_20))"
#endif
#if !(defined(__GNUC__) && defined(__linux__) && __SIZEOF_POINTER__ == 8 && \
      __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#error "minivit supports Linux on little-endian 64-bit machines, with g++ 12 or clang 14, or newer"
#endif
#if (defined(__clang__) && __clang_major__ < 14) || (!defined(__clang__) && __GNUC__ < 12)
#error "minivit needs g++ 12 or clang 14, or newer"
#endif
#if defined(__FAST_MATH__)
#error "minivit gives wrong results under -ffast-math and -Ofast: compile with -O2 or -O3"
#endif

// The instruction set is fixed when a file is compiled. One macro decides everything that depends on it: the
// lanes of a vector (of floats, of words), the tiles of a product, and the name of the ABI namespace below.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__FMA__)
#define MINIVIT_ISA avx512
#define MINIVIT_LANES 16
#define MINIVIT_WORD_LANES 8
#elif defined(__AVX2__) && defined(__FMA__)
#define MINIVIT_ISA avx2
#define MINIVIT_LANES 8
#define MINIVIT_WORD_LANES 8
#elif defined(__AVX__)
#define MINIVIT_ISA avx
#define MINIVIT_LANES 8
#define MINIVIT_WORD_LANES 4
#elif defined(__ARM_NEON)
#define MINIVIT_ISA neon
#define MINIVIT_LANES 4
#define MINIVIT_WORD_LANES 4
#else
#define MINIVIT_ISA baseline
#define MINIVIT_LANES 4
#define MINIVIT_WORD_LANES 4
#endif

// With MINIVIT_WITH_OPENMP loops run in a team of OpenMP, for programs that have one, in place of the
// library's own threads.
#if defined(MINIVIT_WITH_OPENMP)
#define MINIVIT_THREADING omp
#else
#define MINIVIT_THREADING threads
#endif

// The optional image libraries, which CMake finds: MINIVIT_WITH_LIBJPEG, MINIVIT_WITH_LIBPNG (stb_image where
// one of these is missing), MINIVIT_WITH_LIBWEBP, MINIVIT_WITH_GIFLIB, MINIVIT_WITH_LIBTIFF,
// MINIVIT_WITH_LIBAVIF, MINIVIT_WITH_LIBHEIF.
#if defined(MINIVIT_WITH_LIBJPEG) && defined(MINIVIT_WITH_LIBPNG)
#define MINIVIT_CODECS_FIRST jpeg_png
#elif defined(MINIVIT_WITH_LIBJPEG)
#define MINIVIT_CODECS_FIRST jpeg_stb
#elif defined(MINIVIT_WITH_LIBPNG)
#define MINIVIT_CODECS_FIRST stb_png
#else
#define MINIVIT_CODECS_FIRST stb
#endif
#if defined(MINIVIT_WITH_LIBWEBP)
#define MINIVIT_CODEC_WEBP _webp
#else
#define MINIVIT_CODEC_WEBP
#endif
#if defined(MINIVIT_WITH_GIFLIB)
#define MINIVIT_CODEC_GIF _gif
#else
#define MINIVIT_CODEC_GIF
#endif
#if defined(MINIVIT_WITH_LIBTIFF)
#define MINIVIT_CODEC_TIFF _tiff
#else
#define MINIVIT_CODEC_TIFF
#endif
#if defined(MINIVIT_WITH_LIBAVIF)
#define MINIVIT_CODEC_AVIF _avif
#else
#define MINIVIT_CODEC_AVIF
#endif
#if defined(MINIVIT_WITH_LIBHEIF)
#define MINIVIT_CODEC_HEIF _heif
#else
#define MINIVIT_CODEC_HEIF
#endif
#define MINIVIT_JOIN6_(a, b, c, d, e, f) a##b##c##d##e##f
#define MINIVIT_JOIN6(a, b, c, d, e, f) MINIVIT_JOIN6_(a, b, c, d, e, f)
#define MINIVIT_CODECS                                                                           \
  MINIVIT_JOIN6(MINIVIT_CODECS_FIRST, MINIVIT_CODEC_WEBP, MINIVIT_CODEC_GIF, MINIVIT_CODEC_TIFF, \
                MINIVIT_CODEC_AVIF, MINIVIT_CODEC_HEIF)

// Under AddressSanitizer freed blocks are not kept by the pool, so that it sees every use after the end.
#if !defined(MINIVIT_POOL_KEEPS)
#if defined(__SANITIZE_ADDRESS__)
#define MINIVIT_POOL_KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MINIVIT_POOL_KEEPS 0
#endif
#endif
#endif
#if !defined(MINIVIT_POOL_KEEPS)
#define MINIVIT_POOL_KEEPS 1
#endif
#if MINIVIT_POOL_KEEPS
#define MINIVIT_POOL pool
#else
#define MINIVIT_POOL malloc
#endif

#define MINIVIT_JOIN_(a, b, c, d, e) a##_##b##_##c##_##d##_##e
#define MINIVIT_JOIN(a, b, c, d, e) MINIVIT_JOIN_(a, b, c, d, e)
#define MINIVIT_STRING_(x) #x
#define MINIVIT_STRING(x) MINIVIT_STRING_(x)

/// The inline namespace, for example `v0_avx2_threads_jpeg_png_pool`. It names everything that decides what a
/// function does or how a type is laid out, so that two files compiled in different ways cannot silently
/// share one inline function: the linker sees two names.
#define MINIVIT_ABI MINIVIT_JOIN(v0, MINIVIT_ISA, MINIVIT_THREADING, MINIVIT_CODECS, MINIVIT_POOL)

// Header-only is the default. With MINIVIT_SEPARATE_COMPILATION the headers only declare what is no template,
// and one source file of the program, which includes minivit/source.hpp, holds the definitions. CMake's
// target minivit::compiled does both.
#if !defined(MINIVIT_SEPARATE_COMPILATION)
#define MINIVIT_DEFINITIONS 1
#define MINIVIT_INLINE inline
#elif defined(MINIVIT_SOURCE)
#define MINIVIT_DEFINITIONS 1
#define MINIVIT_INLINE
#else
#define MINIVIT_DEFINITIONS 0
#endif

namespace minivit::inline MINIVIT_ABI {

/// The version, "major.minor.patch".
inline constexpr const char* kVersion = MINIVIT_VERSION;

/// The instruction set that this file was compiled for: "avx512", "avx2", "avx", "neon" or "baseline".
inline constexpr const char* kInstructionSet = MINIVIT_STRING(MINIVIT_ISA);

}  // namespace minivit::inline MINIVIT_ABI

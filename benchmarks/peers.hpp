// The libraries that gemm is compared with. Eigen is compiled in; the others are shared objects that CMake
// has found (MINIVIT_OPENBLAS, MINIVIT_BLIS, MINIVIT_ONEDNN: their paths) and that are loaded while the
// program runs, each for itself: OpenBLAS and BLIS define the same names. No headers of theirs are needed.
//
// Each takes the kernels that it thinks best for the machine, unless OPENBLAS_CORETYPE, BLIS_ARCH_TYPE or
// ONEDNN_MAX_CPU_ISA says otherwise; the program prints what that is. An OpenBLAS from before a processor was
// built may choose badly, then OPENBLAS_CORETYPE=SkylakeX or Haswell is the fair setting.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "minivit/kernels/gemm.hpp"
#include "minivit/tensor/eigen.hpp"

namespace bench {

/// c (m, n) = a (m, k) · b (k, n), c row-major without gaps.
struct Product {
  std::int64_t m, n, k;
  minivit::kernels::MatrixView a, b;
  float* c;
};

/// Something that multiplies.
struct Contender {
  std::string name, about;
  std::function<void(const Product&)> multiply;
};

/// How BLAS sees a view: transposed or not, and the distance between rows as they lie in memory.
struct BlasView {
  bool transposed;
  std::int64_t stride;
  explicit BlasView(const minivit::kernels::MatrixView& v)
      : transposed(v.column_stride != 1), stride(transposed ? v.column_stride : v.row_stride) {}
};

inline Contender eigen() {
  const auto multiply = [](const Product& p) {
    using Map = Eigen::Map<const minivit::RowMajorMatrix, 0, Eigen::OuterStride<>>;
    const BlasView a(p.a), b(p.b);
    const Map A(p.a.data, a.transposed ? p.k : p.m, a.transposed ? p.m : p.k, Eigen::OuterStride<>(a.stride));
    const Map B(p.b.data, b.transposed ? p.n : p.k, b.transposed ? p.k : p.n, Eigen::OuterStride<>(b.stride));
    minivit::MatrixMap C(p.c, p.m, p.n);
    if (!a.transposed && !b.transposed) C.noalias() = A * B;
    if (!a.transposed && b.transposed) C.noalias() = A * B.transpose();
    if (a.transposed && !b.transposed) C.noalias() = A.transpose() * B;
    if (a.transposed && b.transposed) C.noalias() = A.transpose() * B.transpose();
  };
  char version[32];
  std::snprintf(version, sizeof version, "%d.%d.%d", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                EIGEN_MINOR_VERSION);
  return {"eigen", std::string(version) + " " + Eigen::SimdInstructionSetsInUse(), multiply};
}

/// A shared object; stays loaded.
class Library {
 public:
  explicit Library(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (!handle_) std::fprintf(stderr, "left out: %s\n", dlerror());
  }
  explicit operator bool() const { return handle_ != nullptr; }

  /// The function `name`, or null.
  template <class Signature>
  Signature* function(const char* name) const {
    return reinterpret_cast<Signature*>(dlsym(handle_, name));
  }

 private:
  void* handle_;
};

/// Each of these appends the library to `found` if it is there and has what is needed.
inline void find_openblas([[maybe_unused]] std::vector<Contender>& found, [[maybe_unused]] int threads) {
#if defined(MINIVIT_OPENBLAS)
  // Its threads spin for 2^26 cycles in wait of work, which is the time of whoever comes next; 2^22 is still
  // longer than the pause between two calls of one turn.
  setenv("OPENBLAS_THREAD_TIMEOUT", "22", 0);
  const Library library(MINIVIT_OPENBLAS);
  if (!library) return;
  const auto set_threads = library.function<void(int)>("openblas_set_num_threads");
  const auto core = library.function<char*()>("openblas_get_corename");
  const auto sgemm = library.function<void(int, int, int, int, int, int, float, const float*, int,
                                           const float*, int, float, float*, int)>("cblas_sgemm");
  if (!set_threads || !core || !sgemm) return;
  set_threads(threads);
  found.push_back({"openblas", core(), [=](const Product& p) {
                     constexpr int kRowMajor = 101, kAsIs = 111, kTransposed = 112;
                     const BlasView a(p.a), b(p.b);
                     sgemm(kRowMajor, a.transposed ? kTransposed : kAsIs, b.transposed ? kTransposed : kAsIs,
                           static_cast<int>(p.m), static_cast<int>(p.n), static_cast<int>(p.k), 1.0f,
                           p.a.data, static_cast<int>(a.stride), p.b.data, static_cast<int>(b.stride), 0.0f,
                           p.c, static_cast<int>(p.n));
                   }});
#endif
}

inline void find_blis([[maybe_unused]] std::vector<Contender>& found, [[maybe_unused]] int threads) {
#if defined(MINIVIT_BLIS)
  const Library library(MINIVIT_BLIS);
  if (!library) return;
  using Int = std::int64_t;
  const auto initialize = library.function<void()>("bli_init");
  const auto set_threads = library.function<void(Int)>("bli_thread_set_num_threads");
  const auto arch = library.function<int()>("bli_arch_query_id");
  const auto arch_name = library.function<const char*(int)>("bli_arch_string");
  const auto int_bits = library.function<Int()>("bli_info_get_int_type_size");
  const auto sgemm =
      library.function<void(int, int, Int, Int, Int, const float*, const float*, Int, Int, const float*, Int,
                            Int, const float*, float*, Int, Int)>("bli_sgemm");
  if (!initialize || !set_threads || !arch || !arch_name || !int_bits || !sgemm) return;
  initialize();
  if (int_bits() != 64) return;
  set_threads(threads);
  found.push_back({"blis", arch_name(arch()), [=](const Product& p) {
                     constexpr int kAsIs = 0;
                     const float one = 1.0f, zero = 0.0f;
                     sgemm(kAsIs, kAsIs, p.m, p.n, p.k, &one, p.a.data, p.a.row_stride, p.a.column_stride,
                           p.b.data, p.b.row_stride, p.b.column_stride, &zero, p.c, p.n, 1);
                   }});
#endif
}

inline void find_onednn([[maybe_unused]] std::vector<Contender>& found, [[maybe_unused]] int threads) {
#if defined(MINIVIT_ONEDNN)
  const Library library(MINIVIT_ONEDNN);
  if (!library) return;
  using Int = std::int64_t;
  // dlsym looks through what the library itself links: this is the OpenMP that it uses, ours or not. A build
  // of oneDNN for TBB has none and could not be told the number of threads.
  const auto set_threads = library.function<void(int)>("omp_set_num_threads");
  const auto isa = library.function<int()>("dnnl_get_effective_cpu_isa");
  const auto sgemm = library.function<int(char, char, Int, Int, Int, float, const float*, Int, const float*,
                                          Int, float, float*, Int)>("dnnl_sgemm");
  if (!set_threads || !isa || !sgemm) return;
  set_threads(threads);
  char about[32];
  std::snprintf(about, sizeof about, "%s (ISA 0x%x)",
                isa() & 0x20 ? "AVX-512"
                : isa() & 4  ? "AVX2"
                             : "SSE",
                static_cast<unsigned>(isa()));
  found.push_back({"onednn", about, [=](const Product& p) {
                     const BlasView a(p.a), b(p.b);
                     sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', p.m, p.n, p.k, 1.0f, p.a.data,
                           a.stride, p.b.data, b.stride, 0.0f, p.c, p.n);
                   }});
#endif
}

/// All that are there, told to use `threads` threads.
inline std::vector<Contender> peers(int threads) {
  std::vector<Contender> found{eigen()};
  find_openblas(found, threads);
  find_blis(found, threads);
  find_onednn(found, threads);
  return found;
}

}  // namespace bench

// A whole training step asks the system for nothing once it has been done twice, and gives everything back.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "minivit/core/parallel.hpp"
#include "minivit/model/vit.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/train/optimizer.hpp"
#include "support/one_thread.hpp"

#if MINIVIT_POOL_KEEPS && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define MINIVIT_TEST_COUNTS_ALLOCATIONS 1

namespace {
std::atomic<bool> counting = false;
std::atomic<int> allocations = 0;

}  // namespace

// In the place of the C library's. The pool takes its blocks from here, and so does operator new, which
// autograd/memory_test.cpp replaces for the whole program; the last test below makes sure of both.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  if (counting) ++allocations;
  void* block = nullptr;
  return ::posix_memalign(&block, std::max(alignment, sizeof(void*)), size) == 0 ? block : nullptr;
}
#endif

using namespace minivit;

namespace {

/// A small ViT with everything that draws or concatenates, and all that a step of its training needs.
struct Run {
  VisionTransformer model{{.image_height = 16,
                           .image_width = 16,
                           .patch_size = 4,
                           .num_classes = 5,
                           .embedding_dim = 24,
                           .num_layers = 3,
                           .num_heads = 3,
                           .input_dropout = 0.1f,
                           .attention_dropout = 0.1f,
                           .dropout = 0.1f,
                           .drop_path = 0.2f,
                           .register_tokens = 2,
                           .layer_scale = 0.1f}};
  ParameterArena parameters = flatten(model);
  AdamW optimizer{parameters, {}};
  Tensor images = Tensor::full({6, 3, 16, 16}, 0.5f);
  std::vector<int> labels{0, 1, 2, 3, 4, 0};

  void step() {
    const Training training;
    const Var loss = cross_entropy(model(images), labels, {.label_smoothing = 0.1f});
    backward(loss);
    clip_grad_norm(parameters, 0.5);
    optimizer.step(1e-3f);
    parameters.zero_grad();
  }
};

}  // namespace

TEST_CASE("the third step asks the system for nothing") {
  const OneThread one_thread;
  Run run;
  for (int i = 0; i < 2; ++i) run.step();
  [[maybe_unused]] const std::size_t before = Pool::instance().stats().system_allocations;
#if defined(MINIVIT_TEST_COUNTS_ALLOCATIONS)
  allocations = 0;
  counting = true;
  run.step();
  counting = false;
  CHECK(allocations == 0);
#else
  run.step();
#endif
  if (MINIVIT_POOL_KEEPS) CHECK(Pool::instance().stats().system_allocations == before);
}

TEST_CASE("after a step only what stays is in use, after the model nothing") {
  const OneThread one_thread;
  const auto in_use = [] { return Pool::instance().stats().in_use; };
  { Run().step(); }  // scratch memory and the tape's own are kept by the thread
  const std::size_t before = in_use();
  {
    Run run;
    const std::size_t ready = in_use();
    for (int i = 0; i < 3; ++i) {
      run.step();
      CHECK(in_use() == ready);
    }
  }
  CHECK(in_use() == before);
}

#if defined(MINIVIT_TEST_COUNTS_ALLOCATIONS)
TEST_CASE("both kinds of allocation are counted") {
  Pool::instance().release();
  allocations = 0;
  counting = true;
  const Tensor fresh = Tensor::empty({12345});
  counting = false;
  CHECK(fresh.defined());
  CHECK(allocations >= 1);
  allocations = 0;
  counting = true;
  const std::vector<int> many(100);
  asm volatile("" : : "r"(many.data()) : "memory");  // clang leaves out what nobody looks at
  counting = false;
  CHECK(many.size() == 100);
  CHECK(allocations == 1);
}
#endif

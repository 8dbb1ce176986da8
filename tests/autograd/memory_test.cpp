// Memory of a training step: what it holds, and what it asks of the system.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "minivit/autograd/tape.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/ops/arithmetic.hpp"
#include "minivit/ops/attention.hpp"
#include "minivit/ops/dropout.hpp"
#include "minivit/ops/gelu.hpp"
#include "minivit/ops/layer_norm.hpp"
#include "minivit/ops/linear.hpp"
#include "minivit/ops/losses.hpp"
#include "minivit/ops/patchify.hpp"
#include "minivit/ops/rearrange.hpp"
#include "minivit/ops/reductions.hpp"
#include "support/one_thread.hpp"

#if MINIVIT_POOL_KEEPS && !defined(__SANITIZE_THREAD__)
#define MINIVIT_TEST_COUNTS_NEW 1
#endif

#if defined(MINIVIT_TEST_COUNTS_NEW)

namespace {
std::atomic<bool> counting = false;
std::atomic<int> allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  if (counting) ++allocations;
  size = (size + alignment - 1) / alignment * alignment;
  if (void* p = std::aligned_alloc(alignment, size ? size : alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace

// For the whole program; the other forms of new and delete come down to these.
void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#endif

using namespace minivit;

namespace {

/// A small ViT of separate parameters, one block.
class Net {
 public:
  Net() {
    for (const Shape& shape :
         {Shape{kC, 12}, Shape{kC}, Shape{1, 1, kC}, Shape{kC}, Shape{kC}, Shape{3 * kC, kC}, Shape{3 * kC},
          Shape{kC, kC}, Shape{kC}, Shape{3, kC}, Shape{3}}) {
      values_.push_back(Tensor::full(shape, 0.1f));
      gradients_.push_back(Tensor::zeros(shape));
    }
  }

  Var forward(const Tensor& images, bool with_token) const {
    Var x = linear(patchify(images, 2), p(0), p(1));
    if (with_token) x = minivit::concat({add(Tensor::zeros({images.size(0), 1, kC}), p(2)), x}, 1);
    x = x +
        dropout(linear(attention(linear(layer_norm(x, p(3), p(4)), p(5), p(6)), 2, 0.1f), p(7), p(8)), 0.1f);
    return linear(mean(gelu(drop_path(x, 0.1f)), {1}), p(9), p(10));
  }

  void step(const Tensor& images, bool with_token) const {
    static constexpr int kLabels[] = {0, 2};
    const Training scope;
    backward(cross_entropy(forward(images, with_token), kLabels));
  }

 private:
  static constexpr std::int64_t kC = 8;
  Var p(std::size_t i) const { return Var::leaf(values_[i], gradients_[i]); }
  std::vector<Tensor> values_, gradients_;
};

std::size_t in_use() { return Pool::instance().stats().in_use; }

}  // namespace

TEST_CASE("after backward no activation is held") {
  const OneThread one_thread;
  const Net net;
  const Tensor images = Tensor::full({2, 3, 8, 8}, 0.5f);
  net.step(images, true);
  const std::size_t before = in_use();
  net.step(images, true);
  CHECK(in_use() == before);
  {
    const Training scope;
    const Var y = net.forward(images, true);
    CHECK(in_use() > before);
  }
  CHECK(in_use() == before);
  {
    const NoGrad scope;
    const Var y = net.forward(images, true);
    CHECK(in_use() <= before + 1024);  // the logits alone
  }
  CHECK(in_use() == before);
}

TEST_CASE("the third of equal steps asks the system for nothing") {
  const OneThread one_thread;
  const Net net;
  const Tensor images = Tensor::full({2, 3, 8, 8}, 0.5f);
  for (const bool with_token : {false, true}) {
    CAPTURE(with_token);
    for (int i = 0; i < 2; ++i) net.step(images, with_token);
    [[maybe_unused]] const std::size_t before = Pool::instance().stats().system_allocations;
#if defined(MINIVIT_TEST_COUNTS_NEW)
    allocations = 0;
    counting = true;
    net.step(images, with_token);
    counting = false;
    CHECK(allocations == 0);
#else
    net.step(images, with_token);
#endif
    if (MINIVIT_POOL_KEEPS) CHECK(Pool::instance().stats().system_allocations == before);
  }
}

#if defined(MINIVIT_TEST_COUNTS_NEW)
TEST_CASE("the count of allocations counts") {
  allocations = 0;
  counting = true;
  const std::vector<int> many(100);
  asm volatile("" : : "r"(many.data()) : "memory");  // clang leaves out what nobody looks at
  counting = false;
  CHECK(allocations == 1);
  CHECK(many.size() == 100);
}
#endif

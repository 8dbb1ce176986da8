// Reverse-mode differentiation: operations record themselves as they run, `backward` runs the recording
// backwards.
//
// The order of recording is topological, so nothing has to be searched, and each operation is destroyed as
// soon as it has been used: the memory of the forward pass is free again while the backward pass goes on.
#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "minivit/autograd/var.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Where an operation writes the gradient of one of its inputs: the first write to a gradient is `=`, later
/// ones `+=`. Empty if the input needs no gradient. Fill it before asking the tape for the next sink.
struct Sink {
  float* data = nullptr;
  bool add = false;

  explicit operator bool() const { return data != nullptr; }

  /// For operations that do not touch every element: clears the gradient on the first write, so that `+=` is
  /// right.
  void start_from_zero(std::int64_t n) {
    if (!add) std::fill_n(data, n, 0.0f);
    add = true;
  }

  /// data[begin + i] (+)= f(x0[i], x1[i], …) for i in [0, n); `f` takes and returns Vec, the x point at
  /// `begin`.
  template <class F, class... X>
  void write(std::int64_t begin, std::int64_t n, const F& f, const X*... x) const {
    float* out = data + begin;
    if (add)
      kernels::map(
          n, out, [&](kernels::Vec old, auto... v) { return old + f(v...); }, out, x...);
    else
      kernels::map(n, out, f, x...);
  }

  /// The same for all `n` elements of the gradient, on all threads.
  template <class F, class... X>
  void write_all(std::int64_t n, const F& f, const X*... x) const {
    parallel_for(n, grain_for(2 + sizeof...(X)),
                 [&](std::int64_t begin, std::int64_t end) { write(begin, end - begin, f, (x + begin)...); });
  }
};

/// The recording of one thread.
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape() { clear(); }

  /// The tape of the calling thread.
  static Tape& local() {
    static thread_local Tape tape;
    return tape;
  }

  /// The result `y` of an operation on `inputs`. If a gradient is wanted for any of them, `backward(tape,
  /// dy)` is kept until the backward pass: it gets the gradient of `y` and writes those of its inputs through
  /// `sink` or `pass`. Otherwise the result is a constant. Throws Error if an input belongs to a recording
  /// that no longer exists.
  template <class F>
  Var record(Tensor y, std::initializer_list<const Var*> inputs, F&& backward) {
    return wants(inputs) ? push(std::move(y), std::forward<F>(backward)) : Var(std::move(y));
  }
  template <class F>
  Var record(Tensor y, std::span<const Var> inputs, F&& backward) {
    bool wanted = false;
    for (const Var& x : inputs) wanted |= wants({&x});
    return wanted ? push(std::move(y), std::forward<F>(backward)) : Var(std::move(y));
  }

  /// True if an operation on these inputs would be recorded: whether results that only its gradient needs are
  /// to be kept.
  [[gnu::noinline]] bool wants(std::initializer_list<const Var*> inputs) const {
    if (!grad_enabled()) return false;
    bool wanted = false;
    for (const Var* x : inputs) {
      check_current(x->edge());
      wanted |= x->requires_grad();
    }
    return wanted;
  }

  /// Where the gradient of `x` is to be written: as many floats as x has elements.
  [[gnu::noinline]] Sink sink(const Edge& x) {
    if (x.leaf_.defined()) return {Tensor(x.leaf_).data(), true};
    if (!x.tape_) return {};
    check_current(x);
    Tensor& grad = nodes_[x.node_].grad;
    if (!grad.defined()) {
      grad = Tensor::empty(x.shape());
      return {grad.data(), false};
    }
    if (!grad.unique()) grad = grad.clone();  // somebody passed his own gradient on: leave his alone
    return {grad.data(), true};
  }
  Sink sink(const Var& x) { return sink(x.edge()); }

  /// Adds `dy` to the gradient of `x` as it is; the numbers of elements must be equal. Shares the memory when
  /// `dy` is the first contribution, so a residual connection costs nothing until both of its sides write.
  [[gnu::noinline]] void pass(const Edge& x, const Tensor& dy) {
    check<ShapeError>(dy.numel() == x.shape().numel(), "pass: gradient has shape ", dy.shape(), ", expected ",
                      x.shape());
    if (x.tape_) {
      check_current(x);
      Tensor& grad = nodes_[x.node_].grad;
      if (!grad.defined()) {
        grad = dy.reshape(x.shape());
        return;
      }
    }
    if (const Sink dx = sink(x))
      dx.write_all(
          dy.numel(), [](kernels::Vec v) { return v; }, dy.data());
  }

  /// Runs the recording backwards from `loss`, whose own gradient is `seed`, then clears it.
  void backward(const Var& loss, const Tensor& seed) {
    check(loss.requires_grad(), "backward: the loss does not depend on anything that requires a gradient");
    check<ShapeError>(seed.shape() == loss.shape(), "backward: the gradient of the loss has shape ",
                      seed.shape(), ", expected ", loss.shape());
    check_current(loss.edge());
    struct Clear {
      Tape& tape;
      ~Clear() { tape.clear(); }
    } const clear_at_end{*this};
    const NoGrad nothing_is_recorded;
    pass(loss.edge(), seed);
    run_back_to(0);
  }

  /// For operations that keep little and compute it again, from within their gradient: records `f()`, which
  /// gives the operation's result once more, and runs that recording backwards from its gradient `dy`.
  template <class F>
  void replay(const F& f, const Tensor& dy) {
    const std::size_t before = nodes_.size();
    {
      Var y;
      {
        const EnableGrad recording;
        y = f();
      }
      if (y.requires_grad()) pass(y.edge(), dy);
    }
    run_back_to(before);
  }

  /// Forgets everything recorded: values made so far can no longer be differentiated. `backward` does it by
  /// itself; call it after a forward pass that is not followed by one and was not under `NoGrad`.
  void clear() noexcept {
    while (!nodes_.empty()) destroy_last();
    used_chunks_ = 0;
    offset_ = kChunk;
    ++generation_;
  }

  /// Number of operations recorded.
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    Tensor grad;      // of the operation's result, once something has written it
    void* operation;  // the closure, in a chunk
    void (*run)(void*, Tape&, const Tensor&);
    void (*destroy)(void*) noexcept;
  };

  // Closures live in chunks that are kept, so that recording allocates nothing after the first step.
  static constexpr std::size_t kChunk = 64 * 1024;

  template <class Closure>
  Var push(Tensor y, Closure&& backward) {
    using F = std::remove_cvref_t<Closure>;
    static_assert(sizeof(F) <= kChunk && alignof(F) <= Pool::kAlignment);
    return push(
        std::move(y), ::new (allocate(sizeof(F))) F(std::forward<Closure>(backward)),
        [](void* f, Tape& tape, const Tensor& dy) { (*static_cast<F*>(f))(tape, dy); },
        [](void* f) noexcept { static_cast<F*>(f)->~F(); });
  }

  [[gnu::noinline]] Var push(Tensor y, void* operation, void (*run)(void*, Tape&, const Tensor&),
                             void (*destroy)(void*) noexcept) {
    nodes_.push_back({{}, operation, run, destroy});
    Var result(std::move(y));
    result.edge_.tape_ = this;
    result.edge_.generation_ = generation_;
    result.edge_.node_ = static_cast<std::uint32_t>(nodes_.size() - 1);
    return result;
  }

  [[gnu::noinline]] void* allocate(std::size_t bytes) {
    bytes = (bytes + Pool::kAlignment - 1) / Pool::kAlignment * Pool::kAlignment;
    if (offset_ + bytes > kChunk) {
      if (used_chunks_ == chunks_.size()) chunks_.emplace_back(kChunk);
      ++used_chunks_;
      offset_ = 0;
    }
    void* const place = static_cast<std::byte*>(chunks_[used_chunks_ - 1].data()) + offset_;
    offset_ += bytes;
    return place;
  }

  /// Runs and removes all nodes from the last down to number `size`.
  void run_back_to(std::size_t size) {
    while (nodes_.size() > size) {
      const Node node = {std::move(nodes_.back().grad), nodes_.back().operation, nodes_.back().run,
                         nodes_.back().destroy};  // a copy: the operation may record more
      if (node.grad.defined()) node.run(node.operation, *this, node.grad);
      destroy_last();
    }
  }

  void destroy_last() noexcept {
    nodes_.back().destroy(nodes_.back().operation);
    nodes_.pop_back();
  }

  void check_current(const Edge& x) const {
    check(!x.tape_ || (x.tape_ == this && x.generation_ == generation_),
          "this variable was computed before the last backward() or on another thread: what it was computed "
          "from is no "
          "longer recorded. Compute it again, or use detach() to go on with its value alone");
  }

  std::vector<Node> nodes_;
  std::vector<Buffer> chunks_;
  std::size_t used_chunks_ = 0, offset_ = kChunk;
  // Which recording this is. Starts at the time, so that a later thread whose tape lies at the same address
  // does not take a variable of an earlier one for its own.
  std::uint64_t generation_ =
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
};

/// Adds the gradient of `loss` (one element) with respect to every leaf that it depends on to the leaves'
/// gradients: parameters' `grad`, variables' `grad()`. The recording is used up. Throws ShapeError unless the
/// loss is one element.
inline void backward(const Var& loss) {
  check<ShapeError>(loss.numel() == 1, "backward: the loss has shape ", loss.shape(),
                    ", expected one element; sum() or mean() it, or pass the gradient of each element");
  Tape::local().backward(loss, Tensor::full(loss.shape(), 1.0f));
}

/// The same for any result, given the gradient `seed` of each of its elements.
inline void backward(const Var& result, const Tensor& seed) { Tape::local().backward(result, seed); }

}  // namespace minivit::inline MINIVIT_ABI

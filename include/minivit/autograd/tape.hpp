// Reverse-mode differentiation: operations record themselves as they run, `backward` runs them in reverse.
//
// Operations are run from the last recorded one down to the first. That order is topological, so no graph has
// to be searched, and each operation is freed as soon as it has been used: the memory of the forward pass is
// free again while the backward pass goes on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "minivit/autograd/var.hpp"
#include "minivit/core/parallel.hpp"
#include "minivit/kernels/simd.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Where an operation writes the gradient of one of its inputs: the first write to a gradient is `=`, later
/// ones are `+=`. Empty if the input needs no gradient. Fill it before asking the tape for the next sink: two
/// inputs may be the same variable.
struct Sink {
  float* data = nullptr;
  bool add = false;

  explicit operator bool() const noexcept { return data != nullptr; }

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

/// Records operations on the calling thread and runs them backwards. A recording may be handed to another
/// thread; two threads must not run backwards through the same one at once.
class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// The tape of the calling thread.
  static Tape& local() {
    static thread_local Tape tape;
    return tape;
  }

  /// The result `y` of an operation on `inputs`. If a gradient is wanted for any of them, `backward(tape,
  /// dy)` is kept until the backward pass: it gets the gradient of `y` and writes those of its inputs through
  /// `sink` or `pass`. Otherwise the result is a constant. Throws Error if an input is the result of a
  /// recording that a backward pass has used.
  template <class F>
  Var record(Tensor y, std::initializer_list<const Var*> inputs, F&& backward) {
    return record_if(wants(inputs), std::move(y), inputs, std::forward<F>(backward));
  }
  template <class F>
  Var record(Tensor y, std::span<const Var> inputs, F&& backward) {
    return record_if(wants(inputs), std::move(y), inputs, std::forward<F>(backward));
  }

  /// True if an operation on these inputs would be recorded: whether results that only its gradient needs are
  /// to be kept.
  [[nodiscard]] bool wants(std::initializer_list<const Var*> inputs) const { return any_wanted(inputs); }
  [[nodiscard]] bool wants(std::span<const Var> inputs) const { return any_wanted(inputs); }

  /// Where the gradient of `x` is to be written: as many floats as x has elements.
  Sink sink(const Edge& x) {
    if (x.leaf_.defined()) return {Tensor(x.leaf_).data(), true};
    if (!x.node_) return {};
    check_not_used(x);
    Tensor& grad = x.node_->grad;
    if (!grad.defined()) {
      Tensor fresh = Tensor::empty(x.shape());
      enqueue(x.node_);
      grad = std::move(fresh);
      return {grad.data(), false};
    }
    if (!grad.unique()) grad = grad.clone();  // shared by `pass`: the other owner's copy stays as it is
    return {grad.data(), true};
  }
  Sink sink(const Var& x) { return sink(x.edge()); }

  /// Adds `dy` to the gradient of `x` as it is; the numbers of elements must be equal. Shares the memory when
  /// `dy` is the first contribution, so a residual connection costs nothing until both of its sides write.
  void pass(const Edge& x, const Tensor& dy) {
    check<ShapeError>(dy.numel() == x.shape().numel(), "pass: gradient has shape ", dy.shape(), ", expected ",
                      x.shape());
    if (x.node_ && !x.node_->grad.defined()) {
      check_not_used(x);
      enqueue(x.node_);
      x.node_->grad = dy.reshape(x.shape());
      return;
    }
    if (const Sink dx = sink(x))
      dx.write_all(
          dy.numel(), [](kernels::Vec v) { return v; }, dy.data());
  }

  /// Runs the recording backwards from `loss`, whose own gradient is `seed`. It is used up then, unless
  /// `retain`.
  void backward(const Var& loss, const Tensor& seed, bool retain = false) {
    check(
        loss.requires_grad(),
        "backward: the loss does not depend on anything that requires a gradient; parameters have one after "
        "flatten(model) or require_grad(model), and nothing is recorded under NoGrad");
    check<ShapeError>(seed.shape() == loss.shape(), "backward: the gradient of the loss has shape ",
                      seed.shape(), ", expected ", loss.shape());
    check_not_used(loss.edge());
    const Run run(*this);
    const NoGrad nothing_is_recorded;
    pass(loss.edge(), seed);
    while (!queue_.empty()) {
      const detail::NodeHandle node = next();
      const Tensor dy = std::move(node->grad);
      node->grad = Tensor();
      node->run(*this, dy);
      if (retain) continue;
      node->used = true;
      node->release();
    }
  }

  /// For operations that keep little and compute it again, from within their gradient: records `f()`, which
  /// gives the operation's result once more, and passes its gradient `dy` on to that recording, which is run
  /// backwards next.
  template <class F>
  void replay(const F& f, const Tensor& dy) {
    Var y;
    {
      const EnableGrad recording;
      y = f();
    }
    if (y.requires_grad()) pass(y.edge(), dy);
  }

  /// Number of operations that this thread has recorded, minus those that it has freed: what is held, as long
  /// as recordings stay in their thread.
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(detail::live_operations);
  }

 private:
  /// The queue of one backward pass, which may run within another. If it ends early, gradients that were on
  /// their way are dropped.
  class Run {
   public:
    explicit Run(Tape& tape) : tape_(tape), outer_(std::exchange(tape.queue_, std::move(tape.spare_))) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
      for (const detail::NodeHandle& node : tape_.queue_) node->grad = Tensor(), node->used = true;
      tape_.queue_.clear();
      tape_.spare_ = std::exchange(tape_.queue_, std::move(outer_));
    }

   private:
    Tape& tape_;
    std::vector<detail::NodeHandle> outer_;
  };

  static const Edge& edge_of(const Var& x) { return x.edge(); }
  static const Edge& edge_of(const Var* x) { return x->edge(); }

  template <class Inputs>
  static bool any_wanted(const Inputs& inputs) {
    if (!grad_enabled()) return false;
    bool wanted = false;
    for (const auto& x : inputs) {
      check_not_used(edge_of(x));
      wanted |= edge_of(x).requires_grad();
    }
    return wanted;
  }

  template <class Inputs, class F>
  Var record_if(bool wanted, Tensor y, const Inputs& inputs, F&& backward) {
    Var result(std::move(y));
    if (!wanted) return result;
    const detail::NodeHandle node(new detail::Operation<std::remove_cvref_t<F>>(std::forward<F>(backward)));
    // After everything that this thread has recorded, and after what other threads have recorded for it.
    for (const auto& x : inputs)
      if (const detail::NodeHandle& from = edge_of(x).node_) last_ = std::max(last_, from->sequence);
    node->sequence = ++last_;
    result.edge_.node_ = node;
    return result;
  }

  static bool earlier(const detail::NodeHandle& a, const detail::NodeHandle& b) {
    return a->sequence < b->sequence;
  }

  void enqueue(const detail::NodeHandle& node) {
    queue_.push_back(node);
    std::push_heap(queue_.begin(), queue_.end(), earlier);
  }

  /// The operation of the queue that was recorded last: everything that uses its result has been run.
  detail::NodeHandle next() {
    std::pop_heap(queue_.begin(), queue_.end(), earlier);
    detail::NodeHandle node = std::move(queue_.back());
    queue_.pop_back();
    return node;
  }

  static void check_not_used(const Edge& x) {
    check(
        !x.node_ || !x.node_->used,
        "the recording that this variable was computed by has been used by an earlier backward(). For "
        "several "
        "losses of one forward pass call backward(loss, Retain{}) for all but the last, or backward of their "
        "sum; otherwise compute the variable again, or use detach() to go on with its value alone");
  }

  std::vector<detail::NodeHandle> queue_;  // operations with a gradient: a heap, the last recorded on top
  std::vector<detail::NodeHandle> spare_;  // its memory, between backward passes
  std::uint64_t last_ = 0;                 // sequence of the operation that was recorded last
};

/// Asks `backward` to keep the recording for a further backward pass.
struct Retain {};

/// Adds the gradient of `loss` (one element) with respect to every leaf that it depends on to the leaves'
/// gradients: parameters' `grad`, variables' `grad()`. The recording is used up. Throws ShapeError unless the
/// loss is one element, Error if it does not depend on a leaf or the recording is used up.
void backward(const Var& loss);

/// The same, but the recording stays: several losses of one forward pass, each run backwards by itself. The
/// last call leaves `Retain` out and so frees the memory.
void backward(const Var& loss, Retain);

/// The same for any result, given the gradient `seed` of each of its elements.
void backward(const Var& result, const Tensor& seed);
void backward(const Var& result, const Tensor& seed, Retain);

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The gradient of a loss with respect to itself.
inline Tensor gradient_of_itself(const Var& loss) {
  check<ShapeError>(loss.numel() == 1, "backward: the loss has shape ", loss.shape(),
                    ", expected one element; sum() or mean() it, or pass the gradient of each element");
  return Tensor::full(loss.shape(), 1.0f);
}

}  // namespace detail

MINIVIT_INLINE void backward(const Var& loss) {
  Tape::local().backward(loss, detail::gradient_of_itself(loss));
}
MINIVIT_INLINE void backward(const Var& loss, Retain) {
  Tape::local().backward(loss, detail::gradient_of_itself(loss), true);
}
MINIVIT_INLINE void backward(const Var& result, const Tensor& seed) { Tape::local().backward(result, seed); }
MINIVIT_INLINE void backward(const Var& result, const Tensor& seed, Retain) {
  Tape::local().backward(result, seed, true);
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS

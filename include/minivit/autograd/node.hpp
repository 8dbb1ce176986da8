// One recorded operation: how to pass on the gradient of its result, and how long it lives.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "minivit/core/pool.hpp"
#include "minivit/tensor/tensor.hpp"

namespace minivit::inline MINIVIT_ABI {

class Tape;

namespace detail {

class Node;

// Nodes that this thread is about to free, and how many operations it has recorded and not freed yet.
inline thread_local Node* doomed_nodes = nullptr;
inline thread_local bool freeing_nodes = false;
inline thread_local std::int64_t live_operations = 0;

/// An operation of a recording. It lives as long as anything refers to it: the variable that it computed, and
/// the operations that used that variable. So a recording whose last result is gone is gone.
class Node {
 public:
  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  /// Passes `dy`, the gradient of the result, on to the inputs.
  virtual void run(Tape& tape, const Tensor& dy) const = 0;

  /// Frees what the gradient needs, once it has been used.
  virtual void release() noexcept = 0;

  // From the pool: recording asks the system for nothing after the first step.
  static void* operator new(std::size_t bytes) { return Pool::instance().allocate(bytes); }
  static void operator delete(void* node, std::size_t bytes) noexcept {
    Pool::instance().deallocate(node, bytes);
  }

  Tensor grad;                 ///< of the result, once something has written it
  std::uint64_t sequence = 0;  ///< larger than that of every operation whose result this one uses
  bool used = false;           ///< by a backward pass that did not retain it

 private:
  friend class NodeHandle;
  std::atomic<std::uint32_t> references_ = 0;
  Node* next_doomed_ = nullptr;
};

/// A node whose gradient is computed by a closure `backward(tape, dy)`.
template <class F>
class Operation final : public Node {
 public:
  template <class Closure>
  explicit Operation(Closure&& backward) : backward_(std::forward<Closure>(backward)) {
    ++live_operations;
  }
  ~Operation() override { release(); }

  void run(Tape& tape, const Tensor& dy) const override { (*backward_)(tape, dy); }
  void release() noexcept override {
    if (!backward_) return;
    --live_operations;
    backward_.reset();
  }

 private:
  std::optional<F> backward_;
};

/// A counted reference to a node. Copying and dropping it is safe from any thread.
class NodeHandle {
 public:
  NodeHandle() = default;
  explicit NodeHandle(Node* node) noexcept : node_(node) {
    if (node_) node_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  NodeHandle(const NodeHandle& other) noexcept : NodeHandle(other.node_) {}
  NodeHandle(NodeHandle&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeHandle& operator=(NodeHandle other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeHandle() {
    if (node_ && node_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) free(node_);
  }

  explicit operator bool() const noexcept { return node_ != nullptr; }
  Node* operator->() const noexcept { return node_; }
  Node* get() const noexcept { return node_; }

 private:
  /// Frees a node, and with it those that only it refers to: in a loop, since a recursion over a recording of
  /// a million operations would exhaust the stack.
  static void free(Node* node) noexcept {
    node->next_doomed_ = std::exchange(doomed_nodes, node);
    if (freeing_nodes) return;  // the loop below is further up on the stack
    freeing_nodes = true;
    while (Node* const next = doomed_nodes) {
      doomed_nodes = next->next_doomed_;
      delete next;
    }
    freeing_nodes = false;
  }

  Node* node_ = nullptr;
};

}  // namespace detail

}  // namespace minivit::inline MINIVIT_ABI

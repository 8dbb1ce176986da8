// Modes of a thread: recording gradients or not, training or not. Changed only by scopes.
#pragma once

#include <utility>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {
struct Mode {
  bool grad = true, training = false;
};
inline thread_local Mode mode;
}  // namespace detail

/// True if operations of this thread are recorded for `backward` (the default).
inline bool grad_enabled() { return detail::mode.grad; }

/// True inside a `Training` scope: dropout and drop path are active.
inline bool is_training() { return detail::mode.training; }

/// While it lives, the thread records nothing and keeps no intermediate results, as `torch.no_grad`.
class [[nodiscard]] NoGrad {
 public:
  NoGrad() : before_(std::exchange(detail::mode.grad, false)) {}
  ~NoGrad() { detail::mode.grad = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// While it lives, the thread records again, inside of a `NoGrad`.
class [[nodiscard]] EnableGrad {
 public:
  EnableGrad() : before_(std::exchange(detail::mode.grad, true)) {}
  ~EnableGrad() { detail::mode.grad = before_; }
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool before_;
};

/// While it lives, the thread is in training mode (or, with `false`, in evaluation mode), as
/// `module.train()`.
class [[nodiscard]] Training {
 public:
  explicit Training(bool on = true) : before_(std::exchange(detail::mode.training, on)) {}
  ~Training() { detail::mode.training = before_; }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

 private:
  bool before_;
};

}  // namespace minivit::inline MINIVIT_ABI

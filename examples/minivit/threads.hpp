// The threads that compute, started while it can still be said why there are fewer.
#pragma once

namespace minivit::cli {

/// Starts them. Where the system refuses some (ulimit -u, ulimit -v), says so and goes on with the others,
/// which the library would do without a word.
void start_threads();

}  // namespace minivit::cli

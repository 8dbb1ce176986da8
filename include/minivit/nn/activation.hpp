// Activation between the two layers of an MLP.
#pragma once

#include <array>

#include "minivit/core/fields.hpp"

namespace minivit::inline MINIVIT_ABI {

/// gelu: fc2(gelu(fc1(x))). swiglu: fc2(silu(a) · b), where a and b are the two halves of fc1(x) (N. Shazeer,
/// arXiv:2002.05202, as DINOv2's giant has it).
enum class Activation { gelu, swiglu };
template <>
inline constexpr auto kEnumNames<Activation> =
    std::to_array<EnumName<Activation>>({{Activation::gelu, "gelu"}, {Activation::swiglu, "swiglu"}});

}  // namespace minivit::inline MINIVIT_ABI

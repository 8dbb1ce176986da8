// One translation unit of a program whose units are built for different machines. Compiled twice, each time
// with another MINIVIT_TEST_UNIT and another instruction set.
#include <minivit/vit.hpp>

#include "odr/machine_unit.hpp"

namespace MINIVIT_TEST_UNIT {

const char* instruction_set() { return minivit::kInstructionSet; }
int lanes() { return minivit::kernels::kLanes; }

double classify(int image) {
  using namespace minivit;
  manual_seed(3);
  const VisionTransformer model({.image_height = 8,
                                 .image_width = 8,
                                 .patch_size = 2,
                                 .channels = 3,
                                 .num_classes = 4,
                                 .embedding_dim = 24,
                                 .num_layers = 2,
                                 .num_heads = 3});
  Tensor x = Tensor::empty({1, 3, 8, 8});
  Rng rng(static_cast<std::uint64_t>(image));
  for (float& v : x.values()) v = rng.normal();
  const NoGrad values_only;
  const Var logits = model(x);
  double total = 0;
  for (const float v : logits.value().values()) total = 2 * total + double{v};
  return total;
}

}  // namespace MINIVIT_TEST_UNIT

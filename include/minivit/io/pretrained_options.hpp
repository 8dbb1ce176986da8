// Options for reading a pretrained model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minivit/core/config.hpp"

namespace minivit::inline MINIVIT_ABI {

/// Whose names a file has: timm's, or those of a model class of transformers, as its version 4 writes them
/// (and version 5 unless told otherwise) or as version 5 has them in memory.
enum class Naming { timm, transformers, transformers5 };

/// What `load_pretrained` cannot know, and what is to be different from the file.
struct PretrainedOptions {
  std::string architecture{};  ///< timm's name, as "vit_small_patch16_224", if no config.json says it
  std::int64_t num_heads = 0;  ///< or this, where neither files nor timm know the architecture; 0: not given
  bool without_head = false;   ///< features only: the file's head, if there is one, is left out
  bool missing_head = false;   ///< the head may be missing in the file and is then new
  bool not_finite = false;     ///< weights that are infinite or no number are read; refused otherwise

  /// Another image size: positions are interpolated. 0: the file's (of its preprocessing, if that differs).
  std::int64_t image_height = 0, image_width = 0;
  std::int64_t patch_size = 0;  ///< another patch size: the patch embedding is resampled; 0: the file's
  bool gray = false;            ///< one input channel: the sum of the three
  std::vector<std::string> classes{};  ///< other classes: those of the same name keep their row of the head,
                                       ///< the others are new; empty: the file's
};

}  // namespace minivit::inline MINIVIT_ABI

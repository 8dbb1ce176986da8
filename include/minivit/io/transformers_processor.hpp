// preprocessor_config.json of transformers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "minivit/io/known_keys.hpp"
#include "minivit/io/model_config_json.hpp"
#include "minivit/io/timm_keys.hpp"

namespace minivit::inline MINIVIT_ABI {

namespace detail {

/// The share of an edge that a crop of `size` pixels keeps of `edge`, such that floor(size / share) is
/// `edge`.
inline double crop_share(int size, int edge) {
  double share = static_cast<double>(size) / edge;
  while (static_cast<int>(size / share) < edge) share = std::nextafter(share, 0.0);
  return share;
}

inline constexpr std::string_view kProcessorUnderstood[] = {"image_processor_type",
                                                            "feature_extractor_type",
                                                            "do_resize",
                                                            "size",
                                                            "resample",
                                                            "do_center_crop",
                                                            "crop_size",
                                                            "do_rescale",
                                                            "rescale_factor",
                                                            "do_normalize",
                                                            "image_mean",
                                                            "image_std",
                                                            "do_pad",
                                                            "default_to_square"};
inline constexpr std::string_view kProcessorWithoutEffect[] = {
    "do_convert_rgb",  // images are RGB here
    "processor_class",       "auto_map",         "_processor_class",  "_auto_class",
    "_valid_processor_keys", "data_format",      "input_data_format", "device",
    "return_tensors",        "disable_grouping", "image_seq_length",  "pad_size",
    "transformers_version"};

/// Whether the size is that of the shortest edge. Throws FileError for sizes that are neither that nor both
/// edges.
inline bool is_edge(const io::JsonFields& fields, bool numbers_are_squares) {
  const io::Json& size = *fields.find("size");
  if (!size.is_object()) return size.is_number() && !numbers_are_squares;
  const io::JsonFields object = fields.object("size");
  for (const auto& [key, value] : size.items())
    if (key != "height" && key != "width" && key != "shortest_edge" && !value.is_null())
      object.fail(key, "is ", value.dump(),
                  ", which is not supported; expected height and width, or shortest_edge");
  return object.has("shortest_edge");
}

/// A size in preprocessor_config.json, (height, width): a number, two, or an object.
inline std::array<std::int64_t, 2> pixels_of(const io::JsonFields& fields, std::string_view key) {
  if (!fields.find(key)->is_object()) return size_of(fields, key, {});
  const io::JsonFields size = fields.object(key);
  if (size.has("shortest_edge") && key == "size") {
    const auto edge = size.get<std::int64_t>("shortest_edge");
    return {edge, edge};
  }
  return {size.get<std::int64_t>("height"), size.get<std::int64_t>("width")};
}

}  // namespace detail

/// The preprocessing that a preprocessor_config.json of transformers describes, for the image processors of
/// ViT, DeiT, BiT (which DINOv2 has) and CLIP. usual_type: the processor if it names none. Throws FileError
/// for what it asks for and is not supported or not known.
inline Preprocess preprocess_from_transformers(const io::Json& json, const std::string& name,
                                               const std::string& usual_type = "ViTImageProcessor") {
  const io::JsonFields fields(json, name);
  detail::refuse_unknown_keys(json, name + ": ",
                              {detail::kProcessorUnderstood, detail::kProcessorWithoutEffect});
  const std::string type = fields.get<std::string>(
      "image_processor_type", fields.get<std::string>("feature_extractor_type", usual_type));
  std::string_view kind = type;
  for (const std::string_view end : {"Fast", "ImageProcessor", "FeatureExtractor"})
    if (kind.ends_with(end)) kind.remove_suffix(end.size());
  const bool squashes = kind == "ViT" || kind == "DeiT";  // the others resize the shortest edge
  if (!squashes && kind != "Bit" && kind != "CLIP")
    fields.fail("image_processor_type", "is that of ", kind, ", expected ViT's, DeiT's, Bit's or CLIP's");

  Preprocess p;
  p.crop_rounding = CropRounding::down;
  p.mean = p.std = {0.5f, 0.5f, 0.5f};
  if (!squashes)
    p.mean = {0.48145466f, 0.4578275f, 0.40821073f}, p.std = {0.26862954f, 0.26130258f, 0.27577711f};
  if (fields.get("do_normalize", true)) {
    p.mean = detail::three(fields, "image_mean", p.mean);
    p.std = detail::three(fields, "image_std", p.std);
  } else {
    p.mean = {0, 0, 0}, p.std = {1, 1, 1};
  }
  if (!fields.get("do_rescale", true) || std::fabs(fields.get("rescale_factor", 1.0 / 255) * 255 - 1) > 1e-6)
    fields.fail("rescale_factor", "is not 1/255, which is the only one supported");
  if (!fields.get("do_resize", true)) fields.fail("do_resize", "is false, expected true");
  if (fields.get("do_pad", false)) fields.fail("do_pad", "is true, which is not supported");
  const auto resample = fields.get("resample", kind == "ViT" ? 2 : 3);
  const auto filter = std::ranges::find(detail::kResample, resample, &detail::Resample::number);
  if (filter == std::end(detail::kResample))
    fields.fail("resample", "is ", resample, ", expected 0 (nearest), 2 (bilinear) or 3 (bicubic)");
  p.filter = filter->filter;

  // A number is the shortest edge, or both edges, by the kind of the processor.
  const bool numbers_are_squares = fields.get("default_to_square", squashes);
  const std::int64_t usual = kind == "DeiT" ? 256 : 224;
  const bool squash = fields.has("size") ? !detail::is_edge(fields, numbers_are_squares) : squashes;
  std::array<std::int64_t, 2> size{usual, usual};
  if (fields.has("size")) size = detail::pixels_of(fields, "size");
  std::array<std::int64_t, 2> crop{224, 224};
  if (fields.has("crop_size")) crop = detail::pixels_of(fields, "crop_size");
  const bool crops = fields.get("do_center_crop", kind != "ViT");
  if (crops && kind == "ViT" && !fields.has("crop_size"))
    fields.fail("do_center_crop", "is true, but crop_size is missing");
  if (!crops && !squash)
    fields.fail("do_center_crop", "is false, so that images have different sizes; expected true");
  if (!crops) crop = size;
  for (const std::int64_t pixels : {size[0], size[1], crop[0], crop[1]})
    if (pixels < 1 || pixels > 16384)
      fields.fail("size", "or crop_size is ", pixels, ", expected 1 to 16384");
  p.height = static_cast<int>(crop[0]), p.width = static_cast<int>(crop[1]);
  p.fit = squash ? Preprocess::Fit::squash : Preprocess::Fit::crop;
  if (size[0] < crop[0] || size[1] < crop[1])
    fields.fail("crop_size", "is ", crop[0], "x", crop[1], ", larger than the size of ", size[0], "x",
                size[1]);
  if (!squash && crop[0] != crop[1])
    fields.fail("crop_size", "is ", crop[0], "x", crop[1],
                ", expected a square where the shortest edge is resized");
  p.crop_pct = detail::crop_share(p.height, static_cast<int>(size[0]));
  if (static_cast<std::int64_t>(p.width / p.crop_pct) != size[1])
    fields.fail("crop_size", "keeps another share of the width than of the height, which is not supported");
  p.validate();
  return p;
}

}  // namespace minivit::inline MINIVIT_ABI

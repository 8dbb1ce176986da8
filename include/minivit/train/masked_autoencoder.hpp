// The masked autoencoder: a Vision Transformer that learns from images without labels, by completing them.
//
// K. He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv:2111.06377. Most patches of an
// image are hidden; the encoder sees the others only, a small decoder says what stood in the hidden ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "minivit/model/visible_patches.hpp"
#include "minivit/train/diagnose.hpp"
#include "minivit/train/loop.hpp"

namespace minivit::inline MINIVIT_ABI {

/// What is hidden, and by what it is completed.
struct MaskedAutoencoderOptions {
  double mask = 0.75;               ///< part of the patches that is hidden
  std::int64_t decoder_dim = 64;    ///< D, divisible by decoder_heads and by 4, 8 or more
  std::int64_t decoder_layers = 1;  ///< blocks
  std::int64_t decoder_heads = 4;
  bool normalize_pixels = true;  ///< what is learned are the pixels of each patch less their mean, divided by
                                 ///< their deviation

  friend bool operator==(const MaskedAutoencoderOptions&, const MaskedAutoencoderOptions&) = default;

  /// Throws ConfigError for what is out of range.
  void validate() const;
};

/// An encoder with what it is trained by. Its parameters have the names of the paper's program.
struct MaskedAutoencoder {
  VisionTransformer encoder;  // without a head; what is pooled is not trained
  MaskedAutoencoderOptions options;
  Linear decoder_embed;         // (D, C)
  Parameter mask_token;         // (1, D), in the place of a hidden patch
  Parameter decoder_pos_embed;  // (1, prefix + N, D), fixed
  Encoder decoder;
  LayerNorm decoder_norm;
  Linear decoder_pred;  // (channels · P · P, D)

  MaskedAutoencoder() = default;

  /// Fresh weights of the decoder. The head of `net` is taken off, and its pooling set to "not trained".
  /// Throws ConfigError as `validate`, and for a model with fewer than two patches.
  MaskedAutoencoder(VisionTransformer net, const MaskedAutoencoderOptions& o);

  /// A mask for so many images, as `options.mask` says.
  [[nodiscard]] PatchMask draw_mask(std::int64_t images, const Rng& rng) const {
    const std::int64_t N = encoder.config.patches();
    return draw_patch_mask(images, N, visible_patches(N, options.mask), rng);
  }

  /// What the encoder makes of the visible patches: (B, prefix + K, C).
  [[nodiscard]] Var encode(const Tensor& images, const PatchMask& mask) const {
    return encoder.norm(encoder.encoder(embed_visible(encoder, images, mask)));
  }

  /// The decoder's word for the pixels of the hidden patches, given what the encoder made of the others:
  /// (B, N - K, channels · P · P).
  [[nodiscard]] Var decode(const Var& encoded, const PatchMask& mask) const;

  /// The mean squared error over all pixels of hidden patches of images (B, channels, height, width).
  [[nodiscard]] Var loss(const Tensor& images, const PatchMask& mask) const {
    return mse(decode(encode(images, mask), mask), targets(images, mask));
  }

  /// What `decode` should say.
  [[nodiscard]] Tensor targets(const Tensor& images, const PatchMask& mask) const;

  /// The images with their hidden patches as the decoder has them, with the brightness and contrast of what
  /// stood there if these are not learned (normalize_pixels).
  [[nodiscard]] Tensor reconstruct(const Tensor& images, const PatchMask& mask) const;

  static void visit(auto& self, auto&& f) {
    f("encoder", self.encoder);
    f("decoder_embed", self.decoder_embed);
    f("mask_token", self.mask_token);
    f("decoder_pos_embed", self.decoder_pos_embed);
    f("decoder", self.decoder);
    f("decoder_norm", self.decoder_norm);
    f("decoder_pred", self.decoder_pred);
  }
};

/// The loss of a batch whose images are all that counts.
struct ReconstructionLoss {
  Var loss;

  void add_to(Metrics& metrics, std::span<const int> labels) const {
    metrics.samples += std::ssize(labels);
    metrics.loss_sum += loss.item() * static_cast<double>(labels.size());
  }
};

/// What `train_epoch` asks for: the loss of images with a mask that is drawn anew from the next stream of
/// `Generator::local()`, that is, from seed, step and place in the batch. Of labels and what is done with
/// them nothing is used.
[[nodiscard]] inline ReconstructionLoss batch_loss(const MaskedAutoencoder& model, const Tensor& images,
                                                   std::span<const int>, const Mix&,
                                                   const ObjectiveOptions&) {
  const Rng rng = Generator::local().stream(Generator::Purpose::dropout);
  return {model.loss(images, model.draw_mask(images.size(0), rng))};
}

/// Goes through a forward pass, as `not_finite_in_forward` of a classifier.
[[nodiscard]] std::string not_finite_in_forward(const MaskedAutoencoder& model, const Tensor& images,
                                                const ParameterArena& parameters);

/// The mask with which batch number `batch` of a data set is measured, always the same.
[[nodiscard]] inline PatchMask measured_mask(const MaskedAutoencoder& model, std::int64_t images,
                                             std::size_t batch) {
  constexpr std::uint64_t kSeed = 0x6D61736B65640000;  // "masked"
  return model.draw_mask(images, Rng(kSeed, batch));
}

/// The loss over every batch of `batches`, in evaluation mode and without gradients. Stops early if
/// `go_on()`, asked before each batch, says no; a `go_on.measured(metrics)`, where there is one, sees what it
/// is so far.
template <class Batches, class GoOn>
Metrics evaluate(const MaskedAutoencoder& model, Batches&& batches, const GoOn& go_on) {
  const NoGrad values_only;
  const Training off(false);
  Metrics metrics;
  for (const Batch& batch : batches) {
    if (!go_on()) break;
    const PatchMask mask = measured_mask(model, batch.images.size(0), batch.number);
    ReconstructionLoss{model.loss(batch.images, mask)}.add_to(metrics, batch.labels);
    if constexpr (requires { go_on.measured(metrics); }) go_on.measured(metrics);
  }
  return metrics;
}

}  // namespace minivit::inline MINIVIT_ABI

#if MINIVIT_DEFINITIONS
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "minivit/ops/embedding.hpp"
#include "minivit/ops/patchify.hpp"
#include "minivit/ops/rearrange.hpp"

namespace minivit::inline MINIVIT_ABI {

MINIVIT_INLINE void MaskedAutoencoderOptions::validate() const {
  check<ConfigError>(mask > 0 && mask < 1, "masked autoencoder: the mask hides ", mask,
                     " of the patches, expected more than 0 and less than 1");
  check<ConfigError>(decoder_dim >= 8 && decoder_dim % 4 == 0, "masked autoencoder: decoder_dim is ",
                     decoder_dim, ", expected 8 or more, divisible by 4");
  check<ConfigError>(decoder_heads >= 1 && decoder_dim % decoder_heads == 0,
                     "masked autoencoder: decoder_dim ", decoder_dim, " is not divisible by decoder_heads ",
                     decoder_heads);
  check<ConfigError>(decoder_layers >= 0, "masked autoencoder: decoder_layers is ", decoder_layers,
                     ", expected 0 or more");
}

MINIVIT_INLINE MaskedAutoencoder::MaskedAutoencoder(VisionTransformer net, const MaskedAutoencoderOptions& o)
    : encoder(std::move(net)),
      options((o.validate(), o)),
      decoder_embed(encoder.config.embedding_dim, o.decoder_dim),
      mask_token(Tensor::zeros({1, o.decoder_dim})),
      decoder_pos_embed(sincos_positions(encoder.config.image_height / encoder.config.patch_size,
                                         encoder.config.image_width / encoder.config.patch_size,
                                         o.decoder_dim, encoder.config.prefix_tokens()),
                        false, false),
      decoder(o.decoder_layers,
              {.dim = o.decoder_dim, .heads = o.decoder_heads, .hidden = 4 * o.decoder_dim}),
      decoder_norm(o.decoder_dim),
      decoder_pred(o.decoder_dim,
                   encoder.config.channels * encoder.config.patch_size * encoder.config.patch_size) {
  ViTConfig& c = encoder.config;
  check<ConfigError>(c.patches() >= 2, "masked autoencoder: images of ", c.image_width, "x", c.image_height,
                     " with patches of ", c.patch_size, " have one patch only, expected two at least");
  check<ConfigError>(
      c.attention != Attention::locality || c.prefix_tokens() + visible_patches(c.patches(), o.mask) >= 2,
      "masked autoencoder: locality self-attention needs two tokens, the mask leaves one");
  c.num_classes = 0;
  if (c.distillation == Distillation::head) c.distillation = Distillation::token;
  encoder.head = {}, encoder.head_dist = {};
  for (Parameter* p : {&encoder.attention_pool.score.weight, &encoder.attention_pool.score.bias})
    p->trainable = false;
  const auto start = [](Linear& layer) {
    init_truncated_normal(layer.weight.value);
    init_zeros(layer.bias.value);
  };
  for (EncoderBlock& block : decoder.blocks)
    for (Linear* layer : {&block.attn.qkv, &block.attn.proj, &block.mlp.fc1, &block.mlp.fc2}) start(*layer);
  start(decoder_embed), start(decoder_pred);
  init_truncated_normal(mask_token.value);
}

MINIVIT_INLINE Var MaskedAutoencoder::decode(const Var& encoded, const PatchMask& mask) const {
  const std::int64_t B = mask.images, N = mask.patches, K = mask.visible_patches(), D = options.decoder_dim,
                     P = encoder.config.prefix_tokens(), T = P + N;
  check<ShapeError>(encoded.rank() == 3 && encoded.size(0) == B && encoded.size(1) == P + K,
                    "masked autoencoder: decode has tokens ", encoded.shape(), ", expected (", B, ", ", P + K,
                    ", C)");
  // Every token at its place, and the mask token, which is the last row, at all others.
  const Var rows = concat({reshape(decoder_embed(encoded), {B * (P + K), D}), mask_token}, 0);
  std::vector<int> places(static_cast<std::size_t>(B * T), static_cast<int>(B * (P + K)));
  std::vector<int> hidden;  // tokens
  for (std::int64_t b = 0; b < B; ++b) {
    for (std::int64_t i = 0; i < P + K; ++i) {
      const std::int64_t token = i < P ? i : P + mask.visible[static_cast<std::size_t>(b * K + i - P)];
      places[static_cast<std::size_t>(b * T + token)] = static_cast<int>(b * (P + K) + i);
    }
  }
  for (const int patch : mask.hidden) hidden.push_back(patch + static_cast<int>(P));
  const Var tokens = reshape(embedding(rows, places), {B, T, D});
  const Var x = decoder(assemble_tokens(tokens, {}, {}, decoder_pos_embed));
  return decoder_pred(decoder_norm(select_tokens(x, hidden)));
}

namespace detail {

/// Mean and deviation of a patch, as the target has them.
struct PatchScale {
  double mean = 0, deviation = 1;

  static PatchScale of(std::span<const float> patch) {
    double sum = 0, squares = 0;
    for (const float v : patch) sum += v;
    const double n = static_cast<double>(patch.size()), mean = sum / n;
    for (const float v : patch) squares += (v - mean) * (v - mean);
    return {mean, std::sqrt(squares / std::max(n - 1, 1.0) + 1e-6)};
  }
};

}  // namespace detail

MINIVIT_INLINE Tensor MaskedAutoencoder::targets(const Tensor& images, const PatchMask& mask) const {
  const NoGrad values_only;
  Tensor out = select_tokens(patchify(images, encoder.config.patch_size), mask.hidden).value();
  if (!options.normalize_pixels) return out;
  const std::int64_t length = out.size(2);
  parallel_for(out.size(0) * out.size(1), grain_for(8 * length), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::span<float> patch(out.data() + i * length, static_cast<std::size_t>(length));
      const detail::PatchScale scale = detail::PatchScale::of(patch);
      for (float& v : patch) v = static_cast<float>((v - scale.mean) / scale.deviation);
    }
  });
  return out;
}

MINIVIT_INLINE Tensor MaskedAutoencoder::reconstruct(const Tensor& images, const PatchMask& mask) const {
  const NoGrad values_only;
  const Training off(false);
  const std::int64_t S = encoder.config.patch_size, columns = images.size(3) / S, M = mask.hidden_patches();
  const Tensor said = decode(encode(images, mask), mask).value(),
               stood = select_tokens(patchify(images, S), mask.hidden).value();
  const std::int64_t length = said.size(2);
  Tensor out = images.clone();
  for (std::int64_t i = 0; i < mask.images * M; ++i) {
    detail::PatchScale scale;
    if (options.normalize_pixels)
      scale = detail::PatchScale::of({stood.data() + i * length, static_cast<std::size_t>(length)});
    const std::int64_t b = i / M, patch = mask.hidden[static_cast<std::size_t>(i)];
    for (std::int64_t k = 0; k < length; ++k)
      out(b, k / (S * S), patch / columns * S + k / S % S, patch % columns * S + k % S) =
          static_cast<float>(said.data()[i * length + k] * scale.deviation + scale.mean);
  }
  return out;
}

MINIVIT_INLINE std::string not_finite_in_forward(const MaskedAutoencoder& model, const Tensor& images,
                                                 const ParameterArena& parameters) {
  const NoGrad values_only;
  if (std::string text = detail::not_finite_text("the batch of images", images); !text.empty()) return text;
  if (std::string text = detail::not_finite_slot(parameters, parameters.values, ""); !text.empty())
    return text;
  const Rng rng = Generator::local().stream(Generator::Purpose::dropout);
  const PatchMask mask = model.draw_mask(images.size(0), rng);
  const Var encoded = model.encode(images, mask);
  if (std::string text = detail::not_finite_text("the output of the encoder", encoded.value()); !text.empty())
    return text;
  const std::string text = detail::not_finite_text("the reconstruction", model.decode(encoded, mask).value());
  return text.empty() ? "the reconstruction is so far off that the loss is not finite" : text;
}

}  // namespace minivit::inline MINIVIT_ABI
#endif  // MINIVIT_DEFINITIONS

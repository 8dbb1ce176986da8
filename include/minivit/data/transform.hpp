// Transforms: what lies between a decoded image and the input of a model.
//
// A transform is any callable of one of two kinds; nothing is inherited or registered:
//
//   image to image:   Image operator()(const Image& image, Rng& rng) const
//   image to planes:  void operator()(const Image& image, Rng& rng, float* out) const, and
//                     Shape sample_shape() const, the (C, H, W) that it writes
//
// It is called by several threads at once, and draws what is random from `rng` alone. An ImageFolder takes
// one of the second kind: Preprocess, TrainTransform, a Chain of yours. Members that make it faster, where
// they are there:
//
//   int decode_reduction(int width, int height, Rng rng) const
//       how much smaller (1, 2, 4 or 8) an image of this size may be decoded for the draws that `rng` is
//       about to make; the transform is then called with a Decoded
//   bool fixed_geometry() const
//   Image to_size(const Decoded&) const
//   void finish(const Image&, Rng&, float* out) const
//       where fixed_geometry() is true the transform is `finish` of `to_size`, and what `to_size` gives is
//       the same every time, so that it can be kept
//   void validate() const
//       throws ConfigError for settings that are out of range; called once
#pragma once

#include <concepts>
#include <memory>
#include <utility>

#include "minivit/core/rng.hpp"
#include "minivit/data/augment_policy.hpp"
#include "minivit/data/image_type.hpp"
#include "minivit/data/preprocess.hpp"
#include "minivit/data/train_transform.hpp"
#include "minivit/tensor/shape.hpp"

namespace minivit::inline MINIVIT_ABI::image {

/// A transform from image to image, for example `trivial_augment`.
template <class T>
concept ImageTransform = std::copy_constructible<T> &&
    requires(const T& transform, const Image& image, Rng& rng) {
  { transform(image, rng) } -> std::convertible_to<Image>;
};

/// A transform from an image to the planes that a model reads.
template <class T>
concept PlaneTransform = std::copy_constructible<T> &&
    requires(const T& transform, const Image& image, Rng& rng, float* out) {
  transform(image, rng, out);
  { transform.sample_shape() } -> std::convertible_to<Shape>;
};

static_assert(PlaneTransform<Preprocess> && PlaneTransform<TrainTransform>);

/// One transform after the other: `Chain{trivial_augment, Preprocess{}}`. As the second, so the chain gives
/// an image or planes.
template <ImageTransform First, class Second>
requires ImageTransform<Second> || PlaneTransform<Second>
struct Chain {
  First first;
  Second second;

  Image operator()(const Image& image, Rng& rng) const requires ImageTransform<Second> {
    return second(first(image, rng), rng);
  }
  void operator()(const Image& image, Rng& rng, float* out) const requires PlaneTransform<Second> {
    second(first(image, rng), rng, out);
  }
  [[nodiscard]] Shape sample_shape() const requires PlaneTransform<Second> { return second.sample_shape(); }
  /// Throws ConfigError as the two do.
  void validate() const {
    if constexpr (requires { first.validate(); }) first.validate();
    if constexpr (requires { second.validate(); }) second.validate();
  }
};
template <class First, class Second>
Chain(First, Second) -> Chain<First, Second>;

/// Any PlaneTransform, as a value of one type. Copies share the transform, which is never changed.
class Transform {
 public:
  /// Throws as `transform.validate()`, if it has that. (The order of the conditions matters: the second asks
  /// whether T can be copied, which for Transform itself would ask for this constructor again.)
  template <class T>
  requires(!std::same_as<T, Transform> && PlaneTransform<T>) Transform(T transform) {
    if constexpr (requires { transform.validate(); }) transform.validate();
    self_ = std::make_shared<const Holder<T>>(std::move(transform));
  }

  /// (C, H, W).
  [[nodiscard]] Shape sample_shape() const { return self_->sample_shape(); }

  /// The reduction for an image of width x height pixels; 1 for a transform that does not say.
  [[nodiscard]] int decode_reduction(int width, int height, const Rng& rng) const {
    return self_->decode_reduction(width, height, rng);
  }

  /// Does what is the same every time, if anything is: `decoded.image` becomes that.
  void prepare(Decoded& decoded) const { self_->prepare(decoded); }

  /// Writes the planes of an image that was prepared.
  void finish(const Decoded& prepared, Rng& rng, float* out) const { self_->finish(prepared, rng, out); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual Shape sample_shape() const = 0;
    virtual int decode_reduction(int width, int height, const Rng& rng) const = 0;
    virtual void prepare(Decoded& decoded) const = 0;
    virtual void finish(const Decoded& prepared, Rng& rng, float* out) const = 0;
  };

  template <class T>
  struct Holder final : Interface {
    T transform;

    explicit Holder(T t) : transform(std::move(t)) {}

    Shape sample_shape() const override { return transform.sample_shape(); }
    int decode_reduction(int width, int height, const Rng& rng) const override {
      if constexpr (requires { transform.decode_reduction(width, height, rng); })
        return transform.decode_reduction(width, height, rng);
      return 1;
    }
    void prepare(Decoded& decoded) const override {
      if constexpr (requires { transform.to_size(decoded); })
        if (transform.fixed_geometry()) decoded.image = transform.to_size(decoded);
    }
    void finish(const Decoded& prepared, Rng& rng, float* out) const override {
      if constexpr (requires { transform.to_size(prepared); })
        if (transform.fixed_geometry()) return transform.finish(prepared.image, rng, out);
      if constexpr (requires { transform(prepared, rng, out); })
        transform(prepared, rng, out);
      else
        transform(prepared.image, rng, out);
    }
  };

  std::shared_ptr<const Interface> self_;
};

}  // namespace minivit::inline MINIVIT_ABI::image

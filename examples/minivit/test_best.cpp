// The best model, measured once.
#include "test_best.hpp"

#include "minivit/data/mirror.hpp"
#include "minivit/vit.hpp"

namespace minivit::cli {

Metrics test_best(const std::filesystem::path& run, const TrainingImages& images, std::size_t batch_size,
                  int workers, const std::function<bool()>& go_on,
                  const std::function<void(const std::string&)>& on_skip, bool flip) {
  const ImageClassifier model = load_model(run / "best");
  DataLoader loader(*images.test, {.batch_size = batch_size,
                                   .workers = workers,
                                   .max_bad_fraction = 1.0,
                                   .known_bad = images.test_bad,
                                   .on_skip = on_skip});
  const auto net = [&](const Tensor& images) {
    return Var(flip ? with_mirrored(model.net(), images) : model.net()(images));
  };
  return evaluate(net, loader.epoch(0), go_on);
}

}  // namespace minivit::cli

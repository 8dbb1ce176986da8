// One model, several threads that classify with it at the same time, as a server does:
//   classify_from_threads MODEL IMAGE...      MODEL is a model folder, as the best/ of a run
// A loaded model never changes: it needs no lock and no copy. Each request uses one thread here, so that they
// do not get into each other's way.
#include <atomic>
#include <cstdio>
#include <minivit/vit.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace minivit;

int classify_all(const char* folder, const std::vector<std::string>& paths) {
  const auto model = load_model(folder);
  std::vector<std::string> answers(paths.size());
  std::atomic<std::size_t> next{0};
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i)
      workers.emplace_back([&] {
        set_num_threads(1);  // of this thread's own work
        for (std::size_t k; (k = next++) < paths.size();) try {
            const auto best = model.classify(decode_image(paths[k]), 1);
            answers[k] = str_cat(best[0].name, "  ", best[0].probability);
          } catch (const Error& e) { answers[k] = e.what(); }  // of this image alone; the others go on
      });
  }  // waits for them
  for (std::size_t k = 0; k < paths.size(); ++k)
    std::printf("%s  %s\n", paths[k].c_str(), answers[k].c_str());
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: classify_from_threads MODEL IMAGE...\n"), 2;
  try {
    return classify_all(argv[1], {argv + 2, argv + argc});
  } catch (const Error& e) { return std::fprintf(stderr, "classify_from_threads: %s\n", e.what()), 1; }
}

// The progress line and the rows of an epoch.
#include "progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "minivit/core/check.hpp"
#include "program.hpp"

namespace minivit::cli {

std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(std::llround(std::min(std::max(seconds, 0.0), 3.6e8)));
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  return text;
}

std::string bar_text(double part, int width, bool utf8) {
  const int eighths = static_cast<int>(std::clamp(part, 0.0, 1.0) * width * 8);
  std::string out;
  for (int i = 0; i < width; ++i) {
    const int filled = std::clamp(eighths - 8 * i, 0, 8);
    if (!utf8)
      out += filled == 8 ? '#' : '.';
    else if (filled == 0)
      out += ' ';
    else  // U+2588, the full block, and the seven behind it, ever narrower
      out += {'\xe2', '\x96', static_cast<char>(0x88 + 8 - filled)};
  }
  return out;
}

std::string rate_text(double per_second) {
  char text[32];
  std::snprintf(text, sizeof text,
                per_second >= 9.95    ? "%.0f"
                : per_second >= 0.095 ? "%.1f"
                                      : "%.1g",
                per_second);
  return text;
}

std::string progress_line(const Progress& p, const Terminal& terminal) {
  char head[64], loss[48], accuracy[16] = "", rate[48];
  std::snprintf(head, sizeof head, p.validation ? "validation %lld/%lld " : "epoch %lld/%lld ",
                static_cast<long long>(p.epoch), static_cast<long long>(p.epochs));
  const double part = p.total > 0 ? static_cast<double>(p.batches) / static_cast<double>(p.total) : 0;
  if (p.accuracy) std::snprintf(accuracy, sizeof accuracy, "  acc %.3f", *p.accuracy);
  std::snprintf(loss, sizeof loss, " %3d%%  loss %.4f%s", static_cast<int>(100 * part), p.loss, accuracy);
  std::snprintf(rate, sizeof rate, "%s%s%s", p.images_per_second > 0 ? "  " : "",
                p.images_per_second > 0 ? rate_text(p.images_per_second).c_str() : "",
                p.images_per_second > 0 ? " images/s" : "");
  const std::string left = p.seconds_left < 0 ? "" : str_cat("  ", clock_text(p.seconds_left), " left");
  const std::string parts[] = {head, loss, rate, left};
  if (!terminal.interactive) return str_cat(head, std::string_view(loss).substr(1), rate, left);
  const int room = terminal.width - 1;
  constexpr int kBar = 24, kShortest = 8;
  int bar = kBar, shown = 4;
  const auto length = [&] {
    int n = bar;
    for (int i = 0; i < shown; ++i) n += static_cast<int>(parts[i].size());
    return n;
  };
  while (length() > room && bar > kShortest) --bar;
  while (length() > room && shown > 1) --shown;
  if (length() > room) bar = std::max(0, room - static_cast<int>(parts[0].size()));
  std::string out = parts[0] + bar_text(part, bar, terminal.utf8);
  for (int i = 1; i < shown; ++i) out += parts[i];
  return length() > room ? out.substr(0, static_cast<std::size_t>(std::max(0, room))) : out;
}

void Rate::add(double amount, double seconds) {
  // Half of the weight is younger than ten seconds: steady enough to read, quick enough to notice a change.
  const double keep = std::exp2(-seconds / 10.0);
  amount_ = amount_ * keep + amount;
  seconds_ = seconds_ * keep + seconds;
}

std::string accuracy_text(const Metrics& m, std::size_t classes) {
  return format("accuracy %.4f (%lld/%lld)%s, loss %.4f", m.top1(), static_cast<long long>(m.correct),
                static_cast<long long>(m.samples),
                classes > 5 ? format(", top-5 %.4f", m.top5()).c_str() : "", m.loss());
}

std::string epoch_header(bool top5) {
  return str_cat("epoch  train loss  acc      val loss  acc    ", top5 ? "  top-5 " : "",
                 "  lr        seconds  images/s");
}

std::string epoch_line(const EpochRow& r, bool top5, bool color) {
  char text[160], fifth[32] = "";
  if (top5) std::snprintf(fifth, sizeof fifth, "  %.4f", r.val_top5);
  std::snprintf(text, sizeof text, "%5lld  %10.4f  %.4f  %9.4f  %.4f%c%s  %.2e  %7.1f  %8s",
                static_cast<long long>(r.epoch), r.train_loss, r.train_acc, r.val_loss, r.val_acc,
                r.best ? '*' : ' ', fifth, r.lr, r.seconds,
                r.images_per_second > 0 ? rate_text(r.images_per_second).c_str() : "-");
  return color && r.best ? str_cat("\x1b[1m", text, "\x1b[0m") : std::string(text);
}

std::string loss_header() { return "epoch  train loss   val loss   lr        seconds  images/s"; }

std::string loss_line(const EpochRow& r, bool color) {
  char text[160];
  std::snprintf(text, sizeof text, "%5lld  %10.4f  %9.4f%c  %.2e  %7.1f  %8s",
                static_cast<long long>(r.epoch), r.train_loss, r.val_loss, r.best ? '*' : ' ', r.lr,
                r.seconds, r.images_per_second > 0 ? rate_text(r.images_per_second).c_str() : "-");
  return color && r.best ? str_cat("\x1b[1m", text, "\x1b[0m") : std::string(text);
}

}  // namespace minivit::cli

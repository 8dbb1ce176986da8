// A job of a sweep as a process of its own, which ends with the sweep.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "stop_signal.hpp"

namespace minivit::cli {

/// Runs this program with `arguments`, the first of which is its name, and waits; hands signals on. Should
/// this process be killed, the job gets SIGTERM: it finishes its step, saves, and ends. Returns its exit
/// code, 128 + the signal if it was killed. Throws Error if it cannot be started. Call it on the main thread:
/// the system sends the signal when the thread ends that called it.
int run_job(std::span<const std::string> arguments, const StopSignals& signals);

/// Waits while another process has the run folder, as the job of a sweep that was killed may for a moment,
/// and calls `waits` once if it has to. False if a signal came before the folder was free.
bool wait_for_folder(const std::filesystem::path& run, const StopSignals& signals,
                     const std::function<void()>& waits);

}  // namespace minivit::cli

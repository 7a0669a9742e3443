// What the benchmarks of bench/ share: interleaved runs, and their medians for a closing line.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace latchkey::bench {

// The file is asked for on the command line (--benchmark_out); interleaving is always wanted, so
// that a slow moment of the machine hits both sides of a ratio.
inline void initialize(int argc, char** argv) {
  static std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(interleave.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
}

// Prints as usual and keeps the medians, in each benchmark's own unit; of the real time where a
// benchmark's name ends in "store", since the disk counts there, else of the CPU's.
class MedianReporter final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const auto& run : runs) {
      if (run.aggregate_name == "median") {
        const std::string& name = run.run_name.function_name;
        medians[name] =
            name.ends_with("store") ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime();
      }
    }
  }
  std::map<std::string, double> medians;
};

}  // namespace latchkey::bench

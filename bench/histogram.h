// Latencies in buckets that grow by 1/64 of themselves: any quantile is right within 1.6 per cent.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace latchkey::bench {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[index(nanoseconds)];
    ++total_;
  }
  // The upper edge of the bucket that holds it, in nanoseconds; 0 where nothing was added.
  // `share`: 0 to 1.
  [[nodiscard]] std::uint64_t quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] > 0 && seen >= wanted) {
        return upper(i);
      }
    }
    return 0;
  }
  void clear() { *this = {}; }

 private:
  static constexpr unsigned kBits = 6;
  static std::size_t index(std::uint64_t value) {
    const unsigned width = static_cast<unsigned>(std::bit_width(value | 1));
    const unsigned shift = width > kBits + 1 ? width - kBits - 1 : 0;
    return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t upper(std::size_t at) {
    const std::size_t shift = at < (std::size_t{2} << kBits) ? 0 : (at >> kBits) - 1;
    return (static_cast<std::uint64_t>(at - (shift << kBits)) + 1) << shift;
  }
  std::array<std::uint64_t, std::size_t{64} << kBits> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace latchkey::bench

// Memory for what passes through: blocks of one size, uninitialised, a few of which wait for their
// next use. The heap would give each one back to the system and fetch it again, or fill it with
// zeros, for every request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace latchkey::net {

// `kSize` bytes, or none. Blocks of a size are shared within a thread, and must end in the one that
// they began in.
template <std::size_t kSize, std::size_t kKept = 16>
class Block {
 public:
  Block() = default;
  Block(Block&&) noexcept = default;
  Block& operator=(Block&& other) noexcept {
    reset();
    bytes_ = std::move(other.bytes_);
    return *this;
  }
  ~Block() { reset(); }

  static Block take() {
    Block block;
    auto& kept = waiting();
    if (kept.empty()) {
      block.bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(kSize);
    } else {
      block.bytes_ = std::move(kept.back());
      kept.pop_back();
    }
    return block;
  }
  void reset() {
    if (bytes_ != nullptr && waiting().size() < kKept) {
      waiting().push_back(std::move(bytes_));
    }
    bytes_.reset();
  }
  [[nodiscard]] bool empty() const { return bytes_ == nullptr; }
  // 0 where there is no block.
  [[nodiscard]] std::size_t size() const { return empty() ? 0 : kSize; }
  [[nodiscard]] std::uint8_t* data() const { return bytes_.get(); }
  [[nodiscard]] std::span<std::uint8_t> span() const { return {bytes_.get(), size()}; }

 private:
  static std::vector<std::unique_ptr<std::uint8_t[]>>& waiting() {
    static thread_local std::vector<std::unique_ptr<std::uint8_t[]>> kept = [] {
      std::vector<std::unique_ptr<std::uint8_t[]>> made;
      made.reserve(kKept);
      return made;
    }();
    return kept;
  }
  std::unique_ptr<std::uint8_t[]> bytes_;
};

}  // namespace latchkey::net

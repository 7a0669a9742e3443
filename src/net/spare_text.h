// A text to put a message together in before it is written. Like blocks (block.h), a few of them
// wait with their memory for the next: a head with a small body is over the size up to which the
// heap keeps what it gets back at hand.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace latchkey::net {

// Empty at first. Begins and ends in one thread.
class SpareText {
 public:
  SpareText() {
    auto& kept = waiting();
    if (!kept.empty()) {
      text_ = std::move(kept.back());
      kept.pop_back();
    }
  }
  ~SpareText() {
    if (text_.capacity() >= kLeast && text_.capacity() <= kMost && waiting().size() < kKept) {
      text_.clear();
      waiting().push_back(std::move(text_));
    }
  }
  SpareText(const SpareText&) = delete;
  SpareText& operator=(const SpareText&) = delete;

  std::string& operator*() { return text_; }
  std::string* operator->() { return &text_; }

 private:
  static constexpr std::size_t kKept = 8;
  static constexpr std::size_t kLeast = 512;
  static constexpr std::size_t kMost = 32768;
  static std::vector<std::string>& waiting() {
    static thread_local std::vector<std::string> kept = [] {
      std::vector<std::string> made;
      made.reserve(kKept);
      return made;
    }();
    return kept;
  }
  std::string text_;
};

}  // namespace latchkey::net

#include "wire/cbor.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "wire/frame.h"

namespace latchkey::wire {
namespace {

enum Major : unsigned { kUint, kNegative, kByteString, kText, kArray, kMap, kTag, kSimple };

struct Level {
  std::size_t left = 0;  // items still to come (keys and values both count)
  bool map = false;
  std::size_t first_key = 0;  // index of this map's first key in keys
};

// Reads one structure from front to back with a stack of fixed size. No byte is looked at twice but
// for the comparison of keys.
class Checker {
 public:
  explicit Checker(ByteSpan bytes) : bytes_(bytes) {}

  bool run() {
    // The whole is one map.
    if (bytes_.empty() || bytes_[0] >> 5U != kMap || !item()) {
      return false;
    }
    while (depth_ > 0) {
      Level& level = levels_[depth_ - 1];
      if (level.left == 0) {
        key_count_ = level.map ? level.first_key : key_count_;
        --depth_;
        continue;
      }
      const bool is_key = level.map && level.left % 2 == 0;
      --level.left;
      if (is_key ? !key(level) : !item()) {
        return false;
      }
    }
    return at_ == bytes_.size();
  }

 private:
  // The head of an item: major type and argument.
  bool head(unsigned& major, std::uint64_t& argument) {
    if (at_ >= bytes_.size()) {
      return false;
    }
    const std::uint8_t first = bytes_[at_++];
    major = first >> 5U;
    argument = first & 0x1FU;
    if (argument < 24) {
      return true;
    }
    if (argument > 27) {  // indefinite lengths and reserved values
      return false;
    }
    const std::size_t size = std::size_t{1} << (argument - 24);
    if (bytes_.size() - at_ < size) {
      return false;
    }
    argument = 0;
    for (std::size_t i = 0; i < size; ++i) {
      argument = argument << 8U | bytes_[at_++];
    }
    return true;
  }

  bool string(std::uint64_t size, bool text) {
    if (bytes_.size() - at_ < size) {
      return false;
    }
    const ByteSpan content = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += content.size();
    return !text || is_utf8(as_text(content));
  }

  bool open(std::uint64_t count, bool map) {
    // Each item needs at least a byte: a count that cannot be true is refused here.
    if (depth_ == kMaxCborDepth || count > bytes_.size() - at_ || (map && count > kMaxCborKeys)) {
      return false;
    }
    levels_[depth_++] = {static_cast<std::size_t>(map ? count * 2 : count), map, key_count_};
    return true;
  }

  bool item() {
    unsigned major = 0;
    std::uint64_t argument = 0;
    const std::size_t start = at_;
    if (!head(major, argument)) {
      return false;
    }
    switch (major) {
      case kUint:
        return true;
      case kNegative:  // the library has 64-bit signed numbers
        return argument <= 0x7FFFFFFFFFFFFFFFULL;
      case kByteString:
        return string(argument, false);
      case kText:
        return string(argument, true);
      case kArray:
        return open(argument, false);
      case kMap:
        return open(argument, true);
      case kSimple:  // false, true, null
        return at_ == start + 1 && argument >= 20 && argument <= 22;
      default:
        return false;
    }
  }

  bool key(const Level& level) {
    unsigned major = 0;
    std::uint64_t size = 0;
    if (!head(major, size) || major != kText || bytes_.size() - at_ < size ||
        key_count_ == keys_.size()) {
      return false;
    }
    const auto name = as_text(bytes_.subspan(at_, static_cast<std::size_t>(size)));
    at_ += name.size();
    for (std::size_t i = level.first_key; i < key_count_; ++i) {
      if (keys_[i] == name) {
        return false;
      }
    }
    keys_[key_count_++] = name;
    return is_utf8(name);
  }

  ByteSpan bytes_;
  std::size_t at_ = 0;
  std::array<Level, kMaxCborDepth> levels_{};
  std::size_t depth_ = 0;
  std::array<std::string_view, kMaxCborDepth * kMaxCborKeys> keys_{};
  std::size_t key_count_ = 0;
};

}  // namespace

Result<void> check_cbor(ByteSpan bytes) {
  if (bytes.size() > kMaxFrame || !Checker(bytes).run()) {
    return fail(Error{ErrorCode::kMalformed, "not the CBOR that the protocol uses"});
  }
  return {};
}

Result<nlohmann::json> decode_cbor(ByteSpan bytes) {
  if (auto checked = check_cbor(bytes); !checked) {
    return fail(checked.error());
  }
  auto value = nlohmann::json::from_cbor(bytes.begin(), bytes.end(), true, false);
  if (!value.is_object()) {
    return fail(Error{ErrorCode::kMalformed, "not a map"});
  }
  return value;
}

Bytes encode_cbor(const nlohmann::json& map) {
  LATCHKEY_CHECK(map.is_object());
  return nlohmann::json::to_cbor(map);
}

}  // namespace latchkey::wire

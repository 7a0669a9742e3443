// Frames between agent and device: a 4-byte big-endian length, then that many bytes.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "wire/error.h"

namespace latchkey::wire {

inline constexpr std::size_t kMaxFrame = 65536;

Bytes encode_frame(ByteSpan payload);  // CHECKs the limit: nobody sends more

// Cuts a stream into frames. A length over the limit is refused when its 4 bytes are there, before
// anything is allocated for it; after that the decoder stays failed.
class FrameDecoder {
 public:
  enum class Order { kBigEndian, kNative };
  explicit FrameDecoder(std::size_t limit = kMaxFrame, Order order = Order::kBigEndian)
      : limit_(limit), order_(order) {}
  // Takes bytes from the stream. Never keeps more than it was given.
  Result<void> push(ByteSpan bytes);
  // The next whole frame, if there is one.
  std::optional<Bytes> next();
  // Bytes of a frame that is not yet whole.
  [[nodiscard]] std::size_t buffered() const { return buffer_.size() - start_; }

 private:
  [[nodiscard]] std::optional<std::size_t> length() const;
  std::size_t limit_;
  Order order_;
  bool failed_ = false;
  Bytes buffer_;
  std::size_t start_ = 0;
};

}  // namespace latchkey::wire

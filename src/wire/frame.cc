#include "wire/frame.h"

#include <bit>
#include <cstring>

namespace latchkey::wire {
namespace {

constexpr std::size_t kHead = 4;

}  // namespace

Bytes encode_frame(ByteSpan payload) {
  LATCHKEY_CHECK(payload.size() <= kMaxFrame);
  Bytes out;
  out.reserve(kHead + payload.size());
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(payload.size() >> (shift - 8)));
  }
  append(out, payload);
  return out;
}

std::optional<std::size_t> FrameDecoder::length() const {
  if (buffer_.size() - start_ < kHead) {
    return std::nullopt;
  }
  std::uint32_t value = 0;
  std::memcpy(&value, buffer_.data() + start_, kHead);
  const bool swap = order_ == Order::kBigEndian && std::endian::native == std::endian::little;
  return swap ? __builtin_bswap32(value) : value;
}

Result<void> FrameDecoder::push(ByteSpan bytes) {
  if (failed_) {
    return fail(Error{ErrorCode::kMalformed, "the stream has failed before"});
  }
  // What was handed out makes room first, so that the buffer holds one read and one open frame.
  if (start_ > 0) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  append(buffer_, bytes);
  // Every length in what came is judged now, not when its frame is asked for.
  std::size_t at = 0;
  const std::size_t kept = start_;
  while (buffer_.size() - at >= kHead) {
    start_ = at;
    const std::size_t size = length().value_or(0);
    if (size > limit_) {
      failed_ = true;
      buffer_.clear();
      buffer_.shrink_to_fit();
      start_ = 0;
      return fail(Error{ErrorCode::kMalformed, "a frame over the limit"});
    }
    if (buffer_.size() - at - kHead < size) {
      break;
    }
    at += kHead + size;
  }
  start_ = kept;
  return {};
}

std::optional<Bytes> FrameDecoder::next() {
  const auto size = length();
  if (failed_ || !size || buffer_.size() - start_ - kHead < *size) {
    return std::nullopt;
  }
  const auto begin = buffer_.begin() + static_cast<std::ptrdiff_t>(start_ + kHead);
  Bytes frame(begin, begin + static_cast<std::ptrdiff_t>(*size));
  start_ += kHead + *size;
  return frame;
}

}  // namespace latchkey::wire

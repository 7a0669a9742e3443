// Frames, however the stream is cut: the first byte of the input chooses the size of the pieces.
// The frames that come out, encoded again, are a prefix of the stream; pieces make no difference.
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "wire/frame.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)

struct Decoded {
  std::vector<Bytes> frames;
  bool refused = false;
};

Decoded decode(ByteSpan stream, std::size_t piece) {
  wire::FrameDecoder decoder;
  Decoded out;
  for (std::size_t at = 0; at < stream.size() && !out.refused; at += piece) {
    const ByteSpan part = stream.subspan(at, std::min(piece, stream.size() - at));
    out.refused = !decoder.push(part).has_value();
    while (auto frame = decoder.next()) {
      LATCHKEY_CHECK(frame->size() <= wire::kMaxFrame && !out.refused);
      out.frames.push_back(std::move(*frame));
    }
    LATCHKEY_CHECK(decoder.buffered() <= at + part.size());
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const ByteSpan stream(data + 1, size - 1);
  const Decoded pieces = decode(stream, std::size_t{data[0]} + 1);
  Bytes again;
  for (const auto& frame : pieces.frames) {
    append(again, wire::encode_frame(frame));
  }
  LATCHKEY_CHECK(again.size() <= stream.size());
  LATCHKEY_CHECK(std::equal(again.begin(), again.end(), stream.begin()));
  const Decoded whole = decode(stream, stream.size());
  // At once, a bad length is seen before any frame is handed out.
  LATCHKEY_CHECK(whole.refused == pieces.refused);
  LATCHKEY_CHECK(whole.refused || whole.frames == pieces.frames);
  return 0;
}

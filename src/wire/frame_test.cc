#include "wire/frame.h"

#include <gtest/gtest.h>

#include <cstring>

namespace latchkey::wire {
namespace {

TEST(FrameDecoder, ByteByByteAndAllAtOnce) {
  Bytes stream = encode_frame(as_bytes("one"));
  append(stream, encode_frame({}));
  append(stream, encode_frame(as_bytes("three")));
  for (const bool whole : {true, false}) {
    FrameDecoder decoder;
    std::vector<std::string> frames;
    const auto drain = [&] {
      while (auto frame = decoder.next()) {
        frames.emplace_back(as_text(*frame));
      }
    };
    for (std::size_t i = 0; i < stream.size(); i += whole ? stream.size() : 1) {
      ASSERT_TRUE(decoder.push(ByteSpan(stream).subspan(i, whole ? stream.size() : 1)));
      drain();
    }
    EXPECT_EQ(frames, (std::vector<std::string>{"one", "", "three"}));
    EXPECT_EQ(decoder.buffered(), 0U);
  }
}

// threats.md row 43: the length is refused before anything is allocated for it.
TEST(FrameDecoder, RefusesALengthOverTheLimitAtOnce) {
  FrameDecoder decoder;
  EXPECT_FALSE(decoder.push(Bytes{0x00, 0x01, 0x00, 0x01}));
  EXPECT_FALSE(decoder.push(Bytes{0x00})) << "stays failed";
  EXPECT_FALSE(decoder.next());
  FrameDecoder later;
  Bytes stream = encode_frame(as_bytes("ok"));
  append(stream, Bytes{0xff, 0xff, 0xff, 0xff});
  EXPECT_FALSE(later.push(stream)) << "also behind a good frame";
}

TEST(FrameDecoder, TheLimitItselfIsAllowed) {
  FrameDecoder decoder;
  EXPECT_TRUE(decoder.push(encode_frame(Bytes(kMaxFrame))));
  EXPECT_EQ(decoder.next()->size(), kMaxFrame);
}

TEST(FrameDecoder, NativeOrder) {
  FrameDecoder decoder(16, FrameDecoder::Order::kNative);
  const std::uint32_t size = 2;
  Bytes stream(4);
  std::memcpy(stream.data(), &size, 4);
  append(stream, "{}");
  ASSERT_TRUE(decoder.push(stream));
  EXPECT_EQ(as_text(*decoder.next()), "{}");
}

}  // namespace
}  // namespace latchkey::wire

#include "front/websocket.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace latchkey::front {
namespace {

class FixedRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), next_++); }

 private:
  std::uint8_t next_ = 1;
};

wire::HttpResponseHead answer(int status, std::string upgrade, std::string accept) {
  wire::HttpResponseHead head;
  head.status = status;
  head.fields.add("Upgrade", std::move(upgrade));
  head.fields.add("Sec-WebSocket-Accept", std::move(accept));
  return head;
}

TEST(WebsocketTest, AKeyIsSixteenBytesAndNewEachTime) {
  FixedRandom random;
  const std::string one = websocket_key(random);
  EXPECT_EQ(base64_decode(one, 16).value().size(), 16U);
  EXPECT_NE(websocket_key(random), one);
}

// The example of RFC 6455 section 1.3.
TEST(WebsocketTest, OnlyTheAnswerToItsKeyIsTaken) {
  constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
  constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  const std::string accept(kAccept);
  EXPECT_TRUE(accepts_websocket(answer(101, "WebSocket", accept), kKey));
  EXPECT_FALSE(accepts_websocket(answer(200, "websocket", accept), kKey));
  EXPECT_FALSE(accepts_websocket(answer(101, "h2c", accept), kKey));
  EXPECT_FALSE(accepts_websocket(answer(101, "websocket", accept), "another"));
  EXPECT_FALSE(accepts_websocket(answer(101, "websocket", "x"), kKey));
  wire::HttpResponseHead bare;
  bare.status = 101;
  EXPECT_FALSE(accepts_websocket(bare, kKey));
  wire::HttpResponseHead twice = answer(101, "websocket", accept);
  twice.fields.add("Sec-WebSocket-Accept", accept);
  EXPECT_FALSE(accepts_websocket(twice, kKey));
}

}  // namespace
}  // namespace latchkey::front

#include "gatt/values.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace latchkey::gatt {
namespace {

Bytes hex(std::string_view text) {
  return hex_decode(text, text.size() / 2).value();
}

constexpr SessionId kSession{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17};

// The example bytes of docs/protocol.md section 13.
TEST(GattValuesTest, AreAsTheProtocolSays) {
  EXPECT_EQ(write_hello({kSession, 0, 0, 32}), hex("8001101112131415161700000000000020"));
  EXPECT_EQ(write_welcome({kSession, 0, 182, 32}), hex("810110111213141516170000000000b620"));
  EXPECT_EQ(write_hello({kSession, 1234, 182, 31}), hex("800110111213141516170000"
                                                        "04d200b61f"));
  EXPECT_EQ(write_piece(5, as_bytes("abc")), hex("05616263"));
  EXPECT_EQ(write_ack({false, 16, 32}), hex("821020"));
  EXPECT_EQ(write_ack({true, 3, 32}), hex("830320"));
  EXPECT_EQ(write_ask(9), hex("8409"));
  EXPECT_EQ(write_end(EndReason::kDone), hex("8500"));
  EXPECT_EQ(write_end(EndReason::kRefused), hex("8506"));
}

TEST(GattValuesTest, WhatIsWrittenIsRead) {
  const Greeting greeting{kSession, 70000, 20, 7};
  EXPECT_EQ(std::get<Hello>(*read_value(write_hello(greeting))).greeting, greeting);
  EXPECT_EQ(std::get<Welcome>(*read_value(write_welcome(greeting))).greeting, greeting);
  const Bytes piece = write_piece(127, as_bytes("x"));
  EXPECT_EQ(std::get<Piece>(*read_value(piece)).number, 127);
  EXPECT_EQ(as_text(std::get<Piece>(*read_value(piece)).bytes), "x");
  EXPECT_TRUE(std::get<Ack>(*read_value(write_ack({true, 3, 0}))).again);
  EXPECT_EQ(std::get<Ask>(*read_value(write_ask(100))).next, 100);
  EXPECT_EQ(std::get<End>(*read_value(write_end(EndReason::kCancelled))).reason,
            EndReason::kCancelled);
}

TEST(GattValuesTest, AnotherVersionIsNotRead) {
  EXPECT_TRUE(std::holds_alternative<OtherVersion>(*read_value(hex("8002"))));
  EXPECT_TRUE(std::holds_alternative<OtherVersion>(*read_value(hex("81020000"))));
}

TEST(GattValuesTest, AllElseIsRefused) {
  EXPECT_FALSE(read_value({}));
  EXPECT_FALSE(read_value(Bytes(kMaxValue + 1, 1)));
  EXPECT_TRUE(read_value(Bytes(kMaxValue, 1)));
  for (const char* text : {
           "00",  // a piece of nothing
           "80",
           "81",                                    // nothing behind it
           "80011011121314151617000000000000",      // a byte short
           "800110111213141516170000000000002000",  // a byte long
           "8001101112131415161700000000001320",    // values of 19 bytes
           "8001101112131415161700000000020120",    // values of 513 bytes
           "8001101112131415161700000000000021",    // more credit than there is
           "82",
           "8210",
           "82102000",
           "828020",
           "821021",
           "838020",
           "84",
           "8480",
           "840000",
           "85",
           "8508",
           "85ff",
           "850000",
           "86",
           "8600",
           "ff",
       }) {
    EXPECT_FALSE(read_value(hex(text))) << text;
  }
}

TEST(GattValuesTest, SizesOfAConnection) {
  EXPECT_EQ(value_size(23), 20U);
  EXPECT_EQ(value_size(185), 182U);
  EXPECT_EQ(value_size(517), 512U);  // no characteristic has a longer one
  EXPECT_EQ(value_size(5), 20U);
  EXPECT_EQ(value_size(65535), 512U);
}

}  // namespace
}  // namespace latchkey::gatt

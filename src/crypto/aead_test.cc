#include "crypto/aead.h"

#include <gtest/gtest.h>

namespace latchkey::crypto {
namespace {

SecretBytes key() {
  return SecretBytes::copy_of(Bytes(32, 7));
}

TEST(CounterAead, OpensInOrder) {
  CounterAead sender(key());
  CounterAead receiver(key());
  for (const char* text : {"one", "", "three"}) {
    const auto sealed = sender.seal(as_bytes(text));
    ASSERT_TRUE(sealed);
    const auto opened = receiver.open(*sealed);
    ASSERT_TRUE(opened);
    EXPECT_EQ(as_text(opened->span()), text);
  }
}

TEST(CounterAead, RepeatedOrLostFrameEndsTheChannel) {
  CounterAead sender(key());
  CounterAead receiver(key());
  const auto first = sender.seal(as_bytes("one"));
  const auto second = sender.seal(as_bytes("two"));
  ASSERT_TRUE(receiver.open(*first));
  EXPECT_FALSE(receiver.open(*first)) << "a repeated frame";
  EXPECT_FALSE(receiver.open(*second)) << "nothing opens after a failure";

  CounterAead other(key());
  EXPECT_FALSE(other.open(*second)) << "a lost frame";
}

TEST(CounterAead, EveryFlippedBitIsNoticed) {
  CounterAead sender(key());
  const auto sealed = sender.seal(as_bytes("text"));
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    Bytes damaged = *sealed;
    damaged[i] ^= 1U;
    CounterAead receiver(key());
    EXPECT_FALSE(receiver.open(damaged)) << i;
  }
  CounterAead receiver(key());
  EXPECT_FALSE(receiver.open(Bytes(15)));
}

}  // namespace
}  // namespace latchkey::crypto

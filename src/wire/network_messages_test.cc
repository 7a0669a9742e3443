#include "wire/network_messages.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "wire/cbor.h"

namespace latchkey::wire {
namespace {

NetworkCredentials credentials(std::string_view ssid, std::string_view psk) {
  return {to_bytes(as_bytes(ssid)), SecretBytes::copy_of(as_bytes(psk))};
}

// The example bytes of docs/protocol.md section 4.
TEST(NetworkMessagesTest, AreAsTheProtocolSays) {
  EXPECT_EQ(hex_encode(encode(credentials("Home", "correct horse")).span()),
            "a36174676e6574776f726b6370736b4d636f727265637420686f7273656473736964"
            "44486f6d65");
  EXPECT_EQ(hex_encode(encode(NetworkReply{NetworkState::kJoined})),
            "a2657374617465666a6f696e65646174676e6574776f726b");
}

TEST(NetworkMessagesTest, WhatIsWrittenIsRead) {
  const std::string hex(64, 'a');
  for (const std::string& psk :
       {std::string(), std::string("12345678"), std::string(63, '~'), hex}) {
    for (const std::string& ssid :
         {std::string("x"), std::string(32, '\n'), std::string(24, 'y')}) {
      const SecretBytes bytes = encode(credentials(ssid, psk));
      ASSERT_TRUE(check_cbor(bytes.span()));
      const auto read = read_network(bytes.span());
      ASSERT_TRUE(read && *read);
      EXPECT_EQ(as_text((*read)->ssid), ssid);
      EXPECT_EQ(as_text((*read)->psk.span()), psk);
    }
  }
  for (const NetworkState state :
       {NetworkState::kJoined, NetworkState::kFailed, NetworkState::kWrongPassword,
        NetworkState::kNotFound, NetworkState::kUnsupported}) {
    EXPECT_EQ(decode<NetworkReply>(encode(NetworkReply{state}))->state, state);
  }
}

TEST(NetworkMessagesTest, UnsoundOnesAreRefused) {
  EXPECT_FALSE(are_sound(credentials("", "12345678")));
  EXPECT_FALSE(are_sound(credentials(std::string(33, 'x'), "12345678")));
  EXPECT_FALSE(are_sound(credentials("x", "1234567")));
  EXPECT_FALSE(are_sound(credentials("x", std::string(64, 'g'))));
  EXPECT_FALSE(are_sound(credentials("x", std::string(65, 'a'))));
  EXPECT_FALSE(are_sound(credentials("x", "12345678\nssid 00")));
  EXPECT_FALSE(are_sound(credentials("x", "p\xc3\xa4sswort")));
  // The same from outside.
  const auto binary = [](std::string_view text) {
    return nlohmann::json::binary({text.begin(), text.end()});
  };
  EXPECT_FALSE(read_network(
      encode_cbor({{"t", "network"}, {"ssid", binary("x")}, {"psk", binary("1234\n5678")}})));
  EXPECT_FALSE(read_network(encode_cbor({{"t", "network"}, {"ssid", binary("x")}})));
  EXPECT_FALSE(read_network(encode_cbor({{"t", "network"}, {"ssid", "x"}, {"psk", "12345678"}})));
  EXPECT_FALSE(read_network(as_bytes("nonsense")));
  // Another message is none of ours.
  const auto other = read_network(encode_cbor({{"t", "offer"}}));
  ASSERT_TRUE(other);
  EXPECT_FALSE(*other);
  EXPECT_FALSE(decode<NetworkReply>(encode_cbor({{"t", "network"}, {"state", "perhaps"}})));
}

TEST(NetworkMessagesTest, AQueryIsNothingElse) {
  EXPECT_EQ(hex_encode(encode_network_query()), "a161746d6e6574776f726b5f7175657279");
  EXPECT_TRUE(is_network_query(encode_network_query()));
  EXPECT_FALSE(is_network_query(encode_cbor({{"t", "network"}})));
  EXPECT_FALSE(is_network_query(as_bytes("nonsense")));
  EXPECT_FALSE(*read_network(encode_network_query()));
  EXPECT_EQ(decode<NetworkReply>(encode(NetworkReply{NetworkState::kWanted}))->state,
            NetworkState::kWanted);
}

}  // namespace
}  // namespace latchkey::wire

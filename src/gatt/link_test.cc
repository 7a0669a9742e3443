// A stream over a bad radio: what is sent arrives once and in order, or the session ends.
#include "gatt/link.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"
#include "support/gatt_wire.h"

namespace latchkey::gatt {
namespace {

using namespace std::chrono_literals;
using testing::FakeRandom;
using testing::GattWire;
using Fate = GattWire::Fate;
constexpr auto kCentral = GattWire::kCentral;
constexpr auto kPeripheral = GattWire::kPeripheral;

Bytes pattern(std::size_t size, std::uint8_t seed) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::uint8_t>(i * 7 + i / 251 + seed);
  }
  return out;
}

// Both send, both ways at once; then both are done.
void exchange(GattWire& wire, std::size_t size) {
  const Bytes there = pattern(size, 1);
  const Bytes back = pattern(size, 2);
  wire.send(kCentral, there);
  wire.send(kPeripheral, back);
  ASSERT_TRUE(wire.run());
  EXPECT_EQ(wire.input[kPeripheral], there);
  EXPECT_EQ(wire.input[kCentral], back);
  EXPECT_FALSE(wire.ended[kCentral]);
  EXPECT_FALSE(wire.ended[kPeripheral]);
  wire.perform(kCentral, wire.links[kCentral].finish(wire.now));
  ASSERT_TRUE(wire.run());
  ASSERT_TRUE(wire.ended[kCentral] && wire.ended[kPeripheral]);
  EXPECT_EQ(wire.ended[kCentral]->reason, EndReason::kDone);
  EXPECT_EQ(wire.ended[kPeripheral]->reason, EndReason::kDone);
  EXPECT_TRUE(wire.ended[kPeripheral]->from_peer);
}

TEST(GattLinkTest, CarriesAStreamAtEveryMtu) {
  for (std::size_t mtu = kMinMtu; mtu <= kMaxMtu; ++mtu) {
    SCOPED_TRACE(mtu);
    GattWire wire;
    wire.connect(mtu);
    exchange(wire, 3000);
    EXPECT_LE(wire.longest[kCentral], value_size(mtu));
    EXPECT_LE(wire.longest[kPeripheral], value_size(mtu));
    EXPECT_EQ(std::max(wire.longest[kCentral], wire.longest[kPeripheral]), value_size(mtu));
  }
}

// Web Bluetooth does not say what the MTU is; the device knows.
TEST(GattLinkTest, ACentralThatDoesNotKnowTheMtuIsTold) {
  GattWire wire;
  wire.connect(0, 185);
  exchange(wire, 3000);
  EXPECT_EQ(wire.longest[kCentral], 182U);
  GattWire neither;
  neither.connect(0, 0);
  exchange(neither, 3000);
  EXPECT_EQ(neither.longest[kCentral], 20U);
  GattWire differ;
  differ.connect(517, 100);
  exchange(differ, 3000);
  EXPECT_EQ(differ.longest[kCentral], 97U);
  EXPECT_EQ(differ.longest[kPeripheral], 97U);
}

TEST(GattLinkTest, EveryValueMayBeLostRepeatedOrOvertaken) {
  for (const std::size_t mtu : {23U, 185U, 517U}) {
    GattWire plain;
    plain.connect(mtu);
    exchange(plain, 1500);
    for (const Fate fate : {Fate::kDrop, Fate::kRepeat, Fate::kOvertaken}) {
      // All but the last one, the farewell: nothing asks for that again.
      for (int n = 0; n < plain.values - 1; ++n) {
        SCOPED_TRACE(::testing::Message() << mtu << " " << static_cast<int>(fate) << " " << n);
        GattWire wire;
        wire.fate = [&](int value) { return value == n ? fate : Fate::kDeliver; };
        wire.connect(mtu);
        exchange(wire, 1500);
      }
    }
  }
}

TEST(GattLinkTest, ManyMayBeLostRepeatedAndOvertaken) {
  for (const int one_of : {2, 4, 16}) {
    for (const Fate fate : {Fate::kDrop, Fate::kRepeat, Fate::kOvertaken}) {
      SCOPED_TRACE(::testing::Message() << one_of << " " << static_cast<int>(fate));
      GattWire wire;
      FakeRandom luck(static_cast<std::uint64_t>(one_of));
      wire.fate = [&](int) { return luck.bytes<1>()[0] % one_of == 0 ? fate : Fate::kDeliver; };
      wire.connect(50);
      const Bytes there = pattern(5000, 1);
      const Bytes back = pattern(5000, 2);
      wire.send(kCentral, there);
      wire.send(kPeripheral, back);
      ASSERT_TRUE(wire.run());
      // A radio that loses every other value may be given up; what came is right all the same.
      if (one_of > 2 || fate != Fate::kDrop) {
        EXPECT_EQ(wire.input[kPeripheral].size(), there.size());
        EXPECT_EQ(wire.input[kCentral].size(), back.size());
      } else {
        EXPECT_TRUE(wire.ended[kCentral] || wire.input[kPeripheral].size() == there.size());
      }
      EXPECT_TRUE(std::ranges::equal(wire.input[kPeripheral],
                                     ByteSpan(there).first(wire.input[kPeripheral].size())));
      EXPECT_TRUE(std::ranges::equal(wire.input[kCentral],
                                     ByteSpan(back).first(wire.input[kCentral].size())));
    }
  }
}

TEST(GattLinkTest, GoesOnAfterADisconnectAtEachValue) {
  for (const std::size_t mtu : {23U, 185U}) {
    GattWire plain;
    plain.connect(mtu);
    exchange(plain, 1500);
    for (int n = 0; n < plain.values - 1; ++n) {
      SCOPED_TRACE(::testing::Message() << mtu << " " << n);
      GattWire wire;
      wire.fate = [&](int value) { return value == n ? Fate::kDisconnect : Fate::kDeliver; };
      wire.connect(mtu);
      exchange(wire, 1500);
    }
  }
}

TEST(GattLinkTest, GoesOnWithAnotherMtu) {
  GattWire wire;
  wire.connect(517);
  wire.send(kCentral, pattern(4000, 1));
  for (int i = 0; i < 5; ++i) {
    wire.step();
  }
  wire.disconnect();
  wire.now = wire.now + 29s;
  wire.connect(23);
  ASSERT_TRUE(wire.run());
  EXPECT_EQ(wire.input[kPeripheral], pattern(4000, 1));
}

TEST(GattLinkTest, AConnectionThatStaysAwayEndsIt) {
  GattWire wire;
  wire.connect(185);
  wire.send(kCentral, pattern(100, 1));
  ASSERT_TRUE(wire.run());
  wire.disconnect();
  EXPECT_EQ(wire.links[kCentral].deadline(), wire.now + kResumeTime);
  wire.pass_until(wire.now + (kResumeTime - 1ms));
  EXPECT_FALSE(wire.ended[kCentral]);
  wire.pass_until(wire.now + 1ms);
  EXPECT_EQ(wire.ended[kCentral]->reason, EndReason::kLost);
  EXPECT_EQ(wire.ended[kPeripheral]->reason, EndReason::kLost);
  EXPECT_TRUE(wire.links[kCentral].connected(wire.now, 185).empty());
}

TEST(GattLinkTest, AnEndThatNeverAnswersEndsIt) {
  GattWire wire;
  wire.connect(185);
  wire.send(kCentral, pattern(100, 1));
  ASSERT_TRUE(wire.run());
  wire.fate = [](int) { return Fate::kDrop; };
  wire.send(kCentral, pattern(100, 3));
  ASSERT_TRUE(wire.run());
  EXPECT_EQ(wire.ended[kCentral]->reason, EndReason::kTimeout);
  // A radio that takes nothing does not keep it either.
  Link stuck(Role::kCentral, SessionId{});
  (void)stuck.connected(MonoTime{0}, 23);
  MonoTime now{0};
  while (const auto due = stuck.deadline()) {
    now = *due;
    (void)stuck.on_time(now);
  }
  EXPECT_TRUE(stuck.has_ended());
  EXPECT_LE(now, MonoTime{0} + 15s);
}

TEST(GattLinkTest, AReaderThatStopsStopsTheSender) {
  GattWire wire;
  wire.reads[kPeripheral] = false;
  wire.connect(517);
  const Bytes all = pattern(60000, 1);
  std::size_t sent = 0;
  const auto fill = [&] {
    const std::size_t size = std::min(wire.links[kCentral].room(), all.size() - sent);
    wire.send(kCentral, ByteSpan(all).subspan(sent, size));
    sent += size;
  };
  fill();
  while (wire.step()) {
    fill();
  }
  EXPECT_LE(wire.input[kPeripheral].size(), kMaxUnread);
  EXPECT_GT(wire.input[kPeripheral].size(), kMaxUnread / 2);
  // Waiting for the reader is no failure of the connection.
  for (int i = 0; i < 60; ++i) {
    wire.pass_until(wire.now + 1s);
    while (wire.step()) {
    }
  }
  EXPECT_FALSE(wire.ended[kCentral]);
  // It reads on, and the first word about it is lost.
  const int first = wire.values;
  wire.fate = [first](int n) { return n == first ? Fate::kDrop : Fate::kDeliver; };
  std::size_t read = 0;
  while (wire.input[kPeripheral].size() < all.size()) {
    const std::size_t came = wire.input[kPeripheral].size() - read;
    read += came;
    wire.perform(kPeripheral, wire.links[kPeripheral].consumed(wire.now, came));
    fill();
    if (!wire.step()) {
      const auto due = wire.links[kCentral].deadline();
      ASSERT_TRUE(due);
      wire.pass_until(*due);
    }
  }
  EXPECT_EQ(wire.input[kPeripheral], all);
}

TEST(GattLinkTest, NoMoreThanTheLimitIsSentOrTaken) {
  GattWire wire;
  wire.connect(517);
  std::size_t sent = 0;
  while (wire.links[kCentral].room() > 0) {
    const std::size_t size = wire.links[kCentral].room();
    wire.send(kCentral, Bytes(size, 1));
    sent += size;
    ASSERT_TRUE(wire.run());
  }
  EXPECT_EQ(sent, kMaxStream);
  EXPECT_EQ(wire.input[kPeripheral].size(), kMaxStream);
  EXPECT_FALSE(wire.ended[kPeripheral]);
}

// threats.md row 42, on the side of whoever listens: a peer that keeps to no rule.
class GattLinkRow42 : public ::testing::Test {
 protected:
  GattLinkRow42() {
    (void)link_.connected(now_, 185);
    (void)give(write_hello({session_, 0, 182, 32}));
  }
  Effects give(ByteSpan value) {
    Effects effects = link_.on_value(now_, value);
    for (const auto& effect : effects) {
      if (const auto* received = std::get_if<Received>(&effect)) {
        append(input_, received->bytes);
        (void)link_.consumed(now_, received->bytes.size());
      } else if (const auto* over = std::get_if<Ended>(&effect)) {
        ended_ = over->reason;
      }
    }
    while (!link_.on_value_taken(now_).empty()) {
    }
    return effects;
  }
  MonoTime now_{0};
  SessionId session_{9, 9, 9, 9, 9, 9, 9, 9};
  Link link_{Role::kPeripheral, session_};
  Bytes input_;
  std::optional<EndReason> ended_;
};

TEST_F(GattLinkRow42, EndlessPieces) {
  std::uint8_t number = 0;
  std::size_t given = 0;
  while (!ended_ && given < 2 * kMaxStream) {
    (void)give(write_piece(number, Bytes(181, 7)));
    number = (number + 1) & 0x7F;
    given += 181;
  }
  EXPECT_EQ(ended_, EndReason::kLimit);
  EXPECT_LE(input_.size(), kMaxStream);
}

TEST_F(GattLinkRow42, EndlessRepetition) {
  (void)give(write_piece(0, as_bytes("once")));
  for (std::size_t i = 0; i <= kMaxUseless && !ended_; ++i) {
    (void)give(write_piece(0, as_bytes("once")));
  }
  EXPECT_EQ(ended_, EndReason::kLimit);
  EXPECT_EQ(as_text(input_), "once");
}

TEST_F(GattLinkRow42, EndlessQuestions) {
  for (std::size_t i = 0; i <= kMaxUseless && !ended_; ++i) {
    EXPECT_LE(give(write_ask(0)).size(), 2U);
  }
  EXPECT_EQ(ended_, EndReason::kLimit);
}

TEST_F(GattLinkRow42, EndlessConnections) {
  for (std::size_t i = 0; i <= kMaxConnections && !ended_; ++i) {
    (void)link_.disconnected(now_);
    for (const auto& effect : link_.connected(now_, 185)) {
      if (const auto* over = std::get_if<Ended>(&effect)) {
        ended_ = over->reason;
      }
    }
  }
  EXPECT_EQ(ended_, EndReason::kLimit);
}

TEST_F(GattLinkRow42, PiecesOutOfOrderAreAskedForOnce) {
  (void)give(write_piece(0, as_bytes("a")));
  const Effects first = give(write_piece(2, as_bytes("c")));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(std::get<SendValue>(first[0]).value, write_ack({true, 1, 32}));
  EXPECT_TRUE(give(write_piece(3, as_bytes("d"))).empty());
  (void)give(write_piece(1, as_bytes("b")));
  EXPECT_EQ(as_text(input_), "ab");  // what came too early has to come again
  (void)give(write_piece(2, as_bytes("c")));
  EXPECT_EQ(as_text(input_), "abc");
  EXPECT_FALSE(ended_);
}

TEST_F(GattLinkRow42, PiecesThatWereNotGranted) {
  (void)give(write_piece(32, as_bytes("far ahead")));
  EXPECT_EQ(ended_, EndReason::kLimit);
}

TEST_F(GattLinkRow42, WhatIsNoValue) {
  (void)give(Bytes(kMaxValue + 1, 0));
  EXPECT_EQ(ended_, EndReason::kMalformed);
}

TEST_F(GattLinkRow42, ConfirmationOfWhatWasNeverSent) {
  (void)give(write_ack({false, 1, 32}));
  EXPECT_EQ(ended_, EndReason::kMalformed);
}

TEST_F(GattLinkRow42, AnotherSessionInTheMiddle) {
  (void)give(write_hello({SessionId{1}, 0, 182, 32}));
  EXPECT_EQ(ended_, EndReason::kMalformed);
}

TEST_F(GattLinkRow42, ASessionThatWasForgotten) {
  Link fresh(Role::kPeripheral, session_);
  (void)fresh.connected(now_, 185);
  const Effects effects = fresh.on_value(now_, write_hello({session_, 1, 182, 32}));
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(std::get<SendValue>(effects[0]).value, write_end(EndReason::kUnknownSession));
  EXPECT_EQ(std::get<Ended>(effects[1]).reason, EndReason::kUnknownSession);
}

TEST_F(GattLinkRow42, NoHello) {
  Link fresh(Role::kPeripheral, session_);
  (void)fresh.connected(now_, 185);
  EXPECT_EQ(fresh.deadline(), now_ + kGreetingTime);
  const Effects effects = fresh.on_time(now_ + kGreetingTime);
  EXPECT_EQ(std::get<Ended>(effects.back()).reason, EndReason::kTimeout);
}

TEST_F(GattLinkRow42, AnotherVersion) {
  Link fresh(Role::kPeripheral, session_);
  (void)fresh.connected(now_, 185);
  Bytes hello = write_hello({session_, 0, 182, 32});
  hello[1] = 2;
  EXPECT_EQ(std::get<Ended>(fresh.on_value(now_, hello).back()).reason, EndReason::kUnsupported);
}

// A peripheral that changes its mind.
TEST(GattLinkCentralRow42, AnotherSessionOrAnotherPlace) {
  const SessionId session{1};
  const auto open = [&](const Greeting& welcome) {
    Link link(Role::kCentral, session);
    (void)link.connected(MonoTime{0}, 185);
    (void)link.on_value(MonoTime{0}, write_welcome({session, 0, 182, 32}));
    (void)link.send(MonoTime{0}, Bytes(300, 1));
    (void)link.on_value(MonoTime{0}, write_ack({false, 1, 32}));
    (void)link.disconnected(MonoTime{0});
    (void)link.connected(MonoTime{0}, 185);
    std::optional<EndReason> reason;
    for (const auto& effect : link.on_value(MonoTime{0}, write_welcome(welcome))) {
      if (const auto* over = std::get_if<Ended>(&effect)) {
        reason = over->reason;
      }
    }
    return reason;
  };
  EXPECT_EQ(open({session, 181, 182, 32}), std::nullopt);
  EXPECT_EQ(open({session, 300, 182, 32}), std::nullopt);
  EXPECT_EQ(open({session, 180, 182, 32}), EndReason::kUnknownSession);  // it had more before
  EXPECT_EQ(open({session, 301, 182, 32}), EndReason::kUnknownSession);  // that was never sent
  EXPECT_EQ(open({SessionId{2}, 181, 182, 32}), EndReason::kMalformed);
}

}  // namespace
}  // namespace latchkey::gatt

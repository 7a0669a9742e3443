// Two gatt::Links and the air between them, in simulated time: values can be lost, repeated,
// overtaken, and the connection can go away after any of them.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "gatt/link.h"

namespace latchkey::testing {

class GattWire {
 public:
  enum Side : std::size_t { kCentral = 0, kPeripheral = 1 };
  // What becomes of the n-th value, counted over both directions from 0.
  enum class Fate { kDeliver, kDrop, kRepeat, kOvertaken, kDisconnect };

  explicit GattWire(const gatt::SessionId& session = {1, 2, 3, 4, 5, 6, 7, 8})
      : links{gatt::Link(gatt::Role::kCentral, session),
              gatt::Link(gatt::Role::kPeripheral, session)} {}

  void connect(std::size_t central_mtu, std::size_t peripheral_mtu) {
    mtus = {central_mtu, peripheral_mtu};
    perform(kPeripheral, links[kPeripheral].connected(now, peripheral_mtu));
    perform(kCentral, links[kCentral].connected(now, central_mtu));
  }
  void connect(std::size_t mtu) { connect(mtu, mtu); }
  void disconnect() {
    ++connection_;
    air = {};
    for (const Side side : {kCentral, kPeripheral}) {
      perform(side, links[side].disconnected(now));
    }
  }
  void send(Side from, ByteSpan what) { perform(from, links[from].send(now, what)); }

  // Delivers the oldest value of one direction, in turns. False: nothing is on its way.
  bool step() {
    turn_ = 1 - turn_;
    const std::size_t to = air[turn_].empty() ? 1 - turn_ : turn_;
    if (air[to].empty()) {
      return false;
    }
    Bytes value = std::move(air[to].front());
    air[to].pop_front();
    const auto from = static_cast<Side>(1 - to);
    if (tamper) {
      tamper(from, value);
    }
    const Fate what = fate(values++);
    bytes[from] += value.size();
    if (what == Fate::kDisconnect) {
      disconnect();
      connect(mtus[kCentral], mtus[kPeripheral]);
      return true;
    }
    const int connection = connection_;
    perform(from, links[from].on_value_taken(now));
    if (what == Fate::kOvertaken) {
      // Behind the one after it, or at least not now.
      air[to].insert(air[to].begin() + (air[to].empty() ? 0 : 1), std::move(value));
      if (air[to].size() > 1) {
        return true;
      }
      value = std::move(air[to].front());
      air[to].pop_front();
    }
    const int times = what == Fate::kDrop ? 0 : what == Fate::kRepeat ? 2 : 1;
    for (int i = 0; i < times && connection == connection_; ++i) {
      deliver(static_cast<Side>(to), value);
    }
    return true;
  }
  // One connection event: what was on its way when it began arrives, up to `per_event` values each
  // way. False: there was nothing.
  bool event() {
    const std::array<std::size_t, 2> here{air[0].size(), air[1].size()};
    if (here[0] + here[1] == 0) {
      return false;
    }
    now = pace(now);
    for (const std::size_t to : {std::size_t{1}, std::size_t{0}}) {
      for (std::size_t i = 0; i < std::min(here[to], per_event); ++i) {
        turn_ = 1 - to;
        (void)step();
      }
    }
    return true;
  }
  void deliver(Side to, ByteSpan value) { perform(to, links[to].on_value(now, value)); }

  // Until both have ended or nothing will ever happen; true where it stopped by itself.
  bool run(std::size_t most = 100000) {
    for (std::size_t i = 0; i < most; ++i) {
      if (pace ? event() : step()) {
        continue;
      }
      std::optional<MonoTime> next = timer;
      for (const auto& link : links) {
        if (const auto due = link.deadline(); due && (!next || *due < *next)) {
          next = due;
        }
      }
      if (!next) {
        return true;
      }
      pass_until(*next);
    }
    return false;
  }
  void pass_until(MonoTime then) {
    now = std::max(now, then);
    for (const Side side : {kCentral, kPeripheral}) {
      perform(side, links[side].on_time(now));
    }
    if (on_time) {
      on_time();
    }
  }

  void perform(Side side, gatt::Effects effects) {
    Bytes came;
    for (gatt::Effect& effect : effects) {
      if (auto* sent = std::get_if<gatt::SendValue>(&effect)) {
        longest[side] = std::max(longest[side], sent->value.size());
        air[1 - side].push_back(std::move(sent->value));
      } else if (auto* received = std::get_if<gatt::Received>(&effect)) {
        append(came, received->bytes);
      } else {
        ended[side] = std::get<gatt::Ended>(effect);
      }
    }
    // Only now: whoever reads may send.
    append(input[side], came);
    if (reads[side] && !came.empty()) {
      perform(side, links[side].consumed(now, came.size()));
    }
    if (on_input && !came.empty()) {
      on_input(side, came);
    }
  }

  std::array<gatt::Link, 2> links;
  std::array<std::deque<Bytes>, 2> air;  // by whom it is for
  std::array<std::size_t, 2> mtus{};
  std::array<Bytes, 2> input;
  std::array<bool, 2> reads{true, true};
  std::array<std::optional<gatt::Ended>, 2> ended;
  std::array<std::size_t, 2> bytes{};    // of values, by whom they are from
  std::array<std::size_t, 2> longest{};  // value
  std::function<Fate(int)> fate = [](int) { return Fate::kDeliver; };
  std::function<void(Side from, Bytes& value)> tamper;
  std::function<void(Side, ByteSpan)> on_input;
  std::optional<MonoTime> timer;  // somebody else's deadline, for on_time
  std::function<void()> on_time;
  // Where set: when the next connection event is; values wait for it.
  std::function<MonoTime(MonoTime now)> pace;
  std::size_t per_event = 1;
  MonoTime now{1000};
  int values = 0;

 private:
  std::size_t turn_ = 0;
  int connection_ = 0;
};

}  // namespace latchkey::testing

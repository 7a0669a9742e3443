// What the agent does by itself, and when: renewing certificates, finishing offers whose end was
// lost, telling devices which grants ended. Pure: it says what is due; others do it and say how it
// went. A device that does not answer is left alone for longer and longer.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "agent/ports.h"
#include "base/clock.h"

namespace latchkey::agent {

// Nothing is due for longer than this: the agent looks again all the same.
inline constexpr std::chrono::milliseconds kLongestSleep = std::chrono::hours(6);
// Devices visited at the same time; others wait for their turn, the most urgent first.
inline constexpr std::size_t kMaxVisits = 8;
inline constexpr std::chrono::milliseconds kFirstRetry = std::chrono::seconds(30);
inline constexpr std::chrono::milliseconds kLastRetry = std::chrono::hours(1);
// The wall clock went so far away from the monotonic one: the computer slept, or the clock was set.
inline constexpr std::chrono::milliseconds kJump = std::chrono::seconds(90);

// Everything to be done with one device over one connection, in this order.
struct Visit {
  grant::Binding binding;
  std::vector<GrantId> hold;     // the device is to suspend them
  std::vector<GrantId> release;  // and these are back
  std::vector<OwedDeletion> tell_ended;
  std::vector<GrantId> complete;
  std::vector<GrantId> renew;
  bool check_in = false;  // a new grant that the device drops unless it hears from us within a day
  // Alone: all of it was forgotten here, and `binding` is what it was.
  std::optional<OwedForgetting> forget = std::nullopt;
};

class Upkeep {
 public:
  // What is due now, for as many devices as may be visited at once. Devices that are being visited,
  // or that did not answer lately, are left out. Where nothing is due no grant is read.
  std::vector<Visit> due(Records& records, WallTime wall, MonoTime mono);
  // How long from now nothing will become due that due() and sweep() do not know yet, at most
  // kLongestSleep. The end of a visit, and whoever makes something due, says so besides.
  std::chrono::milliseconds idle(Records& records, WallTime wall, MonoTime mono) const;
  // As due, for one device, whatever happened before. Nothing where there is nothing to do.
  std::optional<Visit> due_for(Records& records, const DeviceId& device, WallTime wall);

  // The caller begins and ends a visit. `well`: all was done. True: somebody looked for what is due
  // meanwhile, and this device was left out; the caller looks again.
  void begin(const DeviceId& device) { visits_[device].busy = true; }
  bool end(const DeviceId& device, bool well, MonoTime mono);  // also where others wait for a turn
  // The device heard from us over its management channel.
  void checked_in(const DeviceId& device, WallTime wall) { visits_[device].checked = wall; }

  // Each time the loop wakes. True: the clock jumped, or the computer slept; waiting times are
  // forgotten, all that is due should be done now.
  bool on_time(WallTime wall, MonoTime mono);

 private:
  struct Past {
    bool busy = false;
    bool missed = false;  // left out while it was busy
    std::chrono::milliseconds wait{0};
    MonoTime next;
    WallTime checked;
  };
  struct Work;
  [[nodiscard]] Work collect(Records& records, WallTime wall) const;
  [[nodiscard]] std::size_t busy() const;

  std::map<DeviceId, Past> visits_;
  bool crowded_ = false;  // somebody was left out because too many were being visited
  std::optional<WallTime> wall_;
  std::optional<MonoTime> mono_;
};

}  // namespace latchkey::agent

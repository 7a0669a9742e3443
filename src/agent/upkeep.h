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

inline constexpr std::chrono::milliseconds kTick = std::chrono::seconds(60);
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
  // What is due now. Devices that are being visited, or that did not answer lately, are left out.
  std::vector<Visit> due(Records& records, WallTime wall, MonoTime mono);
  // As due, for one device, whatever happened before. Nothing where there is nothing to do.
  std::optional<Visit> due_for(Records& records, const DeviceId& device, WallTime wall);

  // The caller begins and ends a visit. `well`: all was done. True: somebody looked for what is due
  // meanwhile, and this device was left out; the caller looks again.
  void begin(const DeviceId& device) { visits_[device].busy = true; }
  bool end(const DeviceId& device, bool well, MonoTime mono);
  // The device heard from us over its management channel.
  void checked_in(const DeviceId& device, WallTime wall) { visits_[device].checked = wall; }

  // Each tick, and each time the loop wakes for other reasons. True: the clock jumped; waiting
  // times are forgotten, all that is due should be done now.
  bool on_time(WallTime wall, MonoTime mono);

 private:
  struct Past {
    bool busy = false;
    bool missed = false;  // left out while it was busy
    std::chrono::milliseconds wait{0};
    MonoTime next;
    WallTime checked;
  };
  std::map<DeviceId, Past> visits_;
  std::optional<WallTime> wall_;
  std::optional<MonoTime> mono_;
};

}  // namespace latchkey::agent

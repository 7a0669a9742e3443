// What the parts of the running agent share. One thread; lives until the loop has ended.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "agent/desk.h"
#include "agent/floor_clock.h"
#include "agent/upkeep.h"
#include "base/clock.h"
#include "base/random.h"
#include "net/task.h"
#include "net/worker.h"

namespace latchkey::agentd {

class Lookout;
class MetadataKeeper;
class AnchorKeeper;
class KeysDesk;

// Small things to remember, by name.
class Settings {
 public:
  virtual ~Settings() = default;
  virtual std::optional<std::string> get(std::string_view name) = 0;
  virtual bool set(std::string_view name, const std::string& value) = 0;  // durably
};

class Moving;
class NearbyScan;

struct Context {
  net::Executor executor;
  const Clock& clock;
  Random& random;
  net::Worker& worker;
  agent::GrantDesk& desk;
  agent::Upkeep& upkeep;
  Lookout& lookout;
  MetadataKeeper& metadata;
  AnchorKeeper& anchors;
  KeysDesk& keys;
  Settings& settings;
  std::string extension_id;  // Chromium's; empty: no extension of Chromium may connect
  std::string firefox_id;    // the same for Firefox
  std::string state_folder;
  std::string socket_path;
  // Devices where another key answered when they were last looked for, and nothing answered with
  // their own. Anybody on the network can cause that: it is said, and ends nothing.
  std::set<DeviceId> other_key{};
  // A grant changed: those who may see it are told.
  std::function<void(const grant::AgentGrant&)> changed;
  // Something may be due for a device.
  std::function<void()> look_after;
  // What a browser may see is another: each asks for all of it again.
  std::function<void()> ask_again;
  // What a person takes along to another computer; nothing in tests that do not need it.
  Moving* moving = nullptr;
  // Where `clock` is one.
  agent::FloorClock* floor = nullptr;
  // This computer's own Bluetooth.
  NearbyScan* scan = nullptr;
};

}  // namespace latchkey::agentd

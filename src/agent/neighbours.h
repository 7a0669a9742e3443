// What discovery announced, as one connection is told about it: under keys of its own, with the
// devices of this user marked. All of it hints; only a pinned key makes a device known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/request.h"
#include "base/bytes.h"
#include "grant/grant.h"

namespace latchkey::agent {

inline constexpr std::size_t kMaxNeighbours = 256;

// Whether a device is seen by Bluetooth, and whether this connection carries a link to it.
enum class Nearby { kNo, kSeen, kLinked };

// A service on the link, or a device nearby, which says nothing but its rid. `address` and `port`
// are its first candidate.
struct Announced {
  std::string service;  // names it towards discovery; never shown
  std::string name;     // cleaned
  std::string type;
  bool window_open = false;
  std::optional<ByteArray<12>> rid;
  std::string address;
  std::uint16_t port = 0;
  Nearby nearby = Nearby::kNo;
  std::optional<int> signal = std::nullopt;  // nearby, where the radio says: signal_of()
};

// How strong a signal of so many dBm is: 0 (weak) to 4 (strong). Steps, so that not every flicker
// is news. Whoever wants to can send strongly: it sorts lists, and decides nothing.
int signal_of(int dbm);

// Which of the user's devices this may be. By its rid; without one (the operator's own list) by the
// address where that device was last seen, which is a weaker hint.
struct Match {
  DeviceId device;
  bool by_address = false;
};
std::optional<Match> match(const Announced& announced, std::span<const grant::Binding> bindings);

// Shown as the type of what has not said it.
inline constexpr std::string_view kUnknownType = "other";

// What a person is shown of a device.
struct Device {
  std::string key;
  std::string name;
  std::string type;
  bool known = false;
  bool window_open = false;
  std::optional<std::string> model;
  std::optional<DeviceId> id;                // of known ones; not told
  Nearby nearby = Nearby::kNo;               // by Bluetooth; perhaps as well as in the network
  std::optional<int> signal = std::nullopt;  // as in Announced
  bool same_name = false;                    // looks like the name of a known device, and is not it
  friend bool operator==(const Device&, const Device&) = default;
};

class Neighbours {
 public:
  // Only this type is shown; all where nothing is given.
  explicit Neighbours(std::optional<std::string> type) : type_(std::move(type)) {}

  // What to tell: nothing where it is of another type, or nothing changed, or there are too many.
  // A device that is found in the network and nearby, which its rid shows, is one.
  std::optional<Device> seen(const Announced& announced, std::span<const grant::Binding> bindings);
  // Keys that have turned out to be another's since this was last asked: which device it is, a way
  // to it may show only later (what a network keeps of before its window opened). What has been
  // told under `key` is to be forgotten; whoever still names it means `into`.
  struct Merged {
    std::string key;
    std::string into;
  };
  std::vector<Merged> take_merged() { return std::exchange(merged_, {}); }
  // What to tell of what went: its key; or the device as it is still found, the other way.
  struct Gone {
    std::string key;
    std::optional<Device> still;
  };
  std::optional<Gone> lost(std::string_view service, std::span<const grant::Binding> bindings);
  // The service behind a key that was told here; where there are two, the one in the network.
  [[nodiscard]] std::optional<std::string> service(const DeviceKey& key) const;
  void clear() {
    heard_.clear();
    told_.clear();
    merged_.clear();
    became_.clear();
  }

 private:
  struct Heard {
    Announced announced;
    std::optional<DeviceId> known;
    std::string key;
  };
  // The key of the same device, found the other way.
  [[nodiscard]] std::optional<std::string> key_of_same(const Heard& heard) const;
  [[nodiscard]] bool is_used(std::string_view key) const;
  [[nodiscard]] std::string merge(const std::string& key, const std::string& into);
  // Tells it, or nothing where the same was told already.
  std::optional<Device> tell(const std::string& key, std::span<const grant::Binding> bindings);

  std::optional<std::string> type_;
  std::map<std::string, Heard, std::less<>> heard_;  // by service
  std::map<std::string, Device, std::less<>> told_;  // by key
  std::vector<Merged> merged_;
  std::map<std::string, std::string, std::less<>> became_;  // keys that are another's now
  std::uint64_t next_ = 1;
};

}  // namespace latchkey::agent

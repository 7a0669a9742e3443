// What discovery talks about: a service on the link, as announced by nobody in particular. All of
// it is a hint: only the pinned key makes a device known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "discovery/ip_address.h"

namespace latchkey::discovery {

inline constexpr std::string_view kServiceType = "_latchkey._tcp";

// Limits for what strangers can make us keep (threat: thousands of services, rename floods).
inline constexpr std::size_t kMaxServices = 256;
inline constexpr std::size_t kMaxNameBytes = 63;
inline constexpr std::size_t kMaxLinksPerService = 4;
inline constexpr std::size_t kMaxEndpoints = 8;
inline constexpr std::size_t kMaxTextStrings = 32;
inline constexpr std::size_t kMaxTextBytes = 1300;

struct Error {
  enum class Code : std::uint8_t {
    kMisuse,       // an argument that can never work
    kUnavailable,  // no responder, no network, no permission: may work later
    kConflict,     // the name belongs to another machine on the link
    kRefused,      // the responder said no
  };
  Code code = Code::kUnavailable;
  std::string message;  // for logs and `doctor`
};

// Opaque to all who lack the device's discovery key: 4 random bytes and 8 bytes of an HMAC.
using Rid = FixedId<struct RidTag, 12>;

struct Endpoint {
  IpAddress address;
  std::uint32_t interface = 0;  // index where it was seen; needed for link-local addresses
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct FoundService {
  std::string key;   // names the service towards this source until it is lost; never shown
  std::string name;  // cleaned, at most kMaxNameBytes; may be empty
  std::string type;  // is_device_type()
  bool window_open = false;
  std::optional<Rid> rid;           // absent for static entries only
  std::vector<Endpoint> endpoints;  // 1 to kMaxEndpoints candidates, best first
  friend bool operator==(const FoundService&, const FoundService&) = default;
};

struct Found {
  FoundService service;
};
struct Changed {
  FoundService service;
};
struct Lost {
  std::string key;
};
// Whether this source can see anything at present, and a sentence why not.
struct Looking {
  bool available = false;
  std::string message;
};
using SourceEvent = std::variant<Found, Changed, Lost, Looking>;
using SourceSink = std::function<void(const SourceEvent&)>;

// Where services come from: the link, or the operator's own list.
class DeviceSource {
 public:
  virtual ~DeviceSource() = default;
  // Starts looking for one device type, or for all when `type` is empty. The sink is called on the
  // loop's thread, never from inside start() or stop(), and may call stop() or destroy the source.
  // A second start() replaces the first and begins again with Found for everything.
  virtual Result<void, Error> start(std::string_view type, SourceSink sink) = 0;
  // No event comes after it returns.
  virtual void stop() = 0;
};

}  // namespace latchkey::discovery

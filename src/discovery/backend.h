// Inside discovery: one face for the system's avahi-daemon (libavahi-client) and for the responder
// inside this process (libavahi-core). Publisher, Browser and HostLookup are written against it.
//
// Callbacks come from Avahi on the loop's thread, sometimes from inside the call that asked for
// them. Inside them, queries and groups may be destroyed, the backend itself may not.
// All groups and queries must be gone before the backend is destroyed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/ip_address.h"
#include "discovery/poll.h"
#include "discovery/service.h"
#include "discovery/service_table.h"

namespace latchkey::discovery {

// Interface 0: all of them.
struct ServiceEntry {
  std::uint32_t interface = 0;
  std::string name;
  std::string type;  // the device type: makes the subtype
  std::uint16_t port = 0;
  std::vector<std::string> text;
};

struct AddressEntry {
  std::uint32_t interface = 0;
  std::string host;
  IpAddress address;
  // Neither probed for nor announced: neighbours learn the name only when they ask for it.
  bool quiet = false;
};

enum class GroupState : std::uint8_t { kPending, kEstablished, kCollision, kFailed };

// Records that live and die together. Destroying it withdraws them.
class EntryGroup {
 public:
  virtual ~EntryGroup() = default;
  virtual Result<void, Error> add(const ServiceEntry& entry) = 0;
  virtual Result<void, Error> add(const AddressEntry& entry) = 0;
  virtual Result<void, Error> update_text(const ServiceEntry& entry) = 0;
  virtual Result<void, Error> commit() = 0;
  virtual void reset() = 0;
};

// Something that is being asked. Destroying it stops the question.
class Query {
 public:
  virtual ~Query() = default;
};

struct Sighting {
  Link link;  // with the family that carried the announcement
  std::string name;
  bool present = false;  // else it went away
};

class Backend {
 public:
  enum class State : std::uint8_t { kStarting, kRunning, kLost };
  virtual ~Backend() = default;
  [[nodiscard]] virtual State state() const = 0;
  [[nodiscard]] virtual std::string reason() const = 0;

  using OnGroup = std::function<void(GroupState)>;
  virtual std::unique_ptr<EntryGroup> make_group(OnGroup on_state) = 0;
  // `type` empty: all device types. A failure of the browser itself comes as nullopt.
  using OnSighting = std::function<void(const std::optional<Sighting>&)>;
  virtual std::unique_ptr<Query> browse(std::uint32_t interface, const std::string& type,
                                        OnSighting on_sighting) = 0;
  // Called again whenever the answer changes; nullopt when there was none in time.
  using OnResolved = std::function<void(const std::optional<Resolved>&)>;
  virtual std::unique_ptr<Query> resolve(const Link& link, const std::string& name,
                                         OnResolved on_resolved) = 0;
  // Like resolve(), with `host`, `address` and the interface of the answer.
  using OnAddress = std::function<void(const std::optional<Endpoint>&)>;
  virtual std::unique_ptr<Query> resolve_host(const Link& link, const std::string& host,
                                              OnAddress on_address) = 0;
};

// `changed` is called (from the loop, or from within this call) when state() changed or when the
// responder took another host name, after which groups must be made anew.
using OnBackend = std::function<void()>;
Result<std::unique_ptr<Backend>, Error> open_system_backend(Poll& poll, OnBackend changed);

struct BuiltinOptions {
  std::vector<std::string> interfaces;
  bool publishes = false;  // a pure listener announces nothing about this machine
};
Result<std::unique_ptr<Backend>, Error> open_builtin_backend(Poll& poll,
                                                             const BuiltinOptions& options,
                                                             OnBackend changed);

}  // namespace latchkey::discovery

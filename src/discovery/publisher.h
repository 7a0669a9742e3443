// What a device announces: its service, and the host names of its grants.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/host_name.h"
#include "base/result.h"
#include "discovery/network.h"
#include "discovery/service.h"
#include "discovery/txt.h"

namespace latchkey::discovery {

struct Announcement {
  std::string name;  // what a person called the device; cleaned and cut to 63 bytes when published
  std::uint16_t port = 0;
  ServiceText text;
};

enum class HostKind : std::uint8_t {
  // An origin grant's: never probed for, announced or renamed, so that neighbours learn the name
  // only when they ask for it.
  kQuiet,
  // A direct grant's: probed for and announced as usual; a conflict is told, and tried again.
  kProbed,
};

// The service is on the link under this name; " #2" and so on were added when it was taken.
struct ServicePublished {
  std::string name;
};
struct HostPublished {
  HostName host;
};
// Another machine on the link has the name. Tried again every minute.
struct HostConflict {
  HostName host;
};
struct PublishFailed {
  Error error;
};
using PublisherEvent = std::variant<ServicePublished, HostPublished, HostConflict, PublishFailed>;

// States what should be on the link; the publisher keeps it there while addresses, interfaces and
// responders come and go. Nothing is published without a usable address. Avahi's daemon takes
// about 1,000 hosts from one program (objects-per-client-max).
//
// Events come from the loop, never from inside a call; a handler may call back but must not destroy
// the publisher. Same thread as the Network's. Destroying it withdraws everything.
class Publisher final : private Network::User {
 public:
  using OnEvent = std::function<void(const PublisherEvent&)>;
  Publisher(Network& network, OnEvent on_event);
  ~Publisher() override;
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;
  Publisher(Publisher&&) = delete;
  Publisher& operator=(Publisher&&) = delete;

  // Replaces what was announced before. A change of `text` alone, such as a window that opens or a
  // new rid, updates the record in place.
  Result<void, Error> announce(Announcement announcement);
  void withdraw();

  // Repeating either is harmless; adding with another kind changes the kind.
  void add_host(const HostName& host, HostKind kind);
  void remove_host(const HostName& host);

 private:
  void backend_up() override;
  void backend_down() override;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::discovery

#include "discovery/publisher.h"

#include <avahi-common/alternative.h>
#include <avahi-common/malloc.h>

#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "discovery/backend.h"
#include "discovery/interfaces.h"

namespace latchkey::discovery {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kConflictRetry{60000};
constexpr milliseconds kFailureRetry{5000};
constexpr int kPatience = 10;
// Between two texts of a service, and after its own words were taken for a contest of its name. The
// responder hears what it multicasts itself. Answers wait up to 120 ms (RFC 6762, 6), so one with
// the text before can come back to it when it has the next, and a name that is unique is then
// "taken".
constexpr milliseconds kBetweenTexts{500};

std::string alternative_name(const std::string& name) {
  char* other = avahi_alternative_service_name(name.c_str());
  std::string copy = other;
  avahi_free(other);
  return copy;
}

struct Host {
  explicit Host(HostKind given) : kind(given) {}
  HostKind kind;
  std::unique_ptr<EntryGroup> group;
  std::vector<OwnAddress> published;
  GroupState state = GroupState::kPending;
  GroupState told = GroupState::kPending;
};

}  // namespace

// Calls only change what is wanted and start the timer; reconcile() makes it so. Nothing is ever
// done from inside one of Avahi's callbacks.
struct Publisher::State {
  State(Network& net, OnEvent handler)
      : network(net),
        on_event(std::move(handler)),
        work(net.poll(), [this] { reconcile(); }),
        retry(net.poll(), [this] { reconcile(); }),
        conflict_retry(net.poll(), [this] { retry_conflicts(); }),
        text_pause(net.poll(), [this] { reconcile(); }),
        address_watch(net.poll(), [this] { soon(); }) {}

  void soon() { work.start_if_idle(milliseconds(0)); }
  void reconcile();
  void reconcile_service();
  Result<void, Error> publish_service();
  void update_service_text();
  void reconcile_host(const HostName& name, Host& host, const std::vector<OwnAddress>& addresses);
  Result<void, Error> publish_host(const HostName& name, Host& host);
  void tell();
  void retry_conflicts();
  bool give_way();
  void drop_groups();
  void failed(const Error& error) {
    retry.start_if_idle(kFailureRetry);
    pending_events.emplace_back(PublishFailed{error});
  }
  [[nodiscard]] ServiceEntry service_entry(std::uint32_t interface) const;

  Network& network;
  OnEvent on_event;
  Timer work;
  Timer retry;
  Timer conflict_retry;
  Timer text_pause;
  AddressWatch address_watch;

  std::optional<Announcement> wanted;
  std::string service_name;  // after renaming
  std::unique_ptr<EntryGroup> service_group;
  std::vector<std::uint32_t> service_interfaces;
  std::optional<ServiceText> service_text;  // as published
  bool text_changed = false;                // since the name was probed for
  std::chrono::steady_clock::time_point next_text;
  GroupState service_state = GroupState::kPending;
  std::string told_name;
  int collisions = 0;

  std::map<HostName, Host> hosts;
  std::vector<PublisherEvent> pending_events;
};

ServiceEntry Publisher::State::service_entry(std::uint32_t interface) const {
  return {interface, service_name, wanted->text.type, wanted->port, write_text(wanted->text)};
}

void Publisher::State::reconcile() {
  if (network.backend() != nullptr) {
    reconcile_service();
    const auto addresses =
        publishable(own_addresses(), network.options().interfaces, network.options().loopback);
    for (auto& [name, host] : hosts) {
      reconcile_host(name, host, addresses);
    }
  }
  tell();
}

void Publisher::State::reconcile_service() {
  if (!wanted) {
    service_group.reset();
    return;
  }
  const auto interfaces = network.interfaces();
  if (service_state == GroupState::kCollision || service_state == GroupState::kFailed) {
    if (!give_way()) {
      return;
    }
  }
  if (interfaces != service_interfaces) {
    service_group.reset();
  }
  if (!service_group) {
    service_interfaces = interfaces;
    // The name may be taken by another program on this machine: that is told at once.
    for (int attempt = 0; attempt < 20; ++attempt) {
      const auto published = publish_service();
      if (published) {
        return;
      }
      service_group.reset();
      if (published.error().code != Error::Code::kConflict) {
        failed(published.error());
        return;
      }
      service_name = alternative_name(service_name);
    }
    failed({Error::Code::kConflict, "no free name for the service"});
    return;
  }
  if (service_text != wanted->text) {
    update_service_text();
  }
}

// After a collision or failure: true when the service may be published again at once.
bool Publisher::State::give_way() {
  service_group.reset();
  const bool collision =
      std::exchange(service_state, GroupState::kPending) == GroupState::kCollision;
  if (!collision) {
    failed({Error::Code::kUnavailable, "the responder gave the service up"});
    return false;
  }
  if (std::exchange(text_changed, false)) {
    // Maybe it heard itself: the name is probed for once more. Who contests it indeed does so
    // again.
    text_pause.start(kBetweenTexts);
    return false;
  }
  service_name = alternative_name(service_name);
  // Somebody who contests every name shall not make us send without end (RFC 6762, 8.1).
  if (++collisions % kPatience == 0) {
    failed({Error::Code::kConflict, "every name of the service is contested"});
    return false;
  }
  return true;
}

Result<void, Error> Publisher::State::publish_service() {
  service_state = GroupState::kPending;
  service_text = wanted->text;
  text_changed = false;
  if (service_interfaces.empty()) {
    return {};
  }
  service_group = network.backend()->make_group([this](GroupState state) {
    service_state = state;
    soon();
  });
  if (!service_group) {
    return fail(Error{Error::Code::kRefused, "the responder refuses more records"});
  }
  service_state = GroupState::kPending;
  for (const std::uint32_t interface : service_interfaces) {
    if (auto added = service_group->add(service_entry(interface)); !added) {
      return added;
    }
  }
  return service_group->commit();
}

// Not while the name is probed for or another text is still on its way; only the last one counts.
void Publisher::State::update_service_text() {
  const auto now = std::chrono::steady_clock::now();
  if (service_state != GroupState::kEstablished) {
    return;  // told when it is
  }
  if (now < next_text) {
    text_pause.start_if_idle(std::chrono::ceil<milliseconds>(next_text - now));
    return;
  }
  next_text = now + kBetweenTexts;
  text_changed = true;
  service_text = wanted->text;
  for (const std::uint32_t interface : service_interfaces) {
    if (auto updated = service_group->update_text(service_entry(interface)); !updated) {
      service_group.reset();
      failed(updated.error());
      return;
    }
  }
}

void Publisher::State::reconcile_host(const HostName& name, Host& host,
                                      const std::vector<OwnAddress>& addresses) {
  if (host.state == GroupState::kCollision && host.group) {
    host.group.reset();
    conflict_retry.start_if_idle(kConflictRetry);
    return;
  }
  if (host.state == GroupState::kFailed) {
    host.group.reset();
    host.state = GroupState::kPending;
    failed({Error::Code::kUnavailable, "the responder gave up " + name.text()});
    return;
  }
  const bool waits = !host.group && host.state == GroupState::kCollision;
  if (waits || (host.group && host.published == addresses)) {
    return;
  }
  host.group.reset();
  host.state = GroupState::kPending;
  host.published = addresses;
  if (addresses.empty()) {
    return;
  }
  if (auto published = publish_host(name, host); !published) {
    host.group.reset();
    if (published.error().code == Error::Code::kConflict) {
      host.state = GroupState::kCollision;
      conflict_retry.start_if_idle(kConflictRetry);
    } else {
      failed(published.error());
    }
  }
}

Result<void, Error> Publisher::State::publish_host(const HostName& name, Host& host) {
  host.group = network.backend()->make_group([this, &host](GroupState state) {
    host.state = state;
    soon();
  });
  if (!host.group) {
    return fail(Error{Error::Code::kRefused, "the responder refuses more host names"});
  }
  host.state = GroupState::kPending;
  for (const OwnAddress& own : host.published) {
    const AddressEntry entry{own.interface, name.text(), own.address,
                             host.kind == HostKind::kQuiet};
    if (auto added = host.group->add(entry); !added) {
      return added;
    }
  }
  return host.group->commit();
}

void Publisher::State::tell() {
  if (service_group && service_state == GroupState::kEstablished && told_name != service_name) {
    told_name = service_name;
    pending_events.emplace_back(ServicePublished{service_name});
  }
  for (auto& [name, host] : hosts) {
    if (host.state == host.told) {
      continue;
    }
    host.told = host.state;
    if (host.state == GroupState::kEstablished) {
      pending_events.emplace_back(HostPublished{name});
    } else if (host.state == GroupState::kCollision) {
      pending_events.emplace_back(HostConflict{name});
    }
  }
  for (const PublisherEvent& event : std::exchange(pending_events, {})) {
    if (on_event) {
      on_event(event);
    }
  }
}

void Publisher::State::retry_conflicts() {
  for (auto& [name, host] : hosts) {
    if (host.state == GroupState::kCollision) {
      host.state = GroupState::kPending;
    }
  }
  reconcile();
}

void Publisher::State::drop_groups() {
  service_group.reset();
  service_state = GroupState::kPending;
  told_name.clear();
  for (auto& [name, host] : hosts) {
    host.group.reset();
    host.published.clear();
    host.state = GroupState::kPending;
  }
}

Publisher::Publisher(Network& network, OnEvent on_event)
    : state_(std::make_unique<State>(network, std::move(on_event))) {
  network.attach(*this);
}

Publisher::~Publisher() {
  state_->network.detach(*this);
  state_->drop_groups();
}

void Publisher::backend_up() {
  state_->soon();
}
void Publisher::backend_down() {
  state_->drop_groups();
}

Result<void, Error> Publisher::announce(Announcement announcement) {
  std::string name = clean_display_name(announcement.name, kMaxNameBytes);
  if (name.empty() || announcement.port == 0 || !is_device_type(announcement.text.type)) {
    return fail(Error{Error::Code::kMisuse, "a service needs a name, a type and a port"});
  }
  auto& wanted = state_->wanted;
  const bool only_text = wanted && wanted->name == announcement.name &&
                         wanted->port == announcement.port &&
                         wanted->text.type == announcement.text.type;
  if (!only_text) {
    state_->service_group.reset();
    state_->service_state = GroupState::kPending;
    state_->service_name = std::move(name);
  }
  wanted = std::move(announcement);
  state_->soon();
  return {};
}

void Publisher::withdraw() {
  state_->wanted.reset();
  state_->told_name.clear();
  state_->soon();
}

void Publisher::add_host(const HostName& host, HostKind kind) {
  const auto [place, is_new] = state_->hosts.try_emplace(host, kind);
  if (!is_new && place->second.kind != kind) {
    state_->hosts.erase(place);
    state_->hosts.try_emplace(host, kind);
  }
  state_->soon();
}

void Publisher::remove_host(const HostName& host) {
  state_->hosts.erase(host);
}

}  // namespace latchkey::discovery

// Inside discovery: the one implementation of Backend. libavahi-client and libavahi-core offer the
// same calls under two sets of names; `Api` names them (backend_system.cc, backend_builtin.cc).
#pragma once

#include <avahi-common/address.h>
#include <avahi-common/defs.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/strlst.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "discovery/backend.h"

namespace latchkey::discovery {

inline AvahiIfIndex to_avahi_interface(std::uint32_t interface) {
  return interface == 0 ? AVAHI_IF_UNSPEC : static_cast<AvahiIfIndex>(interface);
}

inline std::uint32_t from_avahi_interface(AvahiIfIndex interface) {
  return interface < 0 ? 0 : static_cast<std::uint32_t>(interface);
}

inline AvahiProtocol to_avahi_protocol(IpAddress::Family family) {
  return family == IpAddress::Family::kV4 ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6;
}

inline AvahiAddress to_avahi_address(const IpAddress& address) {
  AvahiAddress out{};
  out.proto = to_avahi_protocol(address.family());
  std::memcpy(out.data.data, address.bytes().data(), address.bytes().size());
  return out;
}

inline std::optional<IpAddress> from_avahi_address(const AvahiAddress* address) {
  if (address == nullptr) {
    return std::nullopt;
  }
  if (address->proto == AVAHI_PROTO_INET) {
    ByteArray<4> bytes{};
    std::memcpy(bytes.data(), address->data.data, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (address->proto == AVAHI_PROTO_INET6) {
    ByteArray<16> bytes{};
    std::memcpy(bytes.data(), address->data.data, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

using AvahiText = std::unique_ptr<AvahiStringList, decltype(&avahi_string_list_free)>;

inline AvahiText to_avahi_text(const std::vector<std::string>& strings) {
  AvahiStringList* list = nullptr;
  // The list grows at its head.
  for (auto string = strings.rbegin(); string != strings.rend(); ++string) {
    list = avahi_string_list_add_arbitrary(
        list, reinterpret_cast<const std::uint8_t*>(string->data()), string->size());
  }
  return {list, avahi_string_list_free};
}

// One string more than is allowed is kept, so that the judgement sees that there were too many.
inline std::vector<std::string> from_avahi_text(AvahiStringList* list) {
  std::vector<std::string> strings;
  for (; list != nullptr && strings.size() <= kMaxTextStrings;
       list = avahi_string_list_get_next(list)) {
    strings.emplace_back(
        as_text({avahi_string_list_get_text(list), avahi_string_list_get_size(list)}));
  }
  return strings;
}

inline Error avahi_error(int code, std::string_view what) {
  Error::Code kind = Error::Code::kRefused;
  if (code == AVAHI_ERR_COLLISION) {
    kind = Error::Code::kConflict;
  } else if (code == AVAHI_ERR_DISCONNECTED || code == AVAHI_ERR_NO_DAEMON ||
             code == AVAHI_ERR_DBUS_ERROR || code == AVAHI_ERR_NO_NETWORK ||
             code == AVAHI_ERR_BAD_STATE) {
    kind = Error::Code::kUnavailable;
  }
  return {kind, std::string(what) + ": " + avahi_strerror(code)};
}

inline Result<void, Error> avahi_result(int code, std::string_view what) {
  if (code < 0) {
    return fail(avahi_error(code, what));
  }
  return {};
}

inline std::string subtype_of(const std::string& type) {
  return "_" + type + "._sub." + std::string(kServiceType);
}

inline GroupState to_group_state(AvahiEntryGroupState state) {
  switch (state) {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
      return GroupState::kEstablished;
    case AVAHI_ENTRY_GROUP_COLLISION:
      return GroupState::kCollision;
    case AVAHI_ENTRY_GROUP_FAILURE:
      return GroupState::kFailed;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
      break;
  }
  return GroupState::kPending;
}

// A callback may destroy the object that holds it: what runs is a copy.
template <class Callback, class... Args>
void call_copy(const Callback& callback, Args&&... args) {
  const Callback copy = callback;
  copy(std::forward<Args>(args)...);
}

template <class Api>
class AvahiGroup : public EntryGroup {
 public:
  AvahiGroup(typename Api::Engine* engine, Backend::OnGroup on_state)
      : engine_(engine), on_state_(std::move(on_state)) {
    group_ = Api::group_new(engine, this);
  }
  ~AvahiGroup() override {
    on_state_ = nullptr;
    if (group_ != nullptr) {
      Api::group_free(group_);
    }
  }
  AvahiGroup(const AvahiGroup&) = delete;
  AvahiGroup& operator=(const AvahiGroup&) = delete;
  AvahiGroup(AvahiGroup&&) = delete;
  AvahiGroup& operator=(AvahiGroup&&) = delete;

  [[nodiscard]] bool valid() const { return group_ != nullptr; }

  Result<void, Error> add(const ServiceEntry& entry) override {
    const auto text = to_avahi_text(entry.text);
    const AvahiIfIndex interface = to_avahi_interface(entry.interface);
    const int added = Api::add_service(engine_, group_, interface, entry.name.c_str(),
                                       kServiceType.data(), entry.port, text.get());
    if (added < 0) {
      return fail(avahi_error(added, "cannot publish the service"));
    }
    return avahi_result(Api::add_subtype(engine_, group_, interface, entry.name.c_str(),
                                         kServiceType.data(), subtype_of(entry.type).c_str()),
                        "cannot publish the service's subtype");
  }

  Result<void, Error> add(const AddressEntry& entry) override {
    AvahiAddress address = to_avahi_address(entry.address);
    unsigned flags = AVAHI_PUBLISH_NO_REVERSE;
    if (entry.quiet) {
      flags |= static_cast<unsigned>(AVAHI_PUBLISH_NO_PROBE) | AVAHI_PUBLISH_NO_ANNOUNCE;
    }
    return avahi_result(
        Api::add_address(engine_, group_, to_avahi_interface(entry.interface),
                         static_cast<AvahiPublishFlags>(flags), entry.host.c_str(), &address),
        "cannot publish the host name");
  }

  Result<void, Error> update_text(const ServiceEntry& entry) override {
    const auto text = to_avahi_text(entry.text);
    return avahi_result(Api::update_text(engine_, group_, to_avahi_interface(entry.interface),
                                         entry.name.c_str(), kServiceType.data(), text.get()),
                        "cannot update the service");
  }

  Result<void, Error> commit() override {
    return avahi_result(Api::group_commit(group_), "cannot publish");
  }

  void reset() override { Api::group_reset(group_); }

  void changed(AvahiEntryGroupState state) {
    if (on_state_) {
      call_copy(on_state_, to_group_state(state));
    }
  }

 private:
  typename Api::Engine* engine_;
  Backend::OnGroup on_state_;
  typename Api::Group* group_ = nullptr;
};

template <class Api>
class AvahiBrowse : public Query {
 public:
  AvahiBrowse(typename Api::Engine* engine, std::uint32_t interface, const std::string& type,
              Backend::OnSighting on_sighting)
      : on_sighting_(std::move(on_sighting)) {
    const std::string question = type.empty() ? std::string(kServiceType) : subtype_of(type);
    browser_ =
        Api::browser_new(engine, to_avahi_interface(interface), question.c_str(), event, this);
  }
  ~AvahiBrowse() override {
    if (browser_ != nullptr) {
      Api::browser_free(browser_);
    }
  }
  AvahiBrowse(const AvahiBrowse&) = delete;
  AvahiBrowse& operator=(const AvahiBrowse&) = delete;
  AvahiBrowse(AvahiBrowse&&) = delete;
  AvahiBrowse& operator=(AvahiBrowse&&) = delete;

  [[nodiscard]] bool valid() const { return browser_ != nullptr; }

 private:
  static void event(typename Api::ServiceBrowser* /*browser*/, AvahiIfIndex interface,
                    AvahiProtocol protocol, AvahiBrowserEvent event, const char* name,
                    const char* /*type*/, const char* /*domain*/, AvahiLookupResultFlags /*flags*/,
                    void* userdata) {
    const auto* self = static_cast<AvahiBrowse*>(userdata);
    if (event == AVAHI_BROWSER_FAILURE) {
      call_copy(self->on_sighting_, std::nullopt);
      return;
    }
    if ((event != AVAHI_BROWSER_NEW && event != AVAHI_BROWSER_REMOVE) || name == nullptr ||
        ::strnlen(name, kMaxNameBytes + 1) > kMaxNameBytes) {
      return;
    }
    const auto family =
        protocol == AVAHI_PROTO_INET6 ? IpAddress::Family::kV6 : IpAddress::Family::kV4;
    call_copy(
        self->on_sighting_,
        Sighting{{from_avahi_interface(interface), family}, name, event == AVAHI_BROWSER_NEW});
  }

  Backend::OnSighting on_sighting_;
  typename Api::ServiceBrowser* browser_ = nullptr;
};

template <class Api>
class AvahiResolve : public Query {
 public:
  AvahiResolve(typename Api::Engine* engine, const Link& link, const std::string& name,
               Backend::OnResolved on_resolved)
      : on_resolved_(std::move(on_resolved)) {
    resolver_ = Api::resolver_new(engine, to_avahi_interface(link.interface), name.c_str(),
                                  kServiceType.data(), to_avahi_protocol(link.family), event, this);
  }
  ~AvahiResolve() override {
    if (resolver_ != nullptr) {
      Api::resolver_free(resolver_);
    }
  }
  AvahiResolve(const AvahiResolve&) = delete;
  AvahiResolve& operator=(const AvahiResolve&) = delete;
  AvahiResolve(AvahiResolve&&) = delete;
  AvahiResolve& operator=(AvahiResolve&&) = delete;

  [[nodiscard]] bool valid() const { return resolver_ != nullptr; }

 private:
  static void event(typename Api::ServiceResolver* /*resolver*/, AvahiIfIndex /*interface*/,
                    AvahiProtocol /*protocol*/, AvahiResolverEvent event, const char* /*name*/,
                    const char* /*type*/, const char* /*domain*/, const char* host,
                    const AvahiAddress* address, std::uint16_t port, AvahiStringList* text,
                    AvahiLookupResultFlags /*flags*/, void* userdata) {
    const auto* self = static_cast<AvahiResolve*>(userdata);
    if (event != AVAHI_RESOLVER_FOUND || host == nullptr) {
      call_copy(self->on_resolved_, std::nullopt);
      return;
    }
    call_copy(self->on_resolved_,
              Resolved{host, from_avahi_address(address), port, from_avahi_text(text)});
  }

  Backend::OnResolved on_resolved_;
  typename Api::ServiceResolver* resolver_ = nullptr;
};

template <class Api>
class AvahiHostResolve : public Query {
 public:
  AvahiHostResolve(typename Api::Engine* engine, const Link& link, const std::string& host,
                   Backend::OnAddress on_address)
      : on_address_(std::move(on_address)) {
    resolver_ = Api::host_resolver_new(engine, to_avahi_interface(link.interface), host.c_str(),
                                       to_avahi_protocol(link.family), event, this);
  }
  ~AvahiHostResolve() override {
    if (resolver_ != nullptr) {
      Api::host_resolver_free(resolver_);
    }
  }
  AvahiHostResolve(const AvahiHostResolve&) = delete;
  AvahiHostResolve& operator=(const AvahiHostResolve&) = delete;
  AvahiHostResolve(AvahiHostResolve&&) = delete;
  AvahiHostResolve& operator=(AvahiHostResolve&&) = delete;

  [[nodiscard]] bool valid() const { return resolver_ != nullptr; }

 private:
  static void event(typename Api::HostResolver* /*resolver*/, AvahiIfIndex interface,
                    AvahiProtocol /*protocol*/, AvahiResolverEvent event, const char* /*name*/,
                    const AvahiAddress* address, AvahiLookupResultFlags /*flags*/, void* userdata) {
    const auto* self = static_cast<AvahiHostResolve*>(userdata);
    const auto found = event == AVAHI_RESOLVER_FOUND ? from_avahi_address(address) : std::nullopt;
    if (!found) {
      call_copy(self->on_address_, std::nullopt);
      return;
    }
    call_copy(self->on_address_, Endpoint{*found, from_avahi_interface(interface), 0});
  }

  Backend::OnAddress on_address_;
  typename Api::HostResolver* resolver_ = nullptr;
};

template <class Api>
class AvahiBackend : public Backend {
 public:
  std::unique_ptr<EntryGroup> make_group(OnGroup on_state) override {
    return if_valid(std::make_unique<AvahiGroup<Api>>(engine(), std::move(on_state)));
  }
  std::unique_ptr<Query> browse(std::uint32_t interface, const std::string& type,
                                OnSighting on_sighting) override {
    return if_valid(
        std::make_unique<AvahiBrowse<Api>>(engine(), interface, type, std::move(on_sighting)));
  }
  std::unique_ptr<Query> resolve(const Link& link, const std::string& name,
                                 OnResolved on_resolved) override {
    return if_valid(
        std::make_unique<AvahiResolve<Api>>(engine(), link, name, std::move(on_resolved)));
  }
  std::unique_ptr<Query> resolve_host(const Link& link, const std::string& host,
                                      OnAddress on_address) override {
    return if_valid(
        std::make_unique<AvahiHostResolve<Api>>(engine(), link, host, std::move(on_address)));
  }

 protected:
  virtual typename Api::Engine* engine() = 0;

 private:
  template <class T>
  static std::unique_ptr<T> if_valid(std::unique_ptr<T> object) {
    return object->valid() ? std::move(object) : nullptr;
  }
};

}  // namespace latchkey::discovery

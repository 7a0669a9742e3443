// The system's avahi-daemon over D-Bus.
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>

#include "discovery/avahi_backend.h"
#include "discovery/shared_library.h"

namespace latchkey::discovery {
namespace {

constexpr auto kMulticast = AVAHI_LOOKUP_USE_MULTICAST;
constexpr auto kAny = AVAHI_PROTO_UNSPEC;
constexpr auto kNoFlags = static_cast<AvahiPublishFlags>(0);
constexpr const char* kDomain = "local";

struct ClientLibrary {
  SharedLibrary file{"libavahi-client.so.3"};
  decltype(&::avahi_client_new) client_new = nullptr;
  decltype(&::avahi_client_free) client_free = nullptr;
  decltype(&::avahi_client_errno) client_errno = nullptr;
  decltype(&::avahi_entry_group_new) entry_group_new = nullptr;
  decltype(&::avahi_entry_group_free) entry_group_free = nullptr;
  decltype(&::avahi_entry_group_commit) entry_group_commit = nullptr;
  decltype(&::avahi_entry_group_reset) entry_group_reset = nullptr;
  decltype(&::avahi_entry_group_add_service_strlst) entry_group_add_service_strlst = nullptr;
  decltype(&::avahi_entry_group_add_service_subtype) entry_group_add_service_subtype = nullptr;
  decltype(&::avahi_entry_group_update_service_txt_strlst) entry_group_update_service_txt_strlst =
      nullptr;
  decltype(&::avahi_entry_group_add_address) entry_group_add_address = nullptr;
  decltype(&::avahi_service_browser_new) service_browser_new = nullptr;
  decltype(&::avahi_service_browser_free) service_browser_free = nullptr;
  decltype(&::avahi_service_resolver_new) service_resolver_new = nullptr;
  decltype(&::avahi_service_resolver_free) service_resolver_free = nullptr;
  decltype(&::avahi_host_name_resolver_new) host_name_resolver_new = nullptr;
  decltype(&::avahi_host_name_resolver_free) host_name_resolver_free = nullptr;

  ClientLibrary() {
    file.find("avahi_client_new", client_new);
    file.find("avahi_client_free", client_free);
    file.find("avahi_client_errno", client_errno);
    file.find("avahi_entry_group_new", entry_group_new);
    file.find("avahi_entry_group_free", entry_group_free);
    file.find("avahi_entry_group_commit", entry_group_commit);
    file.find("avahi_entry_group_reset", entry_group_reset);
    file.find("avahi_entry_group_add_service_strlst", entry_group_add_service_strlst);
    file.find("avahi_entry_group_add_service_subtype", entry_group_add_service_subtype);
    file.find("avahi_entry_group_update_service_txt_strlst", entry_group_update_service_txt_strlst);
    file.find("avahi_entry_group_add_address", entry_group_add_address);
    file.find("avahi_service_browser_new", service_browser_new);
    file.find("avahi_service_browser_free", service_browser_free);
    file.find("avahi_service_resolver_new", service_resolver_new);
    file.find("avahi_service_resolver_free", service_resolver_free);
    file.find("avahi_host_name_resolver_new", host_name_resolver_new);
    file.find("avahi_host_name_resolver_free", host_name_resolver_free);
  }
};

const ClientLibrary& library() {
  static const ClientLibrary loaded;
  return loaded;
}

struct ClientApi {
  using Engine = AvahiClient;
  using Group = AvahiEntryGroup;
  using ServiceBrowser = AvahiServiceBrowser;
  using ServiceResolver = AvahiServiceResolver;
  using HostResolver = AvahiHostNameResolver;

  static void group_event(Group* /*group*/, AvahiEntryGroupState state, void* userdata) {
    static_cast<AvahiGroup<ClientApi>*>(userdata)->changed(state);
  }
  static Group* group_new(Engine* client, AvahiGroup<ClientApi>* owner) {
    return library().entry_group_new(client, group_event, owner);
  }
  static void group_free(Group* group) { library().entry_group_free(group); }
  static int group_commit(Group* group) { return library().entry_group_commit(group); }
  static void group_reset(Group* group) { library().entry_group_reset(group); }
  static int add_service(Engine* /*client*/, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, std::uint16_t port, AvahiStringList* text) {
    return library().entry_group_add_service_strlst(group, interface, kAny, kNoFlags, name, type,
                                                    kDomain, nullptr, port, text);
  }
  static int add_subtype(Engine* /*client*/, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, const char* subtype) {
    return library().entry_group_add_service_subtype(group, interface, kAny, kNoFlags, name, type,
                                                     kDomain, subtype);
  }
  static int update_text(Engine* /*client*/, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, AvahiStringList* text) {
    return library().entry_group_update_service_txt_strlst(group, interface, kAny, kNoFlags, name,
                                                           type, kDomain, text);
  }
  static int add_address(Engine* /*client*/, Group* group, AvahiIfIndex interface,
                         AvahiPublishFlags flags, const char* host, AvahiAddress* address) {
    return library().entry_group_add_address(group, interface, kAny, flags, host, address);
  }
  static ServiceBrowser* browser_new(Engine* client, AvahiIfIndex interface, const char* type,
                                     AvahiServiceBrowserCallback callback, void* userdata) {
    return library().service_browser_new(client, interface, kAny, type, kDomain, kMulticast,
                                         callback, userdata);
  }
  static void browser_free(ServiceBrowser* browser) { library().service_browser_free(browser); }
  static ServiceResolver* resolver_new(Engine* client, AvahiIfIndex interface, const char* name,
                                       const char* type, AvahiProtocol family,
                                       AvahiServiceResolverCallback callback, void* userdata) {
    return library().service_resolver_new(client, interface, kAny, name, type, kDomain, family,
                                          kMulticast, callback, userdata);
  }
  static void resolver_free(ServiceResolver* resolver) {
    library().service_resolver_free(resolver);
  }
  static HostResolver* host_resolver_new(Engine* client, AvahiIfIndex interface, const char* host,
                                         AvahiProtocol family,
                                         AvahiHostNameResolverCallback callback, void* userdata) {
    return library().host_name_resolver_new(client, interface, kAny, host, family, kMulticast,
                                            callback, userdata);
  }
  static void host_resolver_free(HostResolver* resolver) {
    library().host_name_resolver_free(resolver);
  }
};

class SystemBackend final : public AvahiBackend<ClientApi> {
 public:
  explicit SystemBackend(OnBackend changed) : changed_(std::move(changed)) {}
  ~SystemBackend() override {
    if (client_ != nullptr) {
      library().client_free(client_);
    }
  }
  SystemBackend(const SystemBackend&) = delete;
  SystemBackend& operator=(const SystemBackend&) = delete;
  SystemBackend(SystemBackend&&) = delete;
  SystemBackend& operator=(SystemBackend&&) = delete;

  Result<void, Error> open(Poll& poll) {
    int error = 0;
    client_ =
        library().client_new(poll.api(), static_cast<AvahiClientFlags>(0), event, this, &error);
    if (client_ == nullptr) {
      return fail(avahi_error(error, "the system's avahi-daemon cannot be reached"));
    }
    return {};
  }

  [[nodiscard]] State state() const override { return state_; }
  [[nodiscard]] std::string reason() const override { return reason_; }

 protected:
  AvahiClient* engine() override { return client_; }

 private:
  // Called for the first time from inside avahi_client_new().
  static void event(AvahiClient* client, AvahiClientState state, void* userdata) {
    auto* self = static_cast<SystemBackend*>(userdata);
    switch (state) {
      case AVAHI_CLIENT_S_RUNNING:
        self->state_ = State::kRunning;
        break;
      case AVAHI_CLIENT_FAILURE:
        self->state_ = State::kLost;
        self->reason_ = avahi_strerror(library().client_errno(client));
        break;
      case AVAHI_CLIENT_S_REGISTERING:
      case AVAHI_CLIENT_S_COLLISION:
      case AVAHI_CLIENT_CONNECTING:
        // The daemon is about to run under another name, or under its name again.
        self->state_ = State::kStarting;
        break;
    }
    self->changed_();
  }

  OnBackend changed_;
  AvahiClient* client_ = nullptr;
  State state_ = State::kStarting;
  std::string reason_;
};

}  // namespace

Result<std::unique_ptr<Backend>, Error> open_system_backend(Poll& poll, OnBackend changed) {
  if (auto usable = library().file.usable(); !usable) {
    return fail(usable.error());
  }
  auto backend = std::make_unique<SystemBackend>(std::move(changed));
  if (auto opened = backend->open(poll); !opened) {
    return fail(opened.error());
  }
  return backend;
}

}  // namespace latchkey::discovery

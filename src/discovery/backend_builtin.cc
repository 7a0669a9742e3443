// libavahi-core inside this process, for machines without an avahi-daemon.
#include <avahi-common/alternative.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <unistd.h>

#include <array>

#include "discovery/avahi_backend.h"
#include "discovery/shared_library.h"

namespace latchkey::discovery {
namespace {

constexpr auto kMulticast = AVAHI_LOOKUP_USE_MULTICAST;
constexpr auto kAny = AVAHI_PROTO_UNSPEC;
constexpr auto kNoFlags = static_cast<AvahiPublishFlags>(0);
constexpr const char* kDomain = "local";
// Per interface. Avahi's own default is 4096; a house has fewer records, a flood has more.
constexpr unsigned kMaxCachedRecords = 2048;

struct CoreLibrary {
  SharedLibrary file{"libavahi-core.so.7"};
  decltype(&::avahi_server_new) server_new = nullptr;
  decltype(&::avahi_server_free) server_free = nullptr;
  decltype(&::avahi_server_errno) server_errno = nullptr;
  decltype(&::avahi_server_config_init) config_init = nullptr;
  decltype(&::avahi_server_config_free) config_free = nullptr;
  decltype(&::avahi_server_get_host_name) get_host_name = nullptr;
  decltype(&::avahi_server_set_host_name) set_host_name = nullptr;
  decltype(&::avahi_set_log_function) set_log_function = nullptr;
  decltype(&::avahi_s_entry_group_new) entry_group_new = nullptr;
  decltype(&::avahi_s_entry_group_free) entry_group_free = nullptr;
  decltype(&::avahi_s_entry_group_commit) entry_group_commit = nullptr;
  decltype(&::avahi_s_entry_group_reset) entry_group_reset = nullptr;
  decltype(&::avahi_server_add_service_strlst) add_service_strlst = nullptr;
  decltype(&::avahi_server_add_service_subtype) add_service_subtype = nullptr;
  decltype(&::avahi_server_update_service_txt_strlst) update_service_txt_strlst = nullptr;
  decltype(&::avahi_server_add_address) add_address = nullptr;
  decltype(&::avahi_s_service_browser_new) service_browser_new = nullptr;
  decltype(&::avahi_s_service_browser_free) service_browser_free = nullptr;
  decltype(&::avahi_s_service_resolver_new) service_resolver_new = nullptr;
  decltype(&::avahi_s_service_resolver_free) service_resolver_free = nullptr;
  decltype(&::avahi_s_host_name_resolver_new) host_name_resolver_new = nullptr;
  decltype(&::avahi_s_host_name_resolver_free) host_name_resolver_free = nullptr;

  CoreLibrary() {
    file.find("avahi_server_new", server_new);
    file.find("avahi_server_free", server_free);
    file.find("avahi_server_errno", server_errno);
    file.find("avahi_server_config_init", config_init);
    file.find("avahi_server_config_free", config_free);
    file.find("avahi_server_get_host_name", get_host_name);
    file.find("avahi_server_set_host_name", set_host_name);
    file.find("avahi_set_log_function", set_log_function);
    file.find("avahi_s_entry_group_new", entry_group_new);
    file.find("avahi_s_entry_group_free", entry_group_free);
    file.find("avahi_s_entry_group_commit", entry_group_commit);
    file.find("avahi_s_entry_group_reset", entry_group_reset);
    file.find("avahi_server_add_service_strlst", add_service_strlst);
    file.find("avahi_server_add_service_subtype", add_service_subtype);
    file.find("avahi_server_update_service_txt_strlst", update_service_txt_strlst);
    file.find("avahi_server_add_address", add_address);
    file.find("avahi_s_service_browser_new", service_browser_new);
    file.find("avahi_s_service_browser_free", service_browser_free);
    file.find("avahi_s_service_resolver_new", service_resolver_new);
    file.find("avahi_s_service_resolver_free", service_resolver_free);
    file.find("avahi_s_host_name_resolver_new", host_name_resolver_new);
    file.find("avahi_s_host_name_resolver_free", host_name_resolver_free);
  }
};

const CoreLibrary& library() {
  static const CoreLibrary loaded;
  return loaded;
}

struct CoreApi {
  using Engine = AvahiServer;
  using Group = AvahiSEntryGroup;
  using ServiceBrowser = AvahiSServiceBrowser;
  using ServiceResolver = AvahiSServiceResolver;
  using HostResolver = AvahiSHostNameResolver;

  static void group_event(AvahiServer* /*server*/, Group* /*group*/, AvahiEntryGroupState state,
                          void* userdata) {
    static_cast<AvahiGroup<CoreApi>*>(userdata)->changed(state);
  }
  static Group* group_new(Engine* server, AvahiGroup<CoreApi>* owner) {
    return library().entry_group_new(server, group_event, owner);
  }
  static void group_free(Group* group) { library().entry_group_free(group); }
  static int group_commit(Group* group) { return library().entry_group_commit(group); }
  static void group_reset(Group* group) { library().entry_group_reset(group); }
  static int add_service(Engine* server, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, std::uint16_t port, AvahiStringList* text) {
    return library().add_service_strlst(server, group, interface, kAny, kNoFlags, name, type,
                                        kDomain, nullptr, port, text);
  }
  static int add_subtype(Engine* server, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, const char* subtype) {
    return library().add_service_subtype(server, group, interface, kAny, kNoFlags, name, type,
                                         kDomain, subtype);
  }
  static int update_text(Engine* server, Group* group, AvahiIfIndex interface, const char* name,
                         const char* type, AvahiStringList* text) {
    return library().update_service_txt_strlst(server, group, interface, kAny, kNoFlags, name, type,
                                               kDomain, text);
  }
  static int add_address(Engine* server, Group* group, AvahiIfIndex interface,
                         AvahiPublishFlags flags, const char* host, AvahiAddress* address) {
    return library().add_address(server, group, interface, kAny, flags, host, address);
  }
  static ServiceBrowser* browser_new(Engine* server, AvahiIfIndex interface, const char* type,
                                     AvahiSServiceBrowserCallback callback, void* userdata) {
    return library().service_browser_new(server, interface, kAny, type, kDomain, kMulticast,
                                         callback, userdata);
  }
  static void browser_free(ServiceBrowser* browser) { library().service_browser_free(browser); }
  static ServiceResolver* resolver_new(Engine* server, AvahiIfIndex interface, const char* name,
                                       const char* type, AvahiProtocol family,
                                       AvahiSServiceResolverCallback callback, void* userdata) {
    return library().service_resolver_new(server, interface, kAny, name, type, kDomain, family,
                                          kMulticast, callback, userdata);
  }
  static void resolver_free(ServiceResolver* resolver) {
    library().service_resolver_free(resolver);
  }
  static HostResolver* host_resolver_new(Engine* server, AvahiIfIndex interface, const char* host,
                                         AvahiProtocol family,
                                         AvahiSHostNameResolverCallback callback, void* userdata) {
    return library().host_name_resolver_new(server, interface, kAny, host, family, kMulticast,
                                            callback, userdata);
  }
  static void host_resolver_free(HostResolver* resolver) {
    library().host_name_resolver_free(resolver);
  }
};

// The machine's name, unless it is one that every machine has.
std::string responder_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) {
    return "latchkey";
  }
  const std::string_view whole = name.data();
  const std::string label(whole.substr(0, std::min<std::size_t>(whole.find('.'), kMaxNameBytes)));
  return label.empty() || label == "localhost" ? "latchkey" : label;
}

class Config {
 public:
  explicit Config(const BuiltinOptions& options) {
    library().config_init(&config_);
    config_.host_name = avahi_strdup(responder_name().c_str());
    config_.publish_hinfo = 0;
    config_.publish_workstation = 0;
    config_.publish_domain = 0;
    config_.publish_addresses = options.publishes ? 1 : 0;
    config_.disable_publishing = options.publishes ? 0 : 1;
    config_.enable_wide_area = 0;
    config_.n_cache_entries_max = kMaxCachedRecords;
    for (const std::string& interface : options.interfaces) {
      config_.allow_interfaces = avahi_string_list_add(config_.allow_interfaces, interface.c_str());
    }
  }
  ~Config() { library().config_free(&config_); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  Config(Config&&) = delete;
  Config& operator=(Config&&) = delete;
  [[nodiscard]] const AvahiServerConfig* get() const { return &config_; }

 private:
  AvahiServerConfig config_{};
};

class BuiltinBackend final : public AvahiBackend<CoreApi> {
 public:
  explicit BuiltinBackend(OnBackend changed) : changed_(std::move(changed)) {}
  ~BuiltinBackend() override {
    if (server_ != nullptr) {
      library().server_free(server_);
    }
  }
  BuiltinBackend(const BuiltinBackend&) = delete;
  BuiltinBackend& operator=(const BuiltinBackend&) = delete;
  BuiltinBackend(BuiltinBackend&&) = delete;
  BuiltinBackend& operator=(BuiltinBackend&&) = delete;

  Result<void, Error> open(Poll& poll, const BuiltinOptions& options) {
    const Config config(options);
    int error = 0;
    server_ = library().server_new(poll.api(), config.get(), event, this, &error);
    if (server_ == nullptr) {
      return fail(avahi_error(error, "this computer's multicast port cannot be used"));
    }
    return {};
  }

  [[nodiscard]] State state() const override { return state_; }
  [[nodiscard]] std::string reason() const override { return reason_; }

 protected:
  AvahiServer* engine() override { return server_; }

 private:
  // Called for the first time from inside library().server_new().
  static void event(AvahiServer* server, AvahiServerState state, void* userdata) {
    auto* self = static_cast<BuiltinBackend*>(userdata);
    switch (state) {
      case AVAHI_SERVER_RUNNING:
        self->state_ = State::kRunning;
        break;
      case AVAHI_SERVER_COLLISION: {
        self->state_ = State::kStarting;
        char* other = avahi_alternative_host_name(library().get_host_name(server));
        library().set_host_name(server, other);
        avahi_free(other);
        break;
      }
      case AVAHI_SERVER_FAILURE:
        self->state_ = State::kLost;
        self->reason_ = avahi_strerror(library().server_errno(server));
        break;
      case AVAHI_SERVER_INVALID:
      case AVAHI_SERVER_REGISTERING:
        self->state_ = State::kStarting;
        break;
    }
    self->changed_();
  }

  OnBackend changed_;
  AvahiServer* server_ = nullptr;
  State state_ = State::kStarting;
  std::string reason_;
};

}  // namespace

Result<std::unique_ptr<Backend>, Error> open_builtin_backend(Poll& poll,
                                                             const BuiltinOptions& options,
                                                             OnBackend changed) {
  if (auto usable = library().file.usable(); !usable) {
    return fail(usable.error());
  }
  // Avahi would write to standard error; what matters comes as a state or an error code.
  library().set_log_function([](AvahiLogLevel, const char*) {});
  auto backend = std::make_unique<BuiltinBackend>(std::move(changed));
  if (auto opened = backend->open(poll, options); !opened) {
    return fail(opened.error());
  }
  return backend;
}

}  // namespace latchkey::discovery

#include "device/sso_setup.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <fstream>

namespace latchkey::device {

namespace {

constexpr std::size_t kMaxSecret = 512;
constexpr std::string_view kBasic = "basic";
constexpr std::string_view kPost = "post";

std::optional<std::string> read_text(const std::filesystem::path& file, std::size_t limit) {
  std::ifstream in(file, std::ios::binary);
  std::string text(limit + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  const auto got = static_cast<std::size_t>(in.gcount());
  if (in.bad() || got == 0 || got > limit) {
    return std::nullopt;
  }
  text.resize(got);
  return text;
}

// A file that others may read holds no secret.
std::optional<SecretBytes> read_secret(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || (info.st_mode & 077) != 0) {
    return std::nullopt;
  }
  auto text = read_text(path, kMaxSecret);
  if (!text) {
    return std::nullopt;
  }
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) {
    text->pop_back();
  }
  return SecretBytes::take(*std::move(text));
}

}  // namespace

Result<oidc::Config, std::string> read_sso(const std::filesystem::path& file) {
  const auto text = read_text(file, oidc::kMaxConfig);
  if (!text) {
    return fail(file.string() + " cannot be read.");
  }
  auto config = oidc::read_config(*text, read_secret);
  if (!config) {
    return fail(file.string() + ": " + config.error() + ".");
  }
  std::error_code error;
  if (!config->ca_file.empty() && !std::filesystem::is_regular_file(config->ca_file, error)) {
    return fail(file.string() + ": ca_file: " + config->ca_file + " cannot be read.");
  }
  for (const std::string& network : config->offered_from) {
    if (!net::Network::parse(network)) {
      return fail(file.string() + ": offered_from: \"" + network +
                  "\" is no network like 10.1.0.0/16.");
    }
  }
  return config;
}

std::vector<net::Network> offered_from(const oidc::Config& config) {
  std::vector<net::Network> networks;
  for (const std::string& one : config.offered_from) {
    if (const auto network = net::Network::parse(one)) {
      networks.push_back(*network);
    }
  }
  return networks;
}

std::vector<oidc::RegisteredClient> registered_clients(store::DeviceStore& store) {
  std::vector<oidc::RegisteredClient> clients;
  auto kept = store.sso_clients();
  if (!kept) {
    // The device registers itself anew; nobody is kept out for it.
    spdlog::warn("single sign-on: what was registered cannot be read: {}", kept.error().detail);
    return clients;
  }
  for (store::SsoClient& one : *kept) {
    oidc::Client client{std::move(one.id), std::move(one.secret), oidc::ClientAuth::kNone};
    if (one.auth == kBasic) {
      client.auth = oidc::ClientAuth::kBasic;
    } else if (one.auth == kPost) {
      client.auth = oidc::ClientAuth::kPost;
    }
    clients.push_back({std::move(one.issuer), std::move(one.redirect_uri), std::move(client)});
  }
  return clients;
}

store::Result<void> keep(store::DeviceStore& store, const oidc::RegisteredClient& registered) {
  const oidc::Client& client = registered.client;
  const std::string_view auth = client.auth == oidc::ClientAuth::kBasic  ? kBasic
                                : client.auth == oidc::ClientAuth::kPost ? kPost
                                                                         : "none";
  return store.save_sso_client({registered.issuer, registered.redirect_uri, client.id,
                                std::string(auth), client.secret.clone()});
}

oidc::PartyRules copy_of(const oidc::PartyRules& rules) {
  oidc::PartyRules copy;
  copy.accept_offered = rules.accept_offered;
  copy.policy = rules.policy;
  for (const oidc::ProviderRules& one : rules.providers) {
    oidc::ProviderRules provider;
    provider.issuer = one.issuer;
    provider.client = one.client ? std::optional(one.client->clone()) : std::nullopt;
    provider.scope = one.scope;
    provider.groups_claim = one.groups_claim;
    provider.max_age = one.max_age;
    copy.providers.push_back(std::move(provider));
  }
  return copy;
}

}  // namespace latchkey::device

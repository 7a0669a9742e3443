#include "oidc/config.h"

#include <algorithm>
#include <array>

#include "oidc/json.h"
#include "oidc/url.h"

namespace latchkey::oidc {

namespace {

using nlohmann::json;
template <class T>
using Read = latchkey::Result<T, std::string>;

constexpr std::size_t kMaxText = 512;

tl::unexpected<std::string> wrong(const std::string& what) {
  return fail(std::string(what));
}

template <std::size_t N>
std::optional<std::string> unknown_name(const json& map,
                                        const std::array<std::string_view, N>& known) {
  for (const auto& [name, value] : map.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return name;
    }
  }
  return std::nullopt;
}

// False: there, but not a text that fits.
bool take_text(const json& map, const char* name, std::string& to) {
  if (!map.contains(name)) {
    return true;
  }
  auto text = text_in(map, name, kMaxText);
  if (!text || text->empty()) {
    return false;
  }
  to = *std::move(text);
  return true;
}

bool take_flag(const json& map, const char* name, bool& to) {
  if (!map.contains(name)) {
    return true;
  }
  to = map[name] == true;
  return map[name].is_boolean();
}

bool is_scope(const std::string& scope) {
  return (scope + " ").starts_with("openid ") &&
         std::all_of(scope.begin(), scope.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Read<Client> read_client(const json& map, const SecretReader& secret) {
  Client client;
  std::string file;
  std::string auth;
  if (!take_text(map, "client_id", client.id) || !is_client_id(client.id)) {
    return wrong("client_id");
  }
  if (!take_text(map, "client_secret_file", file)) {
    return wrong("client_secret_file");
  }
  if (!take_text(map, "client_auth", auth) || (auth.empty() != file.empty() && !auth.empty()) ||
      (!auth.empty() && auth != "basic" && auth != "post")) {
    return wrong("client_auth: it is basic or post, and needs client_secret_file");
  }
  if (!file.empty()) {
    auto read = secret(file);
    if (!read || read->empty()) {
      return wrong("client_secret_file: " + file + " cannot be read");
    }
    client.secret = *std::move(read);
    client.auth = auth == "post" ? ClientAuth::kPost : ClientAuth::kBasic;
  }
  return client;
}

Read<ProviderRules> read_provider(const json& map, const SecretReader& secret) {
  constexpr std::array<std::string_view, 7> kKnown = {
      "issuer",       "client_id", "client_secret_file", "client_auth", "scope",
      "groups_claim", "max_age"};
  if (!map.is_object()) {
    return wrong("a provider is an object");
  }
  if (const auto name = unknown_name(map, kKnown)) {
    return wrong("\"" + *name + "\" is not known");
  }
  ProviderRules rules;
  if (!take_text(map, "issuer", rules.issuer) || !is_issuer(rules.issuer)) {
    return wrong("issuer: an https address without a query");
  }
  if (map.contains("client_id")) {
    auto client = read_client(map, secret);
    if (!client) {
      return fail(client.error());
    }
    rules.client = *std::move(client);
  } else if (map.contains("client_secret_file") || map.contains("client_auth")) {
    return wrong("client_id is missing");
  }
  if (!take_text(map, "scope", rules.scope) || !is_scope(rules.scope)) {
    return wrong("scope: begins with openid");
  }
  if (!take_text(map, "groups_claim", rules.groups_claim)) {
    return wrong("groups_claim");
  }
  if (map.contains("max_age")) {
    const auto age = seconds_in(map, "max_age");
    if (!age || *age < 1 || *age > 31'536'000) {
      return wrong("max_age: seconds, from 1 on");
    }
    rules.max_age = seconds(*age);
  }
  return rules;
}

// As they are written; nothing: not a list of texts.
std::optional<std::vector<std::string>> read_networks(const json& map) {
  std::vector<std::string> networks;
  const auto at = map.find("offered_from");
  if (at == map.end()) {
    return networks;
  }
  if (!at->is_array() || at->empty() || at->size() > kMaxNetworks) {
    return std::nullopt;
  }
  for (const json& one : *at) {
    if (!one.is_string() || one.get_ref<const std::string&>().size() > 64) {
      return std::nullopt;
    }
    networks.push_back(one.get<std::string>());
  }
  return networks;
}

Read<std::vector<Rule>> read_rules(const json& map, const char* name) {
  constexpr std::array<std::string_view, 4> kKnown = {"issuer", "sub", "email", "group"};
  std::vector<Rule> rules;
  const auto at = map.find(name);
  if (at == map.end()) {
    return rules;
  }
  // An empty list would be read as "nobody" by one and as "everybody" by another.
  if (!at->is_array() || at->empty() || at->size() > kMaxRules) {
    return wrong(std::string(name) + ": a list of 1 to 256 rules");
  }
  for (const json& one : *at) {
    Rule rule;
    if (!one.is_object() || unknown_name(one, kKnown) || !take_text(one, "issuer", rule.issuer) ||
        !is_issuer(rule.issuer) || !take_text(one, "sub", rule.subject) ||
        !take_text(one, "email", rule.email) || !take_text(one, "group", rule.group)) {
      return wrong(std::string(name) + ": a rule has an issuer and any of sub, email, group");
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

Read<Config> read_config(std::string_view text, const SecretReader& secret) {
  constexpr std::array<std::string_view, 7> kKnown = {"providers", "accept_offered", "offered_from",
                                                      "required",  "may_use",        "may_manage",
                                                      "ca_file"};
  const auto map = read_object(text, kMaxConfig);
  if (!map) {
    return wrong("it is not a JSON object, or names something twice");
  }
  if (const auto name = unknown_name(*map, kKnown)) {
    return wrong("\"" + *name + "\" is not known");
  }
  Config config;
  const json providers = map->value("providers", json::array());
  if (!providers.is_array() || providers.size() > kMaxProviders) {
    return wrong("providers: a list of at most 16");
  }
  for (const json& one : providers) {
    auto rules = read_provider(one, secret);
    if (!rules) {
      return wrong("providers: " + rules.error());
    }
    const auto same = [&rules](const ProviderRules& other) {
      return other.issuer == rules->issuer;
    };
    if (std::any_of(config.rules.providers.begin(), config.rules.providers.end(), same)) {
      return wrong("providers: " + rules->issuer + " is there twice");
    }
    config.rules.providers.push_back(*std::move(rules));
  }
  Policy& policy = config.rules.policy;
  if (!take_flag(*map, "accept_offered", config.rules.accept_offered) ||
      !take_flag(*map, "required", policy.required)) {
    return wrong("accept_offered and required are true or false");
  }
  if (config.rules.providers.empty() && !config.rules.accept_offered) {
    return wrong("it names no provider");
  }
  if (!take_text(*map, "ca_file", config.ca_file)) {
    return wrong("ca_file: the name of a file");
  }
  auto networks = read_networks(*map);
  if (!networks || (!networks->empty() && !config.rules.accept_offered)) {
    return wrong("offered_from: a list of 1 to 16 networks, with accept_offered");
  }
  config.offered_from = *std::move(networks);
  auto use = read_rules(*map, "may_use");
  auto manage = read_rules(*map, "may_manage");
  if (!use || !manage) {
    return fail(use ? manage.error() : use.error());
  }
  policy.use = *std::move(use);
  policy.manage = *std::move(manage);
  return config;
}

}  // namespace latchkey::oidc

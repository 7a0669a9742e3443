// What the owner of a device says about single sign-on: a JSON file (docs/single-sign-on.md).
//
//   {"providers": [{"issuer": "https://idp.example", "client_id": "device",
//                   "client_secret_file": "/etc/latchkey/secret", "client_auth": "basic",
//                   "scope": "openid email", "groups_claim": "groups", "max_age": 3600}],
//    "accept_offered": false, "offered_from": ["10.1.0.0/16"], "required": false,
//    "may_use": [{"issuer": "https://idp.example", "email": "ann@example.com"}],
//    "may_manage": [{"issuer": "https://idp.example", "group": "parents"}],
//    "ca_file": "/etc/ssl/own.pem"}
//
// All but one of `providers` and `accept_offered` may be missing. What is not known here is an
// error: a policy with a slip of the pen must not let people in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oidc/party.h"

namespace latchkey::oidc {

inline constexpr std::size_t kMaxConfig = 65536;
inline constexpr std::size_t kMaxProviders = 16;
inline constexpr std::size_t kMaxRules = 256;
inline constexpr std::size_t kMaxNetworks = 16;

struct Config {
  PartyRules rules;
  std::string ca_file;  // whose certificates are believed; empty: the system's
  // Networks where providers that web services name may be, besides the public internet; as
  // written.
  std::vector<std::string> offered_from;
};

// Reads a file with a secret; nothing where it cannot be read.
using SecretReader = std::function<std::optional<SecretBytes>(const std::string& path)>;

// An error says where it is, for the person who wrote the file.
latchkey::Result<Config, std::string> read_config(std::string_view text,
                                                  const SecretReader& secret);

}  // namespace latchkey::oidc

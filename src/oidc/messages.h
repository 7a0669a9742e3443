// Requests to a provider, and what it answers: the code flow with PKCE (RFC 6749, RFC 7636),
// refreshing, introspection (RFC 7662), revocation (RFC 7009), the device grant (RFC 8628), dynamic
// registration (RFC 7591), logout at the provider (OpenID Connect RP-Initiated Logout).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "oidc/discovery.h"

namespace latchkey::oidc {

inline constexpr std::size_t kMaxCode = 2048;
inline constexpr std::size_t kMaxToken = 8192;  // access and refresh tokens
inline constexpr std::size_t kMaxAnswer = 65536;

enum class ClientAuth { kNone, kBasic, kPost };  // RFC 6749 section 2.3.1; kNone: a public client
// What a provider knows this device, or its web service, as.
struct Client {
  std::string id;
  SecretBytes secret{};
  ClientAuth auth = ClientAuth::kNone;
  [[nodiscard]] Client clone() const { return {id, secret.clone(), auth}; }
};
bool is_client_id(std::string_view text);  // 1..255 visible ASCII characters

struct HttpRequest {
  std::string url;  // https
  bool post = false;
  bool json = false;  // the body; else it is a form
  SecretBytes body{};
  SecretBytes authorization{};  // the field's value; empty: none
};

HttpRequest get(std::string url);
HttpRequest code_request(const Metadata& provider, const Client& client, std::string_view code,
                         std::string_view redirect_uri, ByteSpan verifier);
HttpRequest refresh_request(const Metadata& provider, const Client& client, ByteSpan refresh);
HttpRequest introspection_request(const Metadata& provider, const Client& client, ByteSpan token,
                                  bool is_refresh);
HttpRequest revocation_request(const Metadata& provider, const Client& client, ByteSpan refresh);
HttpRequest device_request(const Metadata& provider, const Client& client, std::string_view scope);
HttpRequest device_token_request(const Metadata& provider, const Client& client, ByteSpan code);

struct Registration {
  std::string redirect_uri;
  std::string frontchannel_logout_uri;  // empty: none
};
HttpRequest registration_request(const Metadata& provider, const Registration& registration);

struct Authorization {
  std::string redirect_uri, scope, state, nonce;
  Digest256 challenge{};  // SHA-256 of the verifier
  bool silent = false;    // prompt=none
  bool anew = false;      // prompt=login; `silent` goes before it
  std::optional<seconds> max_age;
};
std::string authorization_url(const Metadata& provider, const Client& client,
                              const Authorization& authorization);
// Where the person's session at the provider ends; empty where the provider has no such place.
std::string logout_url(const Metadata& provider, const Client& client, std::string_view id_token,
                       std::string_view post_logout_redirect_uri);

struct Tokens {
  SecretBytes access;
  SecretBytes refresh;   // empty: none came
  std::string id_token;  // empty: none came
};
// Of every answer of a token endpoint. kRefused with the provider's code where it says no
// (400, 401, 403), kUnreachable where it has trouble of its own (429, 5xx).
Result<Tokens> read_tokens(long status, std::string_view body);
// Whether the token is still good.
Result<bool> read_introspection(long status, std::string_view body);

struct DeviceCodes {
  SecretBytes device_code;
  std::string user_code, verification_uri, verification_uri_complete;
  seconds life{300};    // at most half an hour
  seconds interval{5};  // between questions; 1 to 60
};
Result<DeviceCodes> read_device_codes(long status, std::string_view body);
struct Registered {
  Client client;
  bool ends = false;  // its secret has an end (client_secret_expires_at)
};
Result<Registered> read_registration(long status, std::string_view body);

}  // namespace latchkey::oidc

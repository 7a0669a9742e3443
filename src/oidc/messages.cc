#include "oidc/messages.h"

#include <algorithm>

#include "base/encoding.h"
#include "oidc/json.h"
#include "oidc/url.h"
#include "wire/http_head.h"

namespace latchkey::oidc {

namespace {

using nlohmann::json;

constexpr std::string_view kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// A form with the client's own words added, however this client proves itself.
HttpRequest posted(const std::string& url, const Client& client, std::string form) {
  HttpRequest request{.url = url, .post = true};
  if (client.auth == ClientAuth::kBasic) {
    std::string pair = form_encode(client.id) + ":" + form_encode(as_text(client.secret.span()));
    request.authorization = SecretBytes::take("Basic " + base64_encode(as_bytes(pair)));
    (void)SecretBytes::take(std::move(pair));
  } else {
    form += "&client_id=" + form_encode(client.id);
    if (client.auth == ClientAuth::kPost) {
      form += "&client_secret=" + form_encode(as_text(client.secret.span()));
    }
  }
  request.body = SecretBytes::take(std::move(form));
  return request;
}

// The provider's own word for why not. Nothing else of what it says goes any further.
std::string error_code_in(const json& map) {
  const auto code = text_in(map, "error", 64);
  const bool plain = code && !code->empty() && std::all_of(code->begin(), code->end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || c == '_';
                     });
  return plain ? *code : "no_reason";
}

Result<json> read_answer(long status, std::string_view body) {
  if (status == 429 || status >= 500) {
    return refuse(ErrorCode::kUnreachable, "the provider has trouble of its own");
  }
  auto map = read_object(body, kMaxAnswer);
  if (status == 200 || status == 201) {
    return map;
  }
  if (status != 400 && status != 401 && status != 403) {
    return refuse(ErrorCode::kMalformed, "an answer with status " + std::to_string(status));
  }
  return refuse(ErrorCode::kRefused, map ? error_code_in(*map) : "no_reason");
}

// A token or code; empty where there is none. Nothing where it is not one.
std::optional<SecretBytes> secret_in(const json& map, const char* name, std::size_t max) {
  if (!map.contains(name) || map[name].is_null()) {
    return SecretBytes();
  }
  auto text = text_in(map, name, max);
  if (!text || !is_visible(*text)) {
    return std::nullopt;
  }
  return SecretBytes::take(std::move(*text));
}

}  // namespace

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= 255 && is_visible(text);
}

HttpRequest get(std::string url) {
  return {.url = std::move(url)};
}

HttpRequest code_request(const Metadata& provider, const Client& client, std::string_view code,
                         std::string_view redirect_uri, ByteSpan verifier) {
  return posted(provider.token_endpoint, client,
                form({{"grant_type", "authorization_code"},
                      {"code", code},
                      {"redirect_uri", redirect_uri},
                      {"code_verifier", as_text(verifier)}}));
}

HttpRequest refresh_request(const Metadata& provider, const Client& client, ByteSpan refresh) {
  return posted(provider.token_endpoint, client,
                form({{"grant_type", "refresh_token"}, {"refresh_token", as_text(refresh)}}));
}

HttpRequest introspection_request(const Metadata& provider, const Client& client, ByteSpan token,
                                  bool is_refresh) {
  return posted(provider.introspection_endpoint, client,
                form({{"token", as_text(token)},
                      {"token_type_hint", is_refresh ? "refresh_token" : "access_token"}}));
}

HttpRequest revocation_request(const Metadata& provider, const Client& client, ByteSpan refresh) {
  return posted(provider.revocation_endpoint, client,
                form({{"token", as_text(refresh)}, {"token_type_hint", "refresh_token"}}));
}

HttpRequest device_request(const Metadata& provider, const Client& client, std::string_view scope) {
  return posted(provider.device_authorization_endpoint, client, form({{"scope", scope}}));
}

HttpRequest device_token_request(const Metadata& provider, const Client& client, ByteSpan code) {
  return posted(provider.token_endpoint, client,
                form({{"grant_type", kDeviceGrant}, {"device_code", as_text(code)}}));
}

HttpRequest registration_request(const Metadata& provider, const Registration& registration) {
  json body = {{"client_name", "Latchkey device"},
               {"application_type", "web"},
               {"redirect_uris", {registration.redirect_uri}},
               {"token_endpoint_auth_method", "none"},
               {"grant_types", {"authorization_code", "refresh_token"}},
               {"response_types", {"code"}}};
  if (!registration.frontchannel_logout_uri.empty()) {
    body["frontchannel_logout_uri"] = registration.frontchannel_logout_uri;
    body["frontchannel_logout_session_required"] = true;
  }
  return {.url = provider.registration_endpoint,
          .post = true,
          .json = true,
          .body = SecretBytes::take(body.dump())};
}

std::string authorization_url(const Metadata& provider, const Client& client,
                              const Authorization& authorization) {
  const std::string challenge = base64url_encode(authorization.challenge);
  const std::string max_age =
      authorization.max_age ? std::to_string(authorization.max_age->count()) : "";
  return with_query(provider.authorization_endpoint, {{"response_type", "code"},
                                                      {"client_id", client.id},
                                                      {"redirect_uri", authorization.redirect_uri},
                                                      {"scope", authorization.scope},
                                                      {"state", authorization.state},
                                                      {"nonce", authorization.nonce},
                                                      {"code_challenge", challenge},
                                                      {"code_challenge_method", "S256"},
                                                      {"prompt", authorization.silent ? "none"
                                                                 : authorization.anew ? "login"
                                                                                      : ""},
                                                      {"max_age", max_age}});
}

std::string logout_url(const Metadata& provider, const Client& client, std::string_view id_token,
                       std::string_view post_logout_redirect_uri) {
  if (provider.end_session_endpoint.empty()) {
    return {};
  }
  return with_query(provider.end_session_endpoint,
                    {{"id_token_hint", id_token},
                     {"client_id", client.id},
                     {"post_logout_redirect_uri", post_logout_redirect_uri}});
}

Result<Tokens> read_tokens(long status, std::string_view body) {
  const auto map = read_answer(status, body);
  if (!map) {
    return fail(map.error());
  }
  auto access = secret_in(*map, "access_token", kMaxToken);
  auto refresh = secret_in(*map, "refresh_token", kMaxToken);
  const auto kind = text_in(*map, "token_type", 32);
  if (!access || access->empty() || !refresh || !kind || !wire::iequals(*kind, "Bearer") ||
      (map->contains("id_token") && !text_in(*map, "id_token", 16384))) {
    return refuse(ErrorCode::kMalformed, "the tokens cannot be read");
  }
  return Tokens{*std::move(access), *std::move(refresh),
                text_in(*map, "id_token", 16384).value_or("")};
}

Result<bool> read_introspection(long status, std::string_view body) {
  const auto map = read_answer(status, body);
  if (!map) {
    return fail(map.error());
  }
  const auto active = map->find("active");
  if (active == map->end() || !active->is_boolean()) {
    return refuse(ErrorCode::kMalformed, "the provider does not say whether the token is good");
  }
  return active->get<bool>();
}

Result<DeviceCodes> read_device_codes(long status, std::string_view body) {
  const auto map = read_answer(status, body);
  if (!map) {
    return fail(map.error());
  }
  DeviceCodes out;
  auto code = secret_in(*map, "device_code", kMaxCode);
  out.user_code = text_in(*map, "user_code", 64).value_or("");
  out.verification_uri = text_in(*map, "verification_uri", kMaxUrl).value_or("");
  out.verification_uri_complete = text_in(*map, "verification_uri_complete", kMaxUrl).value_or("");
  if (!code || code->empty() || out.user_code.empty() || !is_https_url(out.verification_uri) ||
      (!out.verification_uri_complete.empty() && !is_https_url(out.verification_uri_complete))) {
    return refuse(ErrorCode::kMalformed, "the codes cannot be read");
  }
  out.device_code = *std::move(code);
  const auto within = [](std::int64_t value, std::int64_t low, std::int64_t high) {
    return seconds(std::clamp(value, low, high));
  };
  out.life = within(seconds_in(*map, "expires_in").value_or(300), 1, 1800);
  out.interval = within(seconds_in(*map, "interval").value_or(5), 1, 60);
  return out;
}

Result<Registered> read_registration(long status, std::string_view body) {
  const auto map = read_answer(status, body);
  if (!map) {
    return fail(map.error());
  }
  Client client;
  client.id = text_in(*map, "client_id", 255).value_or("");
  auto secret = secret_in(*map, "client_secret", 512);
  const std::string method = text_in(*map, "token_endpoint_auth_method", 64).value_or("none");
  if (!is_client_id(client.id) || !secret) {
    return refuse(ErrorCode::kMalformed, "the registration cannot be read");
  }
  if (method != "none" && secret->empty()) {
    return refuse(ErrorCode::kMalformed, "a registration without its secret");
  }
  if (method == "client_secret_basic") {
    client.auth = ClientAuth::kBasic;
  } else if (method == "client_secret_post") {
    client.auth = ClientAuth::kPost;
  } else if (method != "none") {
    return refuse(ErrorCode::kUnsupported, "a registration that proves itself in another way");
  }
  client.secret = *std::move(secret);
  const bool ends = seconds_in(*map, "client_secret_expires_at").value_or(0) != 0;
  return Registered{std::move(client), ends};
}

}  // namespace latchkey::oidc

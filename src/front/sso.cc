#include "front/sso.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "front/sso_pages.h"
#include "oidc/url.h"
#include "wire/strict_json.h"

namespace latchkey::front {

namespace {

using nlohmann::json;

constexpr std::string_view kCallbackPath = "/.well-known/latchkey/sso/callback";
constexpr std::string_view kLogoutPath = "/.well-known/latchkey/sso/frontchannel-logout";

constexpr std::array kPlaces = {
    SsoPlace{kSsoPath, SsoAct::kState, "GET", false},
    SsoPlace{"/.well-known/latchkey/sso/start", SsoAct::kStart, "POST", false},
    SsoPlace{kCallbackPath, SsoAct::kCallback, "GET", true},
    SsoPlace{"/.well-known/latchkey/sso/finish", SsoAct::kFinish, "POST", false},
    SsoPlace{"/.well-known/latchkey/sso/out", SsoAct::kOut, "POST", false},
    SsoPlace{"/.well-known/latchkey/sso/device", SsoAct::kDevice, "POST", false},
    SsoPlace{kLogoutPath, SsoAct::kFrontChannelLogout, "GET", true}};

// An object; an empty body is an empty one.
std::optional<json> read_body(std::string_view body) {
  if (body.empty()) {
    return json::object();
  }
  auto map = wire::parse_json(body, {kMaxSsoBody, 2});
  return map && map->is_object() ? std::optional(*std::move(map)) : std::nullopt;
}

// A text, or empty where it is missing. Nothing: it is something else, or longer.
std::optional<std::string> text_of(const json& map, const char* name, std::size_t max) {
  const auto at = map.find(name);
  if (at == map.end()) {
    return std::string();
  }
  if (!at->is_string() || at->get_ref<const std::string&>().size() > max) {
    return std::nullopt;
  }
  return at->get<std::string>();
}

std::string own_address(const SsoRequest& request, std::string_view path) {
  return "https://" + request.authority + std::string(path);
}

bool is_page_of(const grant::DeviceGrant& grant, const std::string& url) {
  return grant.origin && oidc::origin_of(url) == grant.origin->text();
}

Answer said(int status, const json& body) {
  Answer answer = json_answer(status, body.dump());
  answer.fields.set("Cache-Control", "no-store");
  return answer;
}

int status_of(oidc::ErrorCode code) {
  switch (code) {
    case oidc::ErrorCode::kBadRequest:
      return 400;
    case oidc::ErrorCode::kRefused:
    case oidc::ErrorCode::kNotAllowed:
      return 403;
    case oidc::ErrorCode::kUnknownIssuer:
      return 404;
    case oidc::ErrorCode::kUnknownFlow:
    case oidc::ErrorCode::kNotSignedIn:
    case oidc::ErrorCode::kMixUp:
      return 409;
    case oidc::ErrorCode::kBusy:
      return 503;
    case oidc::ErrorCode::kUnreachable:
      return 504;
    default:
      return 502;
  }
}

}  // namespace

const SsoPlace* sso_place(std::string_view path) {
  const auto* at = std::find_if(kPlaces.begin(), kPlaces.end(),
                                [path](const SsoPlace& one) { return one.path == path; });
  return at == kPlaces.end() ? nullptr : at;
}

bool comes_from_provider(const wire::HttpRequestHead& head, std::string_view path) {
  const std::string* mode = head.fields.find("Sec-Fetch-Mode");
  const std::string* kind = head.fields.find("Sec-Fetch-Dest");
  if (head.method != "GET" || head.fields.has("Origin") || mode == nullptr || kind == nullptr ||
      head.fields.count("Sec-Fetch-Mode") != 1 || head.fields.count("Sec-Fetch-Dest") != 1 ||
      *mode != "navigate") {
    return false;
  }
  return (path == kCallbackPath && *kind == "document") ||
         (path == kLogoutPath && (*kind == "iframe" || *kind == "document"));
}

std::optional<oidc::RelyingParty::Start> read_sso_start(const SsoRequest& request,
                                                        const grant::DeviceGrant& grant,
                                                        std::string_view body) {
  const auto map = read_body(body);
  if (!map) {
    return std::nullopt;
  }
  auto return_to = request.navigates ? oidc::form_value(request.query, "return_to", 1024)
                                     : text_of(*map, "return_to", 1024);
  if (request.navigates && request.query.find("return_to=") == std::string::npos) {
    return_to = "";
  }
  const auto redirect = text_of(*map, "redirect_uri", oidc::kMaxUrl);
  // Which provider, where the device takes the word of several.
  const auto issuer =
      request.navigates
          ? std::optional(
                oidc::form_value(request.query, "issuer", oidc::kMaxUrl).value_or(std::string()))
          : text_of(*map, "issuer", oidc::kMaxUrl);
  const auto silent = map->find("silent");
  if (!return_to || !redirect || !issuer || (silent != map->end() && !silent->is_boolean()) ||
      (!return_to->empty() && !oidc::is_local_path(*return_to))) {
    return std::nullopt;
  }
  oidc::RelyingParty::Start start;
  start.session = request.session->id;
  start.host = grant.host.text();
  // What the web service named when the person allowed it, unless the page says another.
  start.issuer = issuer->empty() && grant.sso ? grant.sso->issuer.text() : *issuer;
  start.offered = grant.sso && start.issuer == grant.sso->issuer.text();
  start.offered_client = start.offered ? grant.sso->client : "";
  start.return_to = *return_to;
  start.silent = silent != map->end() && silent->get<bool>();
  start.anew = request.navigates && oidc::form_value(request.query, "anew", 1) == "1";
  if (!grant.origin) {
    start.redirect_uri = own_address(request, kCallbackPath);
    start.frontchannel_logout_uri = own_address(request, kLogoutPath);
    return redirect->empty() ? std::optional(start) : std::nullopt;
  }
  if (request.act == SsoAct::kStart && !is_page_of(grant, *redirect)) {
    return std::nullopt;
  }
  start.redirect_uri = *redirect;
  return start;
}

std::optional<oidc::RelyingParty::Answer> read_sso_finish(std::string_view body) {
  const auto map = read_body(body);
  if (!map) {
    return std::nullopt;
  }
  auto state = text_of(*map, "state", 128);
  auto code = text_of(*map, "code", oidc::kMaxCode);
  auto issuer = text_of(*map, "iss", oidc::kMaxUrl);
  auto error = text_of(*map, "error", 64);
  // The provider's word goes on to a log and to the page.
  const auto is_word = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  };
  if (!state || !code || !issuer || !error || !is_word(*error)) {
    return std::nullopt;
  }
  return oidc::RelyingParty::Answer{*state, *code, *issuer, *error};
}

std::optional<std::string> read_sso_out(const SsoRequest& request, const grant::DeviceGrant& grant,
                                        std::string_view body) {
  const auto map = read_body(body);
  auto redirect = map ? text_of(*map, "redirect_uri", oidc::kMaxUrl) : std::nullopt;
  if (!redirect || redirect->empty()) {
    return redirect;
  }
  const bool ours = grant.origin ? is_page_of(grant, *redirect)
                                 : oidc::origin_of(*redirect) == own_address(request, "");
  return ours ? redirect : std::nullopt;
}

std::optional<FrontChannelLogout> read_frontchannel_logout(std::string_view query) {
  auto issuer = oidc::form_value(query, "iss", oidc::kMaxUrl);
  auto session = oidc::form_value(query, "sid", oidc::kMaxSubject);
  return issuer && session ? std::optional(FrontChannelLogout{*issuer, *session}) : std::nullopt;
}

Answer sso_state_answer(const oidc::RelyingParty& party, grant::SessionId session) {
  const oidc::Identity* who = party.signed_in(session);
  json body = {{"signed_in", who != nullptr}};
  if (who != nullptr) {
    body["issuer"] = who->issuer;
    body["user"] = who->subject;
    body["may_manage"] = party.policy().may_manage(*who);
  } else {
    body["pending"] = party.is_pending(session);
  }
  return said(200, body);
}

Answer sso_redirect_answer(const SsoRequest& request, const std::string& url) {
  if (!request.navigates) {
    return said(200, {{"url", url}});
  }
  Answer answer;
  answer.status = 303;
  answer.fields.add("Location", url);
  answer.fields.add("Cache-Control", "no-store");
  answer.fields.add("Referrer-Policy", "no-referrer");
  return answer;
}

Answer sso_device_answer(const oidc::DeviceCodeShown& shown) {
  json body = {{"user_code", shown.user_code},
               {"verification_uri", shown.verification_uri},
               {"expires_in", shown.life.count()}};
  if (!shown.verification_uri_complete.empty()) {
    body["verification_uri_complete"] = shown.verification_uri_complete;
  }
  return said(200, body);
}

Answer sso_signed_in_answer(const std::string& return_to) {
  return said(200, {{"signed_in", true}, {"return_to", return_to.empty() ? "/" : return_to}});
}

Answer sso_out_answer(const std::string& url) {
  return said(200, {{"url", url.empty() ? json(nullptr) : json(url)}});
}

bool has_to_choose(const SsoRequest& request, const oidc::RelyingParty::Start& start,
                   const oidc::RelyingParty& party) {
  return request.navigates && start.issuer.empty() && party.issuers().size() > 1;
}

Answer sso_error_answer(const SsoRequest& request, const oidc::Error& error,
                        std::string_view return_to) {
  if (request.navigates) {
    const auto asked = [&request](const char* name, std::size_t max) {
      return oidc::form_value(request.query, name, max).value_or("");
    };
    // The same once more, without what was wrong with it.
    const bool knows = error.code != oidc::ErrorCode::kUnknownIssuer;
    return sso_failed_page(request.language, status_of(error.code),
                           {.then = asked("return_to", 1024),
                            .issuer = knows ? asked("issuer", oidc::kMaxUrl) : std::string()});
  }
  json body = {{"error", oidc::name_of(error.code)}};
  if (error.code == oidc::ErrorCode::kRefused) {
    body["reason"] = error.detail;
  }
  if (!return_to.empty()) {
    body["return_to"] = return_to;
  }
  return said(status_of(error.code), body);
}

}  // namespace latchkey::front

// `/.well-known/latchkey` and what is under it.
#include <algorithm>
#include <array>
#include <string>

#include "base/encoding.h"
#include "front/desk.h"
#include "front/open_page.h"
#include "front/sso_pages.h"

namespace latchkey::front {

namespace {

constexpr std::string_view kDocument = "/.well-known/latchkey";
constexpr std::string_view kSession = "/.well-known/latchkey/session";
constexpr std::string_view kOpen = "/.well-known/latchkey/open";
constexpr std::string_view kHomeData = "/.well-known/latchkey/home.json";
constexpr std::string_view kWindow = "/.well-known/latchkey/window";
constexpr std::string_view kWindowClose = "/.well-known/latchkey/window/close";
constexpr std::string_view kLeave = "/.well-known/latchkey/leave";

Answer wrong_method(std::string_view allowed) {
  Answer answer = error_answer(405, "method_not_allowed");
  answer.fields.add("Allow", allowed);
  return answer;
}

std::string cookie_attributes(const grant::DeviceGrant& grant) {
  return std::string("; Path=/; Secure; HttpOnly; ") +
         (grant.origin ? "SameSite=None; Partitioned" : "SameSite=Strict");
}

std::optional<std::string> bearer(const wire::HttpFields& fields) {
  const std::string* value = fields.find("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (fields.count("Authorization") != 1 ||
      !wire::iequals(std::string_view(*value).substr(0, kScheme.size()), kScheme) ||
      value->size() > kScheme.size() + grant::kMaxTicket) {
    return std::nullopt;
  }
  return value->substr(kScheme.size());
}

}  // namespace

Decision Desk::well_known(const Request& request, const Target& target,
                          const grant::DeviceGrant& grant, MonoTime now) {
  const std::string& method = request.head.method;
  if (target.path == kDocument) {
    if (method != "GET" && method != "HEAD") {
      return wrong_method("GET, HEAD");
    }
    // Whether the service takes part in single sign-on is nobody's business before they signed in.
    const bool says_sso = grant.origin || session_of(request, grant, now);
    // With whom this permission's people sign in may be somebody whose word does not count here.
    const bool sso =
        party_ != nullptr && party_->takes(grant.sso ? grant.sso->issuer.text() : std::string());
    return json_answer(200, R"({"v":1,"type":")" + type_ + "\"" +
                                (says_sso ? (sso ? R"(,"sso":true})" : R"(,"sso":false})") : "}"));
  }
  if (target.path == kSession) {
    if (method == "POST") {
      return open_session(request, grant, now);
    }
    return method == "DELETE" ? close_session(request, grant, now) : wrong_method("DELETE, POST");
  }
  if (target.path == kOpen && !grant.origin) {
    return method == "GET" || method == "HEAD" ? open_page(language_of(request.head.fields))
                                               : wrong_method("GET, HEAD");
  }
  if (party_ != nullptr &&
      (target.path == kSsoPath || target.path.starts_with(std::string(kSsoPath) + "/"))) {
    return single_sign_on(request, target, grant, now);
  }
  return grant.origin ? Decision(error_answer(404, "not_found"))
                      : own_page(request, target, grant, now);
}

Decision Desk::own_page(const Request& request, const Target& target,
                        const grant::DeviceGrant& grant, MonoTime now) {
  struct Place {
    std::string_view path;
    std::optional<PageAct> act;
    bool changes;
  };
  constexpr std::array kPlaces = {
      Place{kHomePath, std::nullopt, false}, Place{kHomeData, PageAct::kState, false},
      Place{kWindow, PageAct::kOpenWindow, true}, Place{kWindowClose, PageAct::kCloseWindow, true},
      Place{kLeave, PageAct::kLeave, true}};
  const auto* place = std::find_if(kPlaces.begin(), kPlaces.end(),
                                   [&target](const Place& one) { return one.path == target.path; });
  if (place == kPlaces.end()) {
    return error_answer(404, "not_found");
  }
  const wire::HttpRequestHead& head = request.head;
  const bool reads = head.method == "GET" || head.method == "HEAD";
  if (place->changes ? head.method != "POST" : !reads) {
    return wrong_method(place->changes ? "POST" : "GET, HEAD");
  }
  if (place->changes && !is_click_of_ours(head, target.authority)) {
    return error_answer(403, "forbidden");
  }
  const Language language = language_of(head.fields);
  const auto session = session_of(request, grant, now);
  if (!session) {
    return wants_document(head) ? sign_in_page(language) : error_answer(401, "session_required");
  }
  if (place->changes && now - session->proven >= kFreshSession) {
    return sign_in_again_page(language);
  }
  // To leave is everybody's own business.
  if (place->changes && place->act != PageAct::kLeave) {
    if (auto refusal = misses_sign_in(request, target, grant, *session, true)) {
      return *std::move(refusal);
    }
  }
  if (!place->act) {
    return home_page(language);
  }
  return PageRequest{*place->act, language, *session};
}

Decision Desk::single_sign_on(const Request& request, const Target& target,
                              const grant::DeviceGrant& grant, MonoTime now) {
  const wire::HttpRequestHead& head = request.head;
  const SsoPlace* place = sso_place(target.path);
  if (place == nullptr || (grant.origin && place->direct_only)) {
    return error_answer(404, "not_found");
  }
  const bool navigates = place->act == SsoAct::kStart && !grant.origin && head.method == "GET";
  if (head.method != place->method && !navigates) {
    return wrong_method(place->method);
  }
  const std::size_t query = target.origin_form.find('?');
  SsoRequest out{.act = place->act,
                 .navigates = navigates,
                 .language = language_of(head.fields),
                 .query = query == std::string::npos ? "" : target.origin_form.substr(query + 1),
                 .authority = target.authority,
                 .session = std::nullopt,
                 .cookie = {}};
  // What the provider sends somebody to carries no session: it is another site's link.
  if (place->act == SsoAct::kCallback) {
    return callback_page(out.language);
  }
  if (place->act == SsoAct::kFrontChannelLogout) {
    return out;
  }
  const auto session = session_of(request, grant, now);
  if (!session) {
    return navigates ? sign_in_page(out.language) : error_answer(401, "session_required");
  }
  out.session = *session;
  out.cookie = session_cookie(head.fields).value_or("");
  return out;
}

std::optional<Answer> Desk::misses_sign_in(const Request& request, const Target& target,
                                           const grant::DeviceGrant& grant,
                                           const grant::Session& session, bool manages) const {
  if (party_ == nullptr) {
    return std::nullopt;
  }
  const oidc::Policy& policy = party_->policy();
  if (manages ? policy.manage.empty() : !policy.required) {
    return std::nullopt;
  }
  const oidc::Identity* who = party_->signed_in(session.id);
  if (who != nullptr && (!manages || policy.may_manage(*who))) {
    return std::nullopt;
  }
  const Language language = language_of(request.head.fields);
  const bool document = !grant.origin && wants_document(request.head);
  const std::string_view then = manages ? kHomePath : std::string_view(target.origin_form);
  if (who != nullptr) {
    return document ? not_yours_page(language, then) : error_answer(403, "not_allowed");
  }
  return document ? sso_needed_page(language, then) : error_answer(401, "sign_in_required");
}

std::optional<std::string> Desk::renewed_cookie(std::string_view cookie,
                                                const grant::DeviceGrant& grant, MonoTime now) {
  auto token = sessions_.rename(cookie, grant.grant_key(), now);
  const auto session = token ? sessions_.find(*token, grant.grant_key(), now) : std::nullopt;
  if (!session) {
    return std::nullopt;
  }
  const auto age = std::chrono::duration_cast<seconds>(session->ends - now).count();
  return std::string(kCookie) + "=" + *token + cookie_attributes(grant) +
         "; Max-Age=" + std::to_string(age);
}

Answer Desk::open_session(const Request& request, const grant::DeviceGrant& grant, MonoTime now) {
  const auto ticket = bearer(request.head.fields);
  if (!ticket) {
    return error_answer(401, "bad_ticket");
  }
  const auto claims = gate_.accept(*ticket, grant, now);
  if (!claims) {
    if (claims.error() == grant::TicketError::kNonceRequired) {
      const std::string nonce = base64url_encode(gate_.make_nonce(grant.grant_key(), now).span());
      return json_answer(401, R"({"error":"nonce_required","nonce":")" + nonce + "\"}");
    }
    return error_answer(401, "bad_ticket");
  }
  // The agent's own word on the time: over its channel, or in the ticket it made for our nonce.
  const WallTime wall = gate_.trusted_now(grant.agent, now).value_or(claims->issued);
  const seconds left = grant.not_after - wall;
  if (left <= seconds(0)) {
    return error_answer(401, "bad_ticket");
  }
  const auto life = std::min<std::chrono::milliseconds>(left, grant::SessionTable::kMaxLife);
  Answer answer;
  answer.status = 204;
  std::string token;
  const auto cookie = session_cookie(request.head.fields);
  if (cookie && sessions_.extend(*cookie, grant.grant_key(), life, now)) {
    token = *cookie;
  } else {
    auto opened = sessions_.open(grant.grant_key(), life, now);
    token = std::move(opened.token);
    answer.ended = std::move(opened.displaced);
  }
  const auto age = std::chrono::duration_cast<seconds>(life).count();
  answer.fields.add("Set-Cookie", std::string(kCookie) + "=" + token + cookie_attributes(grant) +
                                      "; Max-Age=" + std::to_string(age));
  answer.fields.add("Cache-Control", "no-store");
  return answer;
}

Answer Desk::close_session(const Request& request, const grant::DeviceGrant& grant, MonoTime now) {
  const auto cookie = session_cookie(request.head.fields);
  if (!cookie || !sessions_.find(*cookie, grant.grant_key(), now)) {
    return error_answer(401, "session_required");
  }
  Answer answer;
  answer.status = 204;
  if (const auto closed = sessions_.close(*cookie, grant.grant_key())) {
    answer.ended.push_back(*closed);
  }
  answer.fields.add("Set-Cookie",
                    std::string(kCookie) + "=" + cookie_attributes(grant) + "; Max-Age=0");
  answer.fields.add("Cache-Control", "no-store");
  return answer;
}

}  // namespace latchkey::front

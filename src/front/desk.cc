#include "front/desk.h"

#include <algorithm>

#include "front/open_page.h"

namespace latchkey::front {

namespace {

constexpr std::string_view kWellKnown = "/.well-known/latchkey";
constexpr std::string_view kBelowWellKnown = "/.well-known/latchkey/";
constexpr std::string_view kSession = "/.well-known/latchkey/session";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), wire::ascii_lower);
  return out;
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

struct Authority {
  std::string host;
  std::string port;  // digits, or empty
};

std::optional<Authority> read_authority(std::string_view text) {
  const std::size_t colon = text.find(':');
  Authority out{lower(text.substr(0, colon)), {}};
  if (colon != std::string_view::npos) {
    out.port = text.substr(colon + 1);
    if (out.port.empty() || out.port.size() > 5 ||
        out.port.find_first_not_of("0123456789") != std::string::npos) {
      return std::nullopt;
    }
  }
  if (out.host.empty() || out.host.find_first_of("@/?#[]") != std::string::npos) {
    return std::nullopt;
  }
  return out;
}

bool has_method_we_refuse(std::string_view method) {
  return method == "CONNECT" || method == "TRACE" || method == "TRACK";
}

enum class Asker { kAllowed, kForeign };

// Who asks on an origin grant: nobody but its origin.
Asker judge_origin(const wire::HttpRequestHead& head, const Origin& origin) {
  const std::string* sent = head.fields.find("Origin");
  return head.fields.count("Origin") == 1 && *sent == origin.text() ? Asker::kAllowed
                                                                    : Asker::kForeign;
}

// On a direct grant: the host's own pages, or the person.
Asker judge_direct(const wire::HttpRequestHead& head, std::string_view authority) {
  const std::size_t origins = head.fields.count("Origin");
  if (origins > 0) {
    return origins == 1 && *head.fields.find("Origin") == "https://" + std::string(authority)
               ? Asker::kAllowed
               : Asker::kForeign;
  }
  const std::string* site = head.fields.find("Sec-Fetch-Site");
  return head.fields.count("Sec-Fetch-Site") == 1 && (*site == "same-origin" || *site == "none")
             ? Asker::kAllowed
             : Asker::kForeign;
}

// Signing in to a direct host is the browser extension's doing, whose origin no page can have. What
// it may do is in the ticket; whose it is, nobody asks.
bool signs_in(const wire::HttpRequestHead& head, std::string_view path) {
  const std::string* origin = head.fields.find("Origin");
  return head.method == "POST" && path == kSession && head.fields.count("Origin") == 1 &&
         (origin->starts_with("chrome-extension://") || origin->starts_with("moz-extension://"));
}

bool is_preflight(const wire::HttpRequestHead& head) {
  return head.method == "OPTIONS" && head.fields.has("Origin") &&
         head.fields.count("Access-Control-Request-Method") == 1;
}

Answer preflight(const wire::HttpRequestHead& head) {
  Answer answer;
  answer.status = 204;
  answer.fields.add("Access-Control-Allow-Methods",
                    *head.fields.find("Access-Control-Request-Method"));
  if (const std::string* names = head.fields.find("Access-Control-Request-Headers")) {
    answer.fields.add("Access-Control-Allow-Headers", *names);
  }
  answer.fields.add("Access-Control-Max-Age", "600");
  answer.fields.add("Vary",
                    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  return answer;
}

}  // namespace

bool is_servable(const grant::DeviceGrant& grant, std::optional<WallTime> trusted_now) {
  return grant.state == grant::State::kActive && !grant.suspended && !grant.leaf.empty() &&
         (!trusted_now || *trusted_now < grant.not_after);
}

void Desk::dress_for(wire::HttpFields& fields, const grant::DeviceGrant& grant, bool with_cors) {
  dress(fields, grant.origin);
  if (grant.origin && with_cors) {
    fields.set("Access-Control-Allow-Origin", grant.origin->text());
    fields.set("Access-Control-Allow-Credentials", "true");
  }
}

std::optional<Desk::Target> Desk::read_target(const Request& request) const {
  const wire::HttpRequestHead& head = request.head;
  const std::string* host_field = head.fields.find("Host");
  if (head.fields.count("Host") != 1 || head.target.size() > kMaxTarget ||
      !is_visible(head.target) || head.target.find('#') != std::string::npos) {
    return std::nullopt;
  }
  const auto authority = read_authority(*host_field);
  if (!authority) {
    return std::nullopt;
  }
  Target target;
  target.host = authority->host;
  target.authority = authority->host;
  if (!authority->port.empty() && authority->port != "443") {
    target.authority += ":" + authority->port;
  }
  target.origin_form = head.target;
  if (head.target.front() != '/') {
    // Absolute form (RFC 9112 section 3.2.2) must say what Host says.
    constexpr std::string_view kScheme = "https://";
    if (!wire::iequals(std::string_view(head.target).substr(0, kScheme.size()), kScheme)) {
      return std::nullopt;
    }
    const std::size_t slash = head.target.find_first_of("/?", kScheme.size());
    const auto named = read_authority(
        std::string_view(head.target).substr(kScheme.size(), slash - kScheme.size()));
    if (!named || named->host != authority->host || named->port != authority->port) {
      return std::nullopt;
    }
    target.origin_form = slash == std::string::npos ? "/" : head.target.substr(slash);
    if (target.origin_form.front() == '?') {
      target.origin_form.insert(0, "/");
    }
  }
  target.path = target.origin_form.substr(0, target.origin_form.find('?'));
  return target;
}

std::optional<grant::Session> Desk::session_of(const Request& request,
                                               const grant::DeviceGrant& grant,
                                               MonoTime now) const {
  const auto cookie = session_cookie(request.head.fields);
  return cookie ? sessions_.find(*cookie, grant.grant_key(), now) : std::nullopt;
}

Decision Desk::decide(const Request& request, const grant::DeviceGrant& grant, MonoTime now) {
  const wire::HttpRequestHead& head = request.head;
  const auto finish = [&grant](Answer answer, bool with_cors) {
    dress_for(answer.fields, grant, with_cors);
    return answer;
  };
  const auto target = read_target(request);
  if (!target) {
    return finish(error_answer(400, "bad_request"), false);
  }
  if (target->host != grant.host.text() || request.sni != grant.host.text()) {
    return finish(error_answer(421, "misdirected"), false);
  }
  if (has_method_we_refuse(head.method)) {
    return finish(error_answer(405, "method_not_allowed"), false);
  }
  const bool is_document = target->path == kWellKnown;
  const bool ours = is_document || target->path.starts_with(kBelowWellKnown);
  const Asker asker =
      grant.origin ? judge_origin(head, *grant.origin) : judge_direct(head, target->authority);
  // The one request that may come without Origin; a foreign one is refused there too.
  const bool anonymous = is_document && !head.fields.has("Origin") && grant.origin.has_value();
  const bool by_extension = !grant.origin && signs_in(head, target->path);
  const bool by_provider =
      !grant.origin && party_ != nullptr && comes_from_provider(head, target->path);
  if (asker == Asker::kForeign && !anonymous && !by_extension && !by_provider) {
    return finish(error_answer(403, "forbidden"), false);
  }
  if (grant.origin && is_preflight(head)) {
    return finish(preflight(head), true);
  }
  if (ours) {
    Decision decision = well_known(request, *target, grant, now);
    if (auto* answer = std::get_if<Answer>(&decision)) {
      dress_for(answer->fields, grant, !anonymous);
    }
    return decision;
  }
  const std::string* expect = head.fields.find("Expect");
  if (expect != nullptr && !wire::iequals(*expect, "100-continue")) {
    return finish(error_answer(417, "expectation_failed"), true);
  }
  const auto session = session_of(request, grant, now);
  if (!session) {
    return finish(!grant.origin && wants_document(head) ? sign_in_page(language_of(head.fields))
                                                        : error_answer(401, "session_required"),
                  true);
  }
  if (!grant.origin && !request.service_has_root && target->path == "/" && wants_document(head)) {
    return finish(back_to_home(), true);
  }
  if (auto refusal = misses_sign_in(request, *target, grant, *session, false)) {
    return finish(*std::move(refusal), true);
  }
  const bool websocket = is_websocket_upgrade(head);
  wire::HttpFields fields;
  if (request.service_reads_fields) {
    const Visitor visitor{grant.origin, grant.sub, std::string(request.peer_address),
                          party_ == nullptr ? nullptr : party_->signed_in(session->id)};
    fields = upstream_request_fields(head.fields, visitor, websocket);
  } else {
    fields = selection_fields(head.fields);
  }
  return Pass{.head = {head.method, target->origin_form, 1, std::move(fields)},
              .path = target->path,
              .websocket = websocket,
              .wants_continue = expect != nullptr && head.minor_version == 1,
              .session = *session};
}

}  // namespace latchkey::front

// Fields that are taken away, and put in, between a page and the service behind the device
// (docs/protocol.md section 6): the service never sees a session or a ticket, nobody but the device
// says who is asking, and the service cannot open what the device keeps shut.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/origin.h"
#include "oidc/id_token.h"
#include "wire/http_head.h"

namespace latchkey::front {

inline constexpr std::string_view kCookie = "__Host-latchkey";

// The value of our cookie; nothing where there is none, or more than one to choose from.
std::optional<std::string> session_cookie(const wire::HttpFields& fields);

struct Visitor {
  std::optional<Origin> origin;  // nothing: the person at the device's own page
  std::string sub;
  std::string address;  // of the peer, for X-Forwarded-For
  // Who signed in through single sign-on; nobody: nothing is said. The caller keeps it alive.
  const oidc::Identity* identity = nullptr;
};

// Removes what concerns one connection only (RFC 9110 section 7.6.1, with the fields that
// Connection names), then whatever is ours, then states the visitor. Framing (Content-Length,
// Transfer-Encoding) is removed too: it is the shell's to write. An upgrade is kept only where
// `websocket` says so.
wire::HttpFields upstream_request_fields(const wire::HttpFields& fields, const Visitor& visitor,
                                         bool websocket);

// For what is behind where that only picks files and parts of them: the ranges and conditions.
wire::HttpFields selection_fields(const wire::HttpFields& fields);

// The answer's fields on the way out, framing removed as above, but for what dress() puts on.
wire::HttpFields upstream_response_fields(const wire::HttpFields& fields, bool websocket);

// What every answer on a granted host carries. `origin`: of an origin grant.
void dress(wire::HttpFields& fields, const std::optional<Origin>& origin);

// A GET of HTTP/1.1 that asks for the WebSocket protocol (RFC 6455 section 4.1).
bool is_websocket_upgrade(const wire::HttpRequestHead& head);

}  // namespace latchkey::front

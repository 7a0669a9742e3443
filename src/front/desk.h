// The device's policy for requests on granted hosts (docs/protocol.md section 6). Pure: a head in,
// an answer or a head for the service out.
//
// Order of judgement: the request's own shape (400), whose host it is (421), who asks (403),
// whether they have a session (401). An answer to somebody who may not ask carries no CORS fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "front/answers.h"
#include "front/device_page.h"
#include "front/headers.h"
#include "front/sso.h"
#include "grant/grant.h"
#include "grant/session.h"
#include "grant/ticket.h"

namespace latchkey::front {

struct Request {
  const wire::HttpRequestHead& head;
  std::string_view sni;           // of the connection
  std::string_view peer_address;  // numeric
  // Whether the service has a page of its own at `/`. Where not, the device shows its.
  bool service_has_root = true;
  // Whether it reads a request's fields, or only those that select what of a file is sent.
  bool service_reads_fields = true;
};

// The request may go on to the service behind.
struct Pass {
  wire::HttpRequestHead head;  // as the service may see it; origin-form target
  std::string path;            // of the target, without the query, still percent-encoded
  bool websocket = false;
  bool wants_continue = false;  // the client waits for "100 Continue" before it sends the body
  grant::Session session;       // the answer ends with it
};

using Decision = std::variant<Answer, Pass, PageRequest, SsoRequest>;

// Why a grant cannot be served although its host is known.
bool is_servable(const grant::DeviceGrant& grant, std::optional<WallTime> trusted_now);

class Desk {
 public:
  static constexpr std::size_t kMaxTarget = 8192;

  // All three outlive the desk. `type`: of the device.
  Desk(grant::TicketGate& gate, grant::SessionTable& sessions, std::string type)
      : gate_(gate), sessions_(sessions), type_(std::move(type)) {}

  // Where the device takes part in single sign-on. `party` outlives the desk.
  void use_sso(const oidc::RelyingParty* party) { party_ = party; }

  // `grant`: the one that holds the connection's SNI, live at this moment.
  Decision decide(const Request& request, const grant::DeviceGrant& grant, MonoTime now);

  // The session of this cookie under a new one: the fields that say so. After somebody signed in
  // the old cookie is worth nothing, whoever knows it.
  std::optional<std::string> renewed_cookie(std::string_view cookie,
                                            const grant::DeviceGrant& grant, MonoTime now);

  // Makes the service's answer, or one of our own, fit to leave: dress() and CORS.
  static void dress_for(wire::HttpFields& fields, const grant::DeviceGrant& grant,
                        bool with_cors = true);

 private:
  struct Target;
  std::optional<Target> read_target(const Request& request) const;
  Decision well_known(const Request& request, const Target& target, const grant::DeviceGrant& grant,
                      MonoTime now);
  // The device's own page and what it does; direct grants only.
  Decision own_page(const Request& request, const Target& target, const grant::DeviceGrant& grant,
                    MonoTime now);
  Decision single_sign_on(const Request& request, const Target& target,
                          const grant::DeviceGrant& grant, MonoTime now);
  // Why this session may not go on to the service, or may not manage the device: an answer.
  [[nodiscard]] std::optional<Answer> misses_sign_in(const Request& request, const Target& target,
                                                     const grant::DeviceGrant& grant,
                                                     const grant::Session& session,
                                                     bool manages) const;
  Answer open_session(const Request& request, const grant::DeviceGrant& grant, MonoTime now);
  Answer close_session(const Request& request, const grant::DeviceGrant& grant, MonoTime now);
  [[nodiscard]] std::optional<grant::Session> session_of(const Request& request,
                                                         const grant::DeviceGrant& grant,
                                                         MonoTime now) const;
  grant::TicketGate& gate_;
  grant::SessionTable& sessions_;
  std::string type_;
  const oidc::RelyingParty* party_ = nullptr;
};

// The request's target, taken apart.
struct Desk::Target {
  std::string origin_form;  // path and query
  std::string path;
  std::string host;       // from the Host field, lower case, without the port
  std::string authority;  // the Host field as an origin would say it: without ":443"
};

}  // namespace latchkey::front

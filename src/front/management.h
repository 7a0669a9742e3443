// What a bound agent may ask for over ALPN latchkey-manage/1 (docs/protocol.md section 7). Bodies
// are CBOR maps. Errors are `{t:"error", code, msg}` with a 4xx or 5xx status; the code is what
// counts.
//
//   POST /offer        offer              -> csr
//   POST /renew        {grant}            -> {csr, proof, disc}
//   POST /certificate  cert               -> done
//   POST /suspend      {grant}            -> 204, also when it is suspended already
//   POST /resume       {grant}            -> 204, also when it is not suspended
//   POST /sso          {grant, sso}       -> 204: with whom people sign in from now on
//   GET /grants                           -> {grants: [{grant, origin, host, state, not_after}]}
//   DELETE /grants/<32 hex>               -> 204, also when it is gone already
//   DELETE /agent                         -> 204
//   GET /audit                            -> {people: [{agent, own, since, seen, services}],
//                                            events: [{time, kind, own, grant?, detail?, agent?}]}
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "enroll/device.h"
#include "front/answers.h"
#include "front/people.h"
#include "grant/grant.h"
#include "grant/ticket.h"

namespace latchkey::front {

inline constexpr std::size_t kMaxManagementBody = 65536;
// Together below what an agent takes as an answer (net::ManageClient::kMaxAnswer), whatever stands
// in them.
inline constexpr std::size_t kMaxAuditAnswer = 100;
inline constexpr std::size_t kMaxPeopleAnswer = 200;

// The device's records, as far as agents may change them. Changes are durable when they return
// true.
class ManagementRecords {
 public:
  virtual ~ManagementRecords() = default;
  virtual std::optional<grant::BoundAgent> agent(const SpkiHash& key) = 0;
  virtual std::vector<grant::BoundAgent> agents() = 0;  // in the order in which they came
  virtual bool seen(const SpkiHash& agent, WallTime agent_now) = 0;
  virtual std::vector<grant::DeviceGrant> grants_of(const SpkiHash& agent) = 0;
  virtual bool confirm(const SpkiHash& agent, const GrantId& grant) = 0;
  virtual bool set_suspended(const SpkiHash& agent, const GrantId& grant, bool suspended) = 0;
  virtual bool set_sign_in(const SpkiHash& agent, const GrantId& grant, const SignInOffer& sso) = 0;
  // True also where there is no such grant.
  virtual bool delete_grant(const SpkiHash& agent, const GrantId& grant) = 0;
  virtual bool delete_agent(const SpkiHash& agent) = 0;
  virtual std::vector<AuditLine> audit(std::size_t at_most) = 0;  // newest first
  // By which a person is called towards the others (People).
  virtual std::uint64_t number(const SpkiHash& agent) = 0;
};

struct ManagementRequest {
  const wire::HttpRequestHead& head;
  ByteSpan body;
  SpkiHash agent;  // SHA-256 of the client certificate's SPKI
  Digest256 exporter{};
};

// What the device must do besides answering, before it answers.
struct ManagementEffects {
  std::optional<GrantId> installed;  // has a new certificate
  std::optional<GrantId> suspended;  // was served until now, and is not any more
  std::optional<GrantId> resumed;
  std::optional<GrantId> signs_in_anew;  // with another provider: who is signed in is not any more
  std::vector<GrantId> ended;
  bool agent_ended = false;  // all grants of the agent are gone, and its other connections
};
struct ManagementOutcome {
  Answer answer;
  ManagementEffects effects;
};

class ManagementDesk {
 public:
  ManagementDesk(ManagementRecords& records, enroll::DeviceEnrollment& enrollment,
                 grant::TicketGate& gate)
      : records_(records), enrollment_(enrollment), gate_(gate) {}

  // `wall_now`: the device's own idea of the time, for records only.
  ManagementOutcome handle(const ManagementRequest& request, WallTime wall_now, MonoTime now);

 private:
  ManagementOutcome dispatch(const ManagementRequest& request, WallTime agent_now,
                             WallTime wall_now);
  ManagementOutcome certificate(const ManagementRequest& request, WallTime agent_now);
  ManagementOutcome renew(const ManagementRequest& request);
  ManagementOutcome set_suspended(const ManagementRequest& request, bool suspended);
  ManagementOutcome set_sign_in(const ManagementRequest& request);
  ManagementOutcome list(const SpkiHash& agent);
  ManagementOutcome remove(const SpkiHash& agent, std::string_view id);
  ManagementOutcome remove_agent(const SpkiHash& agent);
  ManagementOutcome audit(const SpkiHash& agent);
  ManagementRecords& records_;
  enroll::DeviceEnrollment& enrollment_;
  grant::TicketGate& gate_;
};

}  // namespace latchkey::front

// Tickets (docs/protocol.md section 8): compact JWS (RFC 7515), ES256, that the agent mints for a
// page's browser and the device accepts once, to open a session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "crypto/keys.h"
#include "grant/grant.h"

namespace latchkey::grant {

inline constexpr std::size_t kMaxTicket = 2048;
inline constexpr seconds kTicketLife{600};
inline constexpr seconds kDirectTicketLife{60};
inline constexpr seconds kClockTolerance{300};

using TicketId = FixedId<struct TicketIdTag, 16>;  // jti
using TicketNonce = FixedId<struct TicketNonceTag, 16>;

struct TicketClaims {
  GrantId grant;
  HostName host;
  std::optional<Origin> origin;
  std::string sub;
  WallTime issued;
  WallTime expires;
  TicketId id;
  std::optional<TicketNonce> nonce;
};

std::string mint_ticket(const TicketClaims& claims, const crypto::PrivateKey& ticket_key);

enum class TicketError {
  kMalformed,
  kBadSignature,
  kWrongGrant,  // kid, aud, origin or sub is not the grant's
  kOutOfTime,   // expired, from the future, or longer-lived than allowed
  kReplayed,
  kNonceRequired,  // no trusted time here, or the ticket is older than this process
};

// What the signature alone says; judged by TicketGate. `key` is the grant's.
latchkey::Result<TicketClaims, TicketError> verify_ticket(std::string_view jws,
                                                          const crypto::PublicKey& key);

// One device's judgement over tickets: matches the grant, time, single use. Bounded: when a grant
// has used up its share of remembered tickets, new ones are refused until old ones expire.
class TicketGate {
 public:
  static constexpr std::size_t kMaxRememberedPerGrant = 4096;
  static constexpr std::size_t kMaxNonces = 4096;
  static constexpr std::size_t kMaxNoncesPerAgent = 256;

  explicit TicketGate(Random& random) : random_(random) {}

  // The agent said, over its authenticated management channel, what time it is.
  void on_trusted_time(const SpkiHash& agent, WallTime agent_now, MonoTime now);
  // The agent's time now, if it has told since this process started.
  [[nodiscard]] std::optional<WallTime> trusted_now(const SpkiHash& agent, MonoTime now) const;

  // kNonceRequired: answer 401 with a nonce from make_nonce.
  latchkey::Result<TicketClaims, TicketError> accept(std::string_view jws, const DeviceGrant& grant,
                                                     MonoTime now);
  // Single use, valid for 5 minutes.
  TicketNonce make_nonce(const GrantKey& grant, MonoTime now);
  // A grant ended.
  void forget(const GrantKey& grant);

 private:
  struct AgentTime {
    WallTime at;     // the agent's time ...
    MonoTime mono;   // ... when our monotonic clock said this
    WallTime first;  // the agent's time at its first contact in this process
  };
  void sweep(MonoTime now);
  Random& random_;
  std::map<SpkiHash, AgentTime> times_;
  std::map<GrantKey, std::map<TicketId, MonoTime>> used_;        // until
  std::map<TicketNonce, std::pair<GrantKey, MonoTime>> nonces_;  // until
};

}  // namespace latchkey::grant

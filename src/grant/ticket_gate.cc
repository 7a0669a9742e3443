#include <algorithm>

#include "grant/ticket.h"

namespace latchkey::grant {
namespace {

constexpr std::chrono::milliseconds kNonceLife = std::chrono::minutes(5);
// How long any ticket can matter at most: its life and the clocks' difference on both sides.
constexpr seconds kLongestMemory = kTicketLife + 2 * kClockTolerance;

bool belongs_to(const TicketClaims& claims, const DeviceGrant& grant) {
  return claims.grant == grant.id && claims.host == grant.host && claims.origin == grant.origin &&
         claims.sub == grant.sub;
}

}  // namespace

void TicketGate::on_trusted_time(const SpkiHash& agent, WallTime agent_now, MonoTime now) {
  const auto [it, is_new] = times_.try_emplace(agent, AgentTime{agent_now, now, agent_now});
  if (!is_new) {
    it->second.at = agent_now;
    it->second.mono = now;
  }
}

std::optional<WallTime> TicketGate::trusted_now(const SpkiHash& agent, MonoTime now) const {
  const auto it = times_.find(agent);
  if (it == times_.end()) {
    return std::nullopt;
  }
  return it->second.at + std::chrono::duration_cast<seconds>(std::max(now - it->second.mono, {}));
}

latchkey::Result<TicketClaims, TicketError> TicketGate::accept(std::string_view jws,
                                                               const DeviceGrant& grant,
                                                               MonoTime now) {
  const auto key = crypto::PublicKey::from_spki(grant.ticket_spki);
  if (!key) {
    return fail(TicketError::kBadSignature);
  }
  auto claims = verify_ticket(jws, *key);
  if (!claims) {
    return claims;
  }
  if (!belongs_to(*claims, grant)) {
    return fail(TicketError::kWrongGrant);
  }
  const seconds longest = grant.origin ? kTicketLife : kDirectTicketLife;
  if (claims->expires <= claims->issued || claims->expires - claims->issued > longest) {
    return fail(TicketError::kOutOfTime);
  }
  sweep(now);
  auto& used = used_[grant.grant_key()];
  if (used.contains(claims->id)) {
    return fail(TicketError::kReplayed);
  }
  if (used.size() >= kMaxRememberedPerGrant) {
    return fail(TicketError::kOutOfTime);
  }
  seconds remember = kLongestMemory;
  if (claims->nonce) {
    // Our own nonce says how fresh it is; no clock is asked.
    const auto it = nonces_.find(*claims->nonce);
    if (it == nonces_.end() || it->second.first != grant.grant_key()) {
      return fail(TicketError::kNonceRequired);
    }
    nonces_.erase(it);
  } else {
    const auto agent_now = trusted_now(grant.agent, now);
    // What was used before this process started is forgotten: such tickets need a nonce.
    if (!agent_now || claims->issued <= times_.at(grant.agent).first) {
      return fail(TicketError::kNonceRequired);
    }
    if (claims->issued > *agent_now + kClockTolerance ||
        claims->expires + kClockTolerance <= *agent_now) {
      return fail(TicketError::kOutOfTime);
    }
    remember =
        std::clamp(claims->expires - *agent_now + kClockTolerance, seconds(1), kLongestMemory);
  }
  used.emplace(claims->id, now + remember);
  return claims;
}

TicketNonce TicketGate::make_nonce(const GrantKey& grant, MonoTime now) {
  sweep(now);
  // The oldest makes room: of this agent's own where it has its share, so that a flood costs nobody
  // else's.
  const auto count = std::count_if(nonces_.begin(), nonces_.end(), [&grant](const auto& entry) {
    return entry.second.first.agent == grant.agent;
  });
  const bool own_only = static_cast<std::size_t>(count) >= kMaxNoncesPerAgent;
  if (own_only || nonces_.size() >= kMaxNonces) {
    auto oldest = nonces_.end();
    for (auto it = nonces_.begin(); it != nonces_.end(); ++it) {
      if ((!own_only || it->second.first.agent == grant.agent) &&
          (oldest == nonces_.end() || it->second.second < oldest->second.second)) {
        oldest = it;
      }
    }
    nonces_.erase(oldest);
  }
  const auto nonce = TicketNonce::make(random_);
  nonces_.insert_or_assign(nonce, std::pair(grant, now + kNonceLife));
  return nonce;
}

void TicketGate::forget(const GrantKey& grant) {
  used_.erase(grant);
  std::erase_if(nonces_, [&](const auto& entry) { return entry.second.first == grant; });
}

void TicketGate::sweep(MonoTime now) {
  std::erase_if(nonces_, [&](const auto& entry) { return entry.second.second <= now; });
  for (auto& [grant, used] : used_) {
    std::erase_if(used, [&](const auto& entry) { return entry.second <= now; });
  }
  std::erase_if(used_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace latchkey::grant

#include "grant/grant.h"

#include "base/encoding.h"
#include "base/result.h"
#include "crypto/hash.h"

namespace latchkey::grant {
namespace {

constexpr std::size_t kTagCharacters = 12;
constexpr std::size_t kDirectTagCharacters = 6;

bool may_be_held(const AgentGrant& grant) {
  return (grant.state == State::kActive || grant.state == State::kSuspended) &&
         grant.hold != Hold::kDeviceReset;
}

}  // namespace

bool hold_back(AgentGrant& grant, Hold hold) {
  LATCHKEY_CHECK(hold != Hold::kPaused);
  if (!may_be_held(grant) && !(grant.hold == Hold::kDeviceReset && hold == Hold::kDeviceReset)) {
    return false;
  }
  grant.state = State::kSuspended;
  grant.hold = hold;
  if (hold == Hold::kDeviceReset) {
    grant.paused = false;
  }
  return true;
}

bool lift_hold(AgentGrant& grant) {
  if (!may_be_held(grant)) {
    return false;
  }
  grant.state = grant.paused ? State::kSuspended : State::kActive;
  grant.hold = grant.paused ? std::optional(Hold::kPaused) : std::nullopt;
  return true;
}

bool set_paused(AgentGrant& grant, bool paused) {
  if (!may_be_held(grant)) {
    return false;
  }
  grant.paused = paused;
  return grant.hold && grant.hold != Hold::kPaused ? true : lift_hold(grant);
}

Standing standing_of(const AgentGrant& grant) {
  return {grant.id,   grant.profile,   grant.device,  grant.origin,  grant.state,
          grant.hold, grant.told_held, grant.created, grant.renew_at};
}

std::string_view name_of(State state) {
  switch (state) {
    case State::kPending:
      return "pending";
    case State::kActive:
      return "active";
    case State::kSuspended:
      return "suspended";
    case State::kRevoked:
      return "revoked";
  }
  check_failed("a known state", __FILE__, __LINE__);
}

std::string_view name_of(Hold hold) {
  switch (hold) {
    case Hold::kOriginSuspended:
      return "origin_suspended";
    case Hold::kOriginRevoked:
      return "origin_revoked";
    case Hold::kDeviceRevoked:
      return "device_revoked";
    case Hold::kDeviceReset:
      return "device_reset";
    case Hold::kPaused:
      return "paused";
  }
  check_failed("a known hold", __FILE__, __LINE__);
}

std::optional<Hold> hold_from(std::string_view name) {
  for (const Hold hold : {Hold::kOriginSuspended, Hold::kOriginRevoked, Hold::kDeviceRevoked,
                          Hold::kDeviceReset, Hold::kPaused}) {
    if (name == name_of(hold)) {
      return hold;
    }
  }
  return std::nullopt;
}

std::optional<State> state_from(std::string_view name) {
  for (const auto state : {State::kPending, State::kActive, State::kSuspended, State::kRevoked}) {
    if (name_of(state) == name) {
      return state;
    }
  }
  return std::nullopt;
}

namespace {

// Nothing for the first turn.
ByteSpan suffix_of(const std::uint8_t& turn) {
  return ByteSpan(&turn, turn == 0 ? 0 : 1);
}

}  // namespace

// The parts of variable length (origin) stand between parts of fixed length, so no two inputs give
// the same bytes.
HostName pairwise_host(ByteSpan user_secret, std::string_view type, const ProfileId& profile,
                       const Origin& origin, const DeviceId& device, std::uint8_t turn) {
  const Digest256 tag = crypto::hmac_sha256(
      user_secret,
      {as_bytes("host"), profile.span(), as_bytes(origin.text()), device.span(), suffix_of(turn)});
  auto host = HostName::pairwise(type, base32_prefix(tag, kTagCharacters));
  LATCHKEY_CHECK(host.has_value());
  return std::move(*host);
}

std::string direct_tag(ByteSpan user_secret, const DeviceId& device) {
  return base32_prefix(crypto::hmac_sha256(user_secret, {as_bytes("direct"), device.span()}),
                       kDirectTagCharacters);
}

std::string pairwise_subject(ByteSpan user_secret, const ProfileId& profile,
                             const std::optional<Origin>& origin, const DeviceId& device,
                             std::uint8_t turn) {
  const Digest256 mac = crypto::hmac_sha256(
      user_secret, {as_bytes("sub"), profile.span(),
                    as_bytes(origin ? std::string_view(origin->text()) : std::string_view()),
                    device.span(), suffix_of(turn)});
  return base64url_encode(ByteSpan(mac).first(16));
}

}  // namespace latchkey::grant

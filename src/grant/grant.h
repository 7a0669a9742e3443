// What each side remembers of a grant, as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/ids.h"
#include "base/origin.h"
#include "base/sign_in.h"
#include "crypto/keys.h"

namespace latchkey::grant {

enum class State { kPending, kActive, kSuspended, kRevoked };
std::string_view name_of(State state);  // "pending" ...
std::optional<State> state_from(std::string_view name);

// Why an agent's grant is suspended. The first three are what providers say, and end with it; a
// device that was reset has forgotten the grant for good; kPaused: the person said so, and nothing
// else is in the way.
enum class Hold { kOriginSuspended, kOriginRevoked, kDeviceRevoked, kDeviceReset, kPaused };
std::string_view name_of(Hold hold);  // "origin_suspended" ...
std::optional<Hold> hold_from(std::string_view name);

// --- the agent's side ---

// A device this user has typed a code for.
struct Binding {
  DeviceId device;
  Bytes boot_spki;                    // pinned
  crypto::PrivateKey management_key;  // one per device
  ByteArray<32> discovery_key{};
  std::string name, type, model, firmware;  // cleaned for display
  std::string address;                      // last seen, numeric; a hint
  std::uint16_t port = 0;
  WallTime bound_at;
  bool reset = false;  // answered not_granted: it was reset
  Bytes evidence{};    // attest::encode_evidence of the proof of its make; empty: it showed none
};

struct AgentGrant {
  GrantId id;
  ProfileId profile;
  DeviceId device;
  std::optional<Origin> origin;  // nothing: a direct grant
  HostName host;
  std::string sub;
  crypto::PrivateKey ca_key;
  Bytes ca_certificate;
  crypto::PrivateKey ticket_key;
  Bytes offer;         // as sent, to be repeated while pending
  Bytes leaf;          // empty until issued
  WallTime not_after;  // of the last leaf that was issued
  WallTime renew_at;
  std::uint16_t port = 0;
  State state = State::kPending;
  WallTime created;
  WallTime last_used;                       // 0: never
  WallTime block_until;                     // ended grants: the host stays blocked until then
  std::optional<Hold> hold = std::nullopt;  // of suspended grants
  bool told_held = false;                   // the device heard last that it is suspended
  bool paused = false;                      // by the person, whatever providers say besides
};

// What a person and what providers want are two things: neither undoes the other. A grant is active
// only where neither holds it. Each returns false, and changes nothing, where the grant is neither
// active nor suspended, or its device has forgotten it.
bool hold_back(AgentGrant& grant, Hold hold);  // a provider, or a reset of the device
bool lift_hold(AgentGrant& grant);             // that is over
bool set_paused(AgentGrant& grant, bool paused);

// What there is to know of an agent's grant without its keys and certificates: enough to see
// whether something is to be done.
struct Standing {
  GrantId id;
  ProfileId profile;
  DeviceId device;
  std::optional<Origin> origin;
  State state = State::kPending;
  std::optional<Hold> hold;
  bool told_held = false;
  WallTime created;
  WallTime renew_at;
};
Standing standing_of(const AgentGrant& grant);

// --- the device's side ---

// Which grant, at a device: agents choose their grants' ids, and nothing keeps two of them from
// choosing the same one. Neither may have anything to do with the other's.
struct GrantKey {
  SpkiHash agent;
  GrantId grant;
  auto operator<=>(const GrantKey&) const = default;
};

// An agent that may manage its own grants.
struct BoundAgent {
  SpkiHash key_hash;
  Bytes spki;
  WallTime bound_at;
  WallTime last_seen;  // by the agent's own time: a floor below which its clock never goes again
};

struct DeviceGrant {
  SpkiHash agent;
  GrantId id;
  std::optional<Origin> origin;
  HostName host;
  std::string sub;
  Bytes ticket_spki;
  Digest256 offer_digest{};  // of the offer without nonce and now
  crypto::PrivateKey key;
  Bytes csr;
  Bytes leaf;  // empty while pending
  Bytes grant_ca;
  WallTime not_after;
  State state = State::kPending;  // kPending or kActive
  bool confirmed = false;         // a management contact has named it since
  WallTime created;
  std::optional<crypto::PrivateKey> next_key;  // a renewal under way
  Bytes next_csr;
  bool suspended = false;  // its agent took it out of service: served to nobody, but kept
  // The provider that the web service named and the person agreed to; never of a direct grant.
  std::optional<SignInOffer> sso = std::nullopt;

  [[nodiscard]] GrantKey grant_key() const { return {agent, id}; }
};

// --- names (docs/protocol.md section 4) ---

// `<type>-<tag>.local` for a user, profile, origin and device. `user_secret` is 32 bytes. `turn`:
// how many such names of this profile other profiles took along (`profiles.adopt`).
HostName pairwise_host(ByteSpan user_secret, std::string_view type, const ProfileId& profile,
                       const Origin& origin, const DeviceId& device, std::uint8_t turn = 0);
// Six characters that tell two devices of one direct name apart.
std::string direct_tag(ByteSpan user_secret, const DeviceId& device);
// The user's name towards one origin on one device: 22 characters base64url.
std::string pairwise_subject(ByteSpan user_secret, const ProfileId& profile,
                             const std::optional<Origin>& origin, const DeviceId& device,
                             std::uint8_t turn = 0);

}  // namespace latchkey::grant

// ID tokens: OpenID Connect Core section 3.1.3.7, for the code flow, and 12.2 for refreshed ones.
//
// Stricter than that text: the signature is always checked; an additional audience is refused
// whoever it is, and with it every `azp` but our own; encrypted tokens are not taken. `acr` is
// never asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "oidc/discovery.h"

namespace latchkey::oidc {

inline constexpr std::size_t kMaxIdToken = 16384;
inline constexpr std::size_t kMaxSubject = 255;
inline constexpr std::size_t kMaxGroups = 64;
inline constexpr std::size_t kMaxGroup = 128;
// Between our clock and the provider's.
inline constexpr seconds kClockTolerance{120};
// How old a token may be when it comes: it was made for a code that was just spent.
inline constexpr seconds kMaxTokenAge{600};

// Who somebody is, as a provider says.
struct Identity {
  std::string issuer;
  std::string subject;              // 1..255 visible ASCII characters
  std::string email;                // only where the provider says it is verified
  std::vector<std::string> groups;  // at most kMaxGroups
  std::string session;              // `sid`, the provider's name for its session; may be empty
  std::optional<WallTime> authenticated;  // `auth_time`
  WallTime expires;                       // of the token
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct TokenHeader {
  crypto::JwsAlgorithm algorithm;
  std::string kid;  // empty: none
};
// What the header says, before anybody vouches for it: good for choosing a key, for nothing else.
// kUnsupported: an algorithm that we do not take, or a header that demands understanding (`crit`).
Result<TokenHeader> read_header(std::string_view token);

struct Expected {
  std::string issuer;
  std::string client_id;
  std::string nonce;                 // empty: a refreshed token, which need not have one
  std::string access_token;          // that came with it, for `at_hash`; may be empty
  std::optional<seconds> max_age;    // that was asked for
  const Identity* before = nullptr;  // a refreshed token's predecessor
  std::string groups_claim = "groups";
};
// `key`: what read_header's answer led to in the issuer's key set.
Result<Identity> check_id_token(std::string_view token, const TokenHeader& header,
                                const crypto::JwsKey& key, const Expected& expected, WallTime now);

}  // namespace latchkey::oidc

// Bearer tokens of the administration API: "lkp_" and 32 random bytes as base64url. Only their
// SHA-256 is kept; who has lost one makes another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "provider/records.h"

namespace latchkey::provider {

struct NewToken {
  Token record;
  std::string secret;  // shown once
};
struct TokenWish {
  std::string name;
  std::string role;
  std::optional<seconds> lifetime;
};
// kForbidden, kInvalid (a name of [a-zA-Z0-9._@-], 1 to 64; a role; a lifetime over zero).
Result<NewToken> make_token(Records& records, Random& random, const TokenWish& wish,
                            const Act& act);
Result<void> remove_token(Records& records, std::string_view name, const Act& act);

// Whose it is; nothing where it is unknown, has expired or is no token at all.
Result<std::optional<Token>> authenticate(Records& records, std::string_view secret, WallTime now);

}  // namespace latchkey::provider

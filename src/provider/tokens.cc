#include "provider/tokens.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "provider/roles.h"

namespace latchkey::provider {
namespace {

constexpr std::string_view kPrefix = "lkp_";
constexpr std::size_t kSecretBytes = 32;
constexpr seconds kLongest{10LL * 366 * 86400};

bool is_token_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '@' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), good);
}

tl::unexpected<Error> forbidden(const Act& act) {
  return fail(Error{ErrorCode::kForbidden, "the role " + act.role + " may not do this"});
}

}  // namespace

Result<NewToken> make_token(Records& records, Random& random, const TokenWish& wish,
                            const Act& act) {
  if (!may(act.role, Action::kTokens)) {
    return forbidden(act);
  }
  if (!is_token_name(wish.name)) {
    return fail(Error{ErrorCode::kInvalid,
                      "a token's name has 1 to 64 letters, digits, and any of . _ @ -"});
  }
  if (!is_token_role(wish.role)) {
    return fail(
        Error{ErrorCode::kInvalid, "the role must be admin, registrar, reviewer or auditor"});
  }
  if (wish.lifetime && (*wish.lifetime <= seconds(0) || *wish.lifetime > kLongest)) {
    return fail(Error{ErrorCode::kInvalid, "a token lives for up to ten years"});
  }
  NewToken made;
  made.secret = std::string(kPrefix) + base64url_encode(random.bytes<kSecretBytes>());
  Token token{0,        wish.name,   wish.role, crypto::sha256(as_bytes(made.secret)),
              act.when, std::nullopt};
  if (wish.lifetime) {
    token.expires = act.when + *wish.lifetime;
  }
  auto stored = records.add_token(token, act);
  if (!stored) {
    return fail(std::move(stored.error()));
  }
  made.record = std::move(*stored);
  return made;
}

Result<void> remove_token(Records& records, std::string_view name, const Act& act) {
  if (!may(act.role, Action::kTokens)) {
    return forbidden(act);
  }
  return records.remove_token(name, act);
}

Result<std::optional<Token>> authenticate(Records& records, std::string_view secret, WallTime now) {
  if (!secret.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const auto bytes = base64url_decode(secret.substr(kPrefix.size()), kSecretBytes);
  if (!bytes || bytes->size() != kSecretBytes) {
    return std::nullopt;
  }
  // The look-up by the hash's index takes a time that tells something about hashes, which nobody
  // can choose; the comparison that decides tells nothing.
  const Digest256 hash = crypto::sha256(as_bytes(secret));
  auto found = records.token_by_hash(hash);
  if (!found) {
    return found;
  }
  if (!*found || !constant_time_equal((*found)->hash, hash) ||
      ((*found)->expires && *(*found)->expires <= now)) {
    return std::nullopt;
  }
  return found;
}

}  // namespace latchkey::provider

#include "oidc/id_token.h"

#include <algorithm>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "oidc/json.h"

namespace latchkey::oidc {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxHeader = 2048;
constexpr std::size_t kMaxText = 512;

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool same(std::string_view a, std::string_view b) {
  return constant_time_equal(as_bytes(a), as_bytes(b));
}

// Ours and nobody else's.
bool is_for(const json& claims, const std::string& client_id) {
  const auto aud = claims.find("aud");
  if (aud == claims.end()) {
    return false;
  }
  if (aud->is_array()) {
    return aud->size() == 1 && aud->front() == client_id;
  }
  return *aud == client_id;
}

Result<void> check_times(const json& claims, const Expected& expected, WallTime now) {
  const auto issued = seconds_in(claims, "iat");
  const auto expires = seconds_in(claims, "exp");
  if (!issued || !expires) {
    return refuse(ErrorCode::kMalformed, "a token without times");
  }
  if (now - kClockTolerance >= WallTime{*expires}) {
    return refuse(ErrorCode::kOutOfTime, "the token has expired");
  }
  if (WallTime{*issued} > now + kClockTolerance) {
    return refuse(ErrorCode::kOutOfTime, "the token is from the future");
  }
  if (WallTime{*issued} + kMaxTokenAge + kClockTolerance < now) {
    return refuse(ErrorCode::kOutOfTime, "the token was made long ago");
  }
  if (const auto from = seconds_in(claims, "nbf");
      from && WallTime{*from} > now + kClockTolerance) {
    return refuse(ErrorCode::kOutOfTime, "the token is from the future");
  }
  if (!expected.max_age) {
    return {};
  }
  const auto authenticated = seconds_in(claims, "auth_time");
  if (!authenticated) {
    return refuse(ErrorCode::kMalformed, "the token does not say when the person signed in");
  }
  if (WallTime{*authenticated} + *expected.max_age + kClockTolerance < now) {
    return refuse(ErrorCode::kOutOfTime, "the person signed in too long ago");
  }
  return {};
}

// at_hash (3.1.3.6): optional in the code flow, binding where it is there.
bool fits_access_token(const json& claims, std::string_view access_token) {
  const auto at = claims.find("at_hash");
  if (at == claims.end() || access_token.empty()) {
    return true;
  }
  const auto hash = crypto::sha256(as_bytes(access_token));
  return at->is_string() &&
         same(at->get_ref<const std::string&>(), base64url_encode(ByteSpan(hash).first(16)));
}

Result<std::vector<std::string>> read_groups(const json& claims, const std::string& name) {
  const auto at = claims.find(name);
  std::vector<std::string> groups;
  if (at == claims.end() || at->is_null()) {
    return groups;
  }
  const auto take = [&groups](const json& one) {
    const bool fine = one.is_string() && !one.get_ref<const std::string&>().empty() &&
                      one.get_ref<const std::string&>().size() <= kMaxGroup;
    if (fine) {
      groups.push_back(one.get<std::string>());
    }
    return fine;
  };
  // Half a list of groups would be a wrong list.
  const bool fine = at->is_array()
                        ? at->size() <= kMaxGroups && std::all_of(at->begin(), at->end(), take)
                        : take(*at);
  if (!fine) {
    return refuse(ErrorCode::kMalformed, "the groups cannot be read");
  }
  return groups;
}

Result<Identity> read_identity(const json& claims, const Expected& expected) {
  Identity who;
  who.issuer = expected.issuer;
  const auto subject = text_in(claims, "sub", kMaxSubject);
  if (!subject || subject->empty() || !is_plain(*subject)) {
    return refuse(ErrorCode::kMalformed, "a token without a subject");
  }
  who.subject = *subject;
  if (flag_in(claims, "email_verified")) {
    who.email = text_in(claims, "email", 254).value_or("");
  }
  auto groups = read_groups(claims, expected.groups_claim);
  if (!groups) {
    return fail(groups.error());
  }
  who.groups = *std::move(groups);
  who.session = text_in(claims, "sid", kMaxSubject).value_or("");
  if (const auto at = seconds_in(claims, "auth_time")) {
    who.authenticated = WallTime{*at};
  }
  who.expires = WallTime{*seconds_in(claims, "exp")};
  return who;
}

// 12.2: the same person at the same provider, of the same signing-in.
bool continues(const Identity& now, const Identity& before) {
  return now.subject == before.subject && now.issuer == before.issuer &&
         (now.session.empty() || before.session.empty() || now.session == before.session);
}

}  // namespace

Result<TokenHeader> read_header(std::string_view token) {
  if (token.size() > kMaxIdToken) {
    return refuse(ErrorCode::kMalformed, "a token of this size");
  }
  const auto bytes = base64url_decode(token.substr(0, token.find('.')), kMaxHeader);
  if (!bytes || token.find('.') == std::string_view::npos) {
    return refuse(ErrorCode::kMalformed, "not a token");
  }
  const auto map = read_object(as_text(*bytes), kMaxHeader);
  if (!map) {
    return fail(map.error());
  }
  const auto name = text_in(*map, "alg", 32);
  const auto algorithm = name ? crypto::jws_algorithm_from(*name) : std::nullopt;
  if (!algorithm || map->contains("crit") || map->contains("b64")) {
    return refuse(ErrorCode::kUnsupported, "a token that is not signed in a way we take");
  }
  if (map->contains("kid") && !text_in(*map, "kid", 256)) {
    return refuse(ErrorCode::kMalformed, "not the name of a key");
  }
  // jwk, jku, x5c and x5u are not looked at: keys come from the provider's own set.
  return TokenHeader{*algorithm, text_in(*map, "kid", 256).value_or("")};
}

Result<Identity> check_id_token(std::string_view token, const TokenHeader& header,
                                const crypto::JwsKey& key, const Expected& expected, WallTime now) {
  const auto payload = key.verify(token, header.algorithm);
  if (!payload) {
    return refuse(ErrorCode::kBadSignature, payload.error().detail);
  }
  const auto map = read_object(as_text(*payload), kMaxIdToken);
  if (!map) {
    return fail(map.error());
  }
  const json& claims = *map;
  if (text_in(claims, "iss", kMaxText * 4) != expected.issuer) {
    return refuse(ErrorCode::kMixUp, "another provider's token");
  }
  if (!is_for(claims, expected.client_id)) {
    return refuse(ErrorCode::kForeignToken, "a token for somebody else");
  }
  if (claims.contains("azp") && text_in(claims, "azp", kMaxText) != expected.client_id) {
    return refuse(ErrorCode::kForeignToken, "a token that somebody else asked for");
  }
  const auto nonce = text_in(claims, "nonce", kMaxText);
  if (!expected.nonce.empty() && (!nonce || !same(*nonce, expected.nonce))) {
    return refuse(ErrorCode::kForeignToken, "a token of another sign-in");
  }
  if (const auto timely = check_times(claims, expected, now); !timely) {
    return fail(timely.error());
  }
  if (!fits_access_token(claims, expected.access_token)) {
    return refuse(ErrorCode::kForeignToken, "the access token is another one's");
  }
  auto who = read_identity(claims, expected);
  if (who && expected.before != nullptr && !continues(*who, *expected.before)) {
    return refuse(ErrorCode::kForeignToken, "a token for another person");
  }
  return who;
}

}  // namespace latchkey::oidc

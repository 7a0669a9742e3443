#include "grant/ticket.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "wire/strict_json.h"

namespace latchkey::grant {
namespace {

using nlohmann::json;

constexpr const char* kAlgorithm = "ES256";
constexpr const char* kTicketType = "latchkey+jwt";
constexpr std::size_t kMaxPart = 1024;

std::string encode_part(const json& value) {
  return base64url_encode(as_bytes(value.dump()));
}

std::optional<json> decode_part(std::string_view part) {
  const auto bytes = base64url_decode(part, kMaxPart);
  if (!bytes) {
    return std::nullopt;
  }
  auto value = wire::parse_json(as_text(*bytes), {kMaxPart, 1});
  return value && value->is_object() ? std::optional(std::move(*value)) : std::nullopt;
}

std::optional<std::string> text_of(const json& map, const char* name) {
  const auto it = map.find(name);
  return it != map.end() && it->is_string() ? std::optional(it->get<std::string>()) : std::nullopt;
}

std::optional<WallTime> time_of(const json& map, const char* name) {
  const auto it = map.find(name);
  if (it == map.end() || !it->is_number_unsigned() || *it > 253'402'300'799ULL) {
    return std::nullopt;
  }
  return WallTime{it->get<std::int64_t>()};
}

template <class Id>
std::optional<Id> id_of(const json& map, const char* name) {
  const auto text = text_of(map, name);
  const auto bytes = text ? base64url_decode(*text, Id::kSize) : std::nullopt;
  return bytes ? Id::from_bytes(*bytes) : std::nullopt;
}

std::optional<TicketClaims> read_claims(const GrantId& grant, const json& map) {
  const auto aud = text_of(map, "aud");
  const auto host = aud ? HostName::parse(*aud) : std::nullopt;
  const auto sub = text_of(map, "sub");
  const auto issued = time_of(map, "iat");
  const auto expires = time_of(map, "exp");
  const auto id = id_of<TicketId>(map, "jti");
  if (!host || !sub || !issued || !expires || !id) {
    return std::nullopt;
  }
  TicketClaims claims{grant, *host, std::nullopt, *sub, *issued, *expires, *id, std::nullopt};
  if (map.contains("origin")) {
    const auto origin = text_of(map, "origin");
    claims.origin = origin ? Origin::parse(*origin) : std::nullopt;
    if (!claims.origin) {
      return std::nullopt;
    }
  }
  if (map.contains("nonce")) {
    claims.nonce = id_of<TicketNonce>(map, "nonce");
    if (!claims.nonce) {
      return std::nullopt;
    }
  }
  return claims;
}

}  // namespace

std::string mint_ticket(const TicketClaims& claims, const crypto::PrivateKey& ticket_key) {
  json payload = {{"aud", claims.host.text()},
                  {"sub", claims.sub},
                  {"iat", claims.issued.unix_seconds},
                  {"exp", claims.expires.unix_seconds},
                  {"jti", base64url_encode(claims.id.span())}};
  if (claims.origin) {
    payload["origin"] = claims.origin->text();
  }
  if (claims.nonce) {
    payload["nonce"] = base64url_encode(claims.nonce->span());
  }
  const json header = {{"alg", kAlgorithm}, {"typ", kTicketType}, {"kid", claims.grant.hex()}};
  const std::string signed_part = encode_part(header) + "." + encode_part(payload);
  return signed_part + "." + base64url_encode(ticket_key.sign_raw(as_bytes(signed_part)));
}

latchkey::Result<TicketClaims, TicketError> verify_ticket(std::string_view jws,
                                                          const crypto::PublicKey& key) {
  const std::size_t first = jws.find('.');
  const std::size_t second = first == std::string_view::npos ? first : jws.find('.', first + 1);
  if (jws.size() > kMaxTicket || second == std::string_view::npos) {
    return fail(TicketError::kMalformed);
  }
  // The signature first: nothing in the ticket is looked at before it holds, and nothing in it
  // chooses the key or the algorithm.
  const auto signature = base64url_decode(jws.substr(second + 1), 64);
  if (!signature || !key.verify_raw(as_bytes(jws.substr(0, second)), *signature)) {
    return fail(TicketError::kBadSignature);
  }
  const auto header = decode_part(jws.substr(0, first));
  const auto payload = decode_part(jws.substr(first + 1, second - first - 1));
  if (!header || !payload) {
    return fail(TicketError::kMalformed);
  }
  // Exactly these three: no jwk, x5c, crit or whatever comes next.
  const auto kid = text_of(*header, "kid");
  const auto grant = kid ? GrantId::parse(*kid) : std::nullopt;
  if (header->size() != 3 || text_of(*header, "alg") != kAlgorithm ||
      text_of(*header, "typ") != kTicketType || !grant) {
    return fail(TicketError::kMalformed);
  }
  auto claims = read_claims(*grant, *payload);
  if (!claims) {
    return fail(TicketError::kMalformed);
  }
  return std::move(*claims);
}

}  // namespace latchkey::grant

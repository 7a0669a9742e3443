// Signatures over compact JWS (RFC 7515) by somebody else's key, through cjose: what an identity
// provider signs ID tokens with. Nothing in the token chooses the key or the algorithm; the caller
// has chosen both.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "crypto/error.h"

struct _cjose_jwk_int;

namespace latchkey::crypto {

// The only three that are accepted. "none" and the HMACs, which would take a public key for a
// secret, have no name here.
enum class JwsAlgorithm { kRs256, kPs256, kEs256 };
std::string_view name_of(JwsAlgorithm algorithm);  // "RS256" ...
std::optional<JwsAlgorithm> jws_algorithm_from(std::string_view name);

// A public key of a provider, cheap to copy.
class JwsKey {
 public:
  // Big-endian, no leading zeros. 2048 to 4096 bits; the exponent is odd, from 3 to 2^32 - 1.
  // kUnsupported for others.
  static Result<JwsKey> rsa(ByteSpan modulus, ByteSpan exponent);
  // A point on P-256, 32 bytes each.
  static Result<JwsKey> p256(ByteSpan x, ByteSpan y);

  // Whether the algorithm is one for this kind of key.
  [[nodiscard]] bool fits(JwsAlgorithm algorithm) const;
  // The payload of `compact`, whose header must name `algorithm`. Header and payload are whatever
  // the signer wrote: the caller judges them. kMalformed, or kBadSignature.
  [[nodiscard]] Result<Bytes> verify(std::string_view compact, JwsAlgorithm algorithm) const;

 private:
  JwsKey(std::shared_ptr<_cjose_jwk_int> key, bool is_rsa)
      : key_(std::move(key)), is_rsa_(is_rsa) {}
  std::shared_ptr<_cjose_jwk_int> key_;
  bool is_rsa_;
};

}  // namespace latchkey::crypto

// SPAKE2+ (RFC 9383), P256-SHA256-HKDF-SHA256-HMAC-SHA256. Prover = agent, verifier = device.
//
// Deviation: shares are accepted as uncompressed points only. Scalars are taken from `Random` as 40
// bytes reduced modulo the order, so that they are uniform to within 2^-64.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/ec_math.h"
#include "wire/error.h"

namespace latchkey::pairing {

// What the prover makes of the code: PBKDF2 output of 80 bytes, halved and reduced (section 3.2).
struct PasswordKey {
  crypto::EcScalar w0;
  crypto::EcScalar w1;
};
// What the verifier keeps instead of the code: w0 and L = w1 * G. From these alone the code cannot
// be used as a prover.
struct Verifier {
  crypto::EcScalar w0;
  Bytes l;  // 65 bytes
  [[nodiscard]] Verifier clone() const { return {w0.clone(), l}; }
};
PasswordKey password_key_from(ByteSpan pbkdf2_output);  // 80 bytes
Verifier verifier_for(const PasswordKey& key);

struct Context {
  ByteSpan context;
  ByteSpan id_prover;
  ByteSpan id_verifier;
};

struct Spake2Keys {
  SecretBytes shared;     // K_shared, 32
  SecretBytes confirm_p;  // the MAC the prover sends, 32
  SecretBytes confirm_v;  // the MAC the verifier sends, 32
};

class Spake2Prover {
 public:
  Spake2Prover(PasswordKey key, Random& random);
  Spake2Prover(PasswordKey key, crypto::EcScalar x);           // for the RFC's vector
  [[nodiscard]] const Bytes& share() const { return share_; }  // 65 bytes
  // kMalformed: the peer's share is not a point, or one that gives nothing away.
  wire::Result<Spake2Keys> finish(ByteSpan verifier_share, const Context& context) const;

 private:
  PasswordKey key_;
  crypto::EcScalar x_;
  Bytes share_;
};

class Spake2Verifier {
 public:
  Spake2Verifier(Verifier verifier, Random& random);
  Spake2Verifier(Verifier verifier, crypto::EcScalar y);
  [[nodiscard]] const Bytes& share() const { return share_; }
  wire::Result<Spake2Keys> finish(ByteSpan prover_share, const Context& context) const;

 private:
  Verifier verifier_;
  crypto::EcScalar y_;
  Bytes share_;
};

}  // namespace latchkey::pairing

// P-256 keys and ECDSA over SHA-256: the only signature algorithm of the protocol.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/error.h"

struct evp_pkey_st;

namespace latchkey::crypto {

// A DER ECDSA-Sig-Value of r || s, 64 bytes, as tokens give it. Nothing where it is of another
// size.
std::optional<Bytes> signature_from_raw(ByteSpan raw);

// An immutable P-256 public key, cheap to copy.
class PublicKey {
 public:
  // A SubjectPublicKeyInfo in DER: id-ecPublicKey, the named curve P-256, an uncompressed point on
  // it. Anything else is kMalformed or kUnsupported. At most 91 bytes, so there is nothing to
  // bound.
  static Result<PublicKey> from_spki(ByteSpan der);
  // 65 bytes, 0x04 || x || y.
  static Result<PublicKey> from_point(ByteSpan point);

  [[nodiscard]] const Bytes& spki() const;   // DER, 91 bytes
  [[nodiscard]] const Bytes& point() const;  // 65 bytes
  [[nodiscard]] SpkiHash spki_hash() const;  // SHA-256 of spki()
  // `signature` is a DER ECDSA-Sig-Value.
  [[nodiscard]] bool verify(ByteSpan data, ByteSpan signature) const;
  // `signature` is r || s, 64 bytes (JOSE, RFC 7518 section 3.4).
  [[nodiscard]] bool verify_raw(ByteSpan data, ByteSpan signature) const;
  [[nodiscard]] evp_pkey_st* handle() const;  // for src/crypto and src/net/tls_* only
  friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.spki() == b.spki(); }

 private:
  friend class PrivateKey;
  struct State;
  explicit PublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// A P-256 private key, cheap to copy; the memory is wiped when the last copy goes.
class PrivateKey {
 public:
  static PrivateKey generate();
  // The 32-byte scalar and nothing else: what the stores seal. Zero and values not below the order
  // are kMalformed.
  static Result<PrivateKey> from_scalar(ByteSpan scalar);
  [[nodiscard]] SecretBytes scalar() const;

  [[nodiscard]] const PublicKey& public_key() const;
  [[nodiscard]] Bytes sign(ByteSpan data) const;              // DER
  [[nodiscard]] ByteArray<64> sign_raw(ByteSpan data) const;  // r || s
  [[nodiscard]] evp_pkey_st* handle() const;  // for src/crypto and src/net/tls_* only

 private:
  struct State;
  explicit PrivateKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace latchkey::crypto

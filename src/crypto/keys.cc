#include "crypto/keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "crypto/asn1_templates.h"
#include "crypto/hash.h"
#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

using ParamBldPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using SigPtr = OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>;

constexpr std::size_t kPointSize = 65;
constexpr std::size_t kScalarSize = 32;

// A key from its numbers; nullptr where OpenSSL finds that they are no key.
PkeyPtr pkey_from(ByteSpan point, const BIGNUM* scalar) {
  const auto builder = checked(ParamBldPtr(OSSL_PARAM_BLD_new()));
  LATCHKEY_CHECK(OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                                 "prime256v1", 0) == 1);
  LATCHKEY_CHECK(OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                  point.data(), point.size()) == 1);
  if (scalar != nullptr) {
    LATCHKEY_CHECK(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1);
  }
  const auto params = checked(ParamPtr(OSSL_PARAM_BLD_to_param(builder.get())));
  const auto ctx = checked(PkeyCtxPtr(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &key, scalar != nullptr ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        params.get()) != 1) {
    return nullptr;
  }
  return PkeyPtr(key);
}

Bytes spki_of(ByteSpan point) {
  TemplatePtr<Spki> spki(reinterpret_cast<Spki*>(ASN1_item_new(spki_item())),
                         TemplateFree<Spki>{spki_item()});
  LATCHKEY_CHECK(spki != nullptr);
  set_p256(*spki, point);
  return encode_template(spki.get(), spki_item());
}

Bytes point_of(const EVP_PKEY* key) {
  Bytes point(kPointSize);
  std::size_t length = 0;
  LATCHKEY_CHECK(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                                 point.size(), &length) == 1);
  LATCHKEY_CHECK(length == kPointSize);
  return point;
}

}  // namespace

// OpenSSL's own object costs more to make than a hash or a comparison, and many keys are only
// compared: it is made when a signature is to be verified.
struct PublicKey::State {
  Bytes spki;
  Bytes point;
  mutable std::once_flag once;
  mutable PkeyPtr key;
};
// The same: most private keys are read from a store with what they belong to, and not used. The
// public key costs a multiplication on the curve, OpenSSL's object some more.
struct PrivateKey::State {
  SecretBytes scalar;
  mutable std::once_flag public_once;
  mutable std::optional<PublicKey> public_key;
  mutable std::once_flag once;
  mutable PkeyPtr key;
};

Result<PublicKey> PublicKey::from_point(ByteSpan point) {
  if (point.size() != kPointSize || point[0] != 0x04) {
    return fail(Error{ErrorCode::kMalformed, "not an uncompressed P-256 point"});
  }
  // oct2point refuses what is not on the curve; the cofactor is 1.
  const auto parsed = checked(EcPointPtr(EC_POINT_new(p256())));
  if (EC_POINT_oct2point(p256(), parsed.get(), point.data(), point.size(), nullptr) != 1) {
    return fail(Error{ErrorCode::kMalformed, "not a point on P-256"});
  }
  auto state = std::make_shared<State>();
  state->spki = spki_of(point);
  state->point = to_bytes(point);
  return PublicKey(std::move(state));
}

Result<PublicKey> PublicKey::from_spki(ByteSpan der) {
  if (der.size() > 128) {
    return fail(Error{ErrorCode::kMalformed, "too long for a P-256 key"});
  }
  const auto spki = decode_template<Spki>(der, spki_item());
  if (spki == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a SubjectPublicKeyInfo"});
  }
  const ByteSpan point = p256_point(*spki);
  if (point.empty()) {
    return fail(Error{ErrorCode::kUnsupported, "not a P-256 key"});
  }
  auto key = from_point(point);
  // One key, one spelling: hashes of SPKIs are identities.
  if (key && !std::equal(der.begin(), der.end(), key->spki().begin(), key->spki().end())) {
    return fail(Error{ErrorCode::kMalformed, "not DER"});
  }
  return key;
}

const Bytes& PublicKey::spki() const {
  return state_->spki;
}
const Bytes& PublicKey::point() const {
  return state_->point;
}
SpkiHash PublicKey::spki_hash() const {
  return SpkiHash(sha256(state_->spki));
}
evp_pkey_st* PublicKey::handle() const {
  std::call_once(state_->once,
                 [this] { state_->key = checked(pkey_from(state_->point, nullptr)); });
  return state_->key.get();
}

// Hashed here rather than by EVP_DigestVerify, which looks the hash up by name each time.
bool PublicKey::verify(ByteSpan data, ByteSpan signature) const {
  const Digest256 digest = sha256(data);
  const auto ctx = checked(PkeyCtxPtr(EVP_PKEY_CTX_new_from_pkey(nullptr, handle(), nullptr)));
  return EVP_PKEY_verify_init(ctx.get()) == 1 &&
         EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

std::optional<Bytes> signature_from_raw(ByteSpan raw) {
  if (raw.size() != 2 * kScalarSize) {
    return std::nullopt;
  }
  const auto sig = checked(SigPtr(ECDSA_SIG_new()));
  BIGNUM* r = BN_bin2bn(raw.data(), kScalarSize, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + kScalarSize, kScalarSize, nullptr);
  LATCHKEY_CHECK(r != nullptr && s != nullptr && ECDSA_SIG_set0(sig.get(), r, s) == 1);
  Bytes der(80);
  std::uint8_t* at = der.data();
  const int length = i2d_ECDSA_SIG(sig.get(), &at);
  LATCHKEY_CHECK(length > 0);
  der.resize(static_cast<std::size_t>(length));
  return der;
}

bool PublicKey::verify_raw(ByteSpan data, ByteSpan signature) const {
  const auto der = signature_from_raw(signature);
  return der && verify(data, *der);
}

namespace {

BnPtr number_of(ByteSpan scalar) {
  auto number =
      checked(BnPtr(BN_bin2bn(scalar.data(), static_cast<int>(scalar.size()), BN_secure_new())));
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  return number;
}

PublicKey public_key_of(ByteSpan scalar) {
  const BnPtr number = number_of(scalar);
  const auto ctx = checked(BnCtxPtr(BN_CTX_secure_new()));
  const auto point = checked(EcPointPtr(EC_POINT_new(p256())));
  Bytes octets(kPointSize);
  LATCHKEY_CHECK(EC_POINT_mul(p256(), point.get(), number.get(), nullptr, nullptr, ctx.get()) == 1);
  LATCHKEY_CHECK(EC_POINT_point2oct(p256(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                                    octets.data(), octets.size(), ctx.get()) == kPointSize);
  auto key = PublicKey::from_point(octets);
  LATCHKEY_CHECK(key.has_value());
  return *std::move(key);
}

}  // namespace

PrivateKey PrivateKey::generate() {
  PkeyPtr key = checked(PkeyPtr(EVP_EC_gen("P-256")));
  auto public_key = PublicKey::from_point(point_of(key.get()));
  BIGNUM* number = nullptr;
  LATCHKEY_CHECK(public_key.has_value() &&
                 EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1);
  const BnPtr owned(number);
  auto state = std::make_shared<State>();
  state->scalar = SecretBytes(kScalarSize);
  LATCHKEY_CHECK(BN_bn2binpad(number, state->scalar.writable().data(), kScalarSize) == kScalarSize);
  std::call_once(state->public_once, [&] { state->public_key = *std::move(public_key); });
  std::call_once(state->once, [&] { state->key = std::move(key); });
  return PrivateKey(std::move(state));
}

Result<PrivateKey> PrivateKey::from_scalar(ByteSpan scalar) {
  if (scalar.size() != kScalarSize) {
    return fail(Error{ErrorCode::kMalformed, "a P-256 private key has 32 bytes"});
  }
  const BnPtr number = number_of(scalar);
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), EC_GROUP_get0_order(p256())) >= 0) {
    return fail(Error{ErrorCode::kMalformed, "out of range for a P-256 private key"});
  }
  auto state = std::make_shared<State>();
  state->scalar = SecretBytes(kScalarSize);
  std::copy(scalar.begin(), scalar.end(), state->scalar.writable().begin());
  return PrivateKey(std::move(state));
}

SecretBytes PrivateKey::scalar() const {
  return state_->scalar.clone();
}

const PublicKey& PrivateKey::public_key() const {
  std::call_once(state_->public_once,
                 [this] { state_->public_key = public_key_of(state_->scalar.span()); });
  return *state_->public_key;
}

evp_pkey_st* PrivateKey::handle() const {
  std::call_once(state_->once, [this] {
    const BnPtr number = number_of(state_->scalar.span());
    state_->key = checked(pkey_from(public_key().point(), number.get()));
  });
  return state_->key.get();
}

Bytes PrivateKey::sign(ByteSpan data) const {
  const Digest256 digest = sha256(data);
  const auto ctx = checked(PkeyCtxPtr(EVP_PKEY_CTX_new_from_pkey(nullptr, handle(), nullptr)));
  Bytes signature(80);
  std::size_t length = signature.size();
  LATCHKEY_CHECK(EVP_PKEY_sign_init(ctx.get()) == 1);
  LATCHKEY_CHECK(
      EVP_PKEY_sign(ctx.get(), signature.data(), &length, digest.data(), digest.size()) == 1);
  signature.resize(length);
  return signature;
}

ByteArray<64> PrivateKey::sign_raw(ByteSpan data) const {
  const Bytes der = sign(data);
  const std::uint8_t* at = der.data();
  const auto sig = checked(SigPtr(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()))));
  ByteArray<64> out{};
  LATCHKEY_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), out.data(), kScalarSize) > 0);
  LATCHKEY_CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), out.data() + kScalarSize, kScalarSize) >
                 0);
  return out;
}

}  // namespace latchkey::crypto

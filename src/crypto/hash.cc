#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include "base/result.h"
#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

using MacCtxPtr = OpensslPtr<EVP_MAC_CTX, EVP_MAC_CTX_free>;

// Fetching an algorithm by name costs more than a short hash: once is enough.
EVP_MD* sha256_algorithm() {
  static EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  LATCHKEY_CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const kAlgorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  LATCHKEY_CHECK(kAlgorithm != nullptr);
  return kAlgorithm;
}

// OpenSSL takes nullptr for "as before" or "missing", also where nothing is a value.
const std::uint8_t* address_of(ByteSpan bytes) {
  static const std::uint8_t kNone = 0;
  return bytes.empty() ? &kNone : bytes.data();
}

}  // namespace

struct Sha256::State {
  MdCtxPtr ctx;
};
Sha256::Sha256() : state_(std::make_unique<State>(State{checked(MdCtxPtr(EVP_MD_CTX_new()))})) {
  LATCHKEY_CHECK(EVP_DigestInit_ex2(state_->ctx.get(), sha256_algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
void Sha256::update(ByteSpan data) {
  LATCHKEY_CHECK(EVP_DigestUpdate(state_->ctx.get(), address_of(data), data.size()) == 1);
}
Digest256 Sha256::finish() {
  Digest256 digest{};
  LATCHKEY_CHECK(EVP_DigestFinal_ex(state_->ctx.get(), digest.data(), nullptr) == 1);
  return digest;
}

ByteArray<20> sha1(ByteSpan data) {
  ByteArray<20> digest{};
  LATCHKEY_CHECK(
      EVP_Digest(address_of(data), data.size(), digest.data(), nullptr, EVP_sha1(), nullptr) == 1);
  return digest;
}

Digest256 sha256(ByteSpan data) {
  return sha256({data});
}

Digest256 sha256(std::initializer_list<ByteSpan> parts) {
  const auto ctx = checked(MdCtxPtr(EVP_MD_CTX_new()));
  LATCHKEY_CHECK(EVP_DigestInit_ex2(ctx.get(), sha256_algorithm(), nullptr) == 1);
  for (const ByteSpan part : parts) {
    LATCHKEY_CHECK(EVP_DigestUpdate(ctx.get(), part.data(), part.size()) == 1);
  }
  Digest256 out{};
  LATCHKEY_CHECK(EVP_DigestFinal_ex(ctx.get(), out.data(), nullptr) == 1);
  return out;
}

Digest256 hmac_sha256(ByteSpan key, ByteSpan data) {
  return hmac_sha256(key, {data});
}

Digest256 hmac_sha256(ByteSpan key, std::initializer_list<ByteSpan> parts) {
  const auto ctx = checked(MacCtxPtr(EVP_MAC_CTX_new(hmac_algorithm())));
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  LATCHKEY_CHECK(EVP_MAC_init(ctx.get(), address_of(key), key.size(), params) == 1);
  for (const ByteSpan part : parts) {
    LATCHKEY_CHECK(EVP_MAC_update(ctx.get(), part.data(), part.size()) == 1);
  }
  Digest256 out{};
  std::size_t length = 0;
  LATCHKEY_CHECK(EVP_MAC_final(ctx.get(), out.data(), &length, out.size()) == 1);
  LATCHKEY_CHECK(length == out.size());
  return out;
}

struct HmacSha256::State {
  MacCtxPtr ctx;
};
HmacSha256::HmacSha256(ByteSpan key)
    : state_(
          std::make_unique<State>(State{checked(MacCtxPtr(EVP_MAC_CTX_new(hmac_algorithm())))})) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  LATCHKEY_CHECK(EVP_MAC_init(state_->ctx.get(), address_of(key), key.size(), params) == 1);
}
HmacSha256::~HmacSha256() = default;
Digest256 HmacSha256::of(ByteSpan data) {
  // Without a key: with the one from before.
  LATCHKEY_CHECK(EVP_MAC_init(state_->ctx.get(), nullptr, 0, nullptr) == 1);
  LATCHKEY_CHECK(EVP_MAC_update(state_->ctx.get(), address_of(data), data.size()) == 1);
  Digest256 out{};
  std::size_t length = 0;
  LATCHKEY_CHECK(EVP_MAC_final(state_->ctx.get(), out.data(), &length, out.size()) == 1);
  LATCHKEY_CHECK(length == out.size());
  return out;
}

SecretBytes hkdf_sha256(ByteSpan key, ByteSpan salt, ByteSpan info, std::size_t length) {
  LATCHKEY_CHECK(length > 0 && length <= 8160);
  const auto ctx = checked(PkeyCtxPtr(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr)));
  SecretBytes out(length);
  std::size_t size = length;
  LATCHKEY_CHECK(EVP_PKEY_derive_init(ctx.get()) == 1);
  LATCHKEY_CHECK(EVP_PKEY_CTX_set_hkdf_md(ctx.get(), EVP_sha256()) == 1);
  LATCHKEY_CHECK(
      EVP_PKEY_CTX_set1_hkdf_salt(ctx.get(), address_of(salt), static_cast<int>(salt.size())) == 1);
  LATCHKEY_CHECK(
      EVP_PKEY_CTX_set1_hkdf_key(ctx.get(), address_of(key), static_cast<int>(key.size())) == 1);
  LATCHKEY_CHECK(
      EVP_PKEY_CTX_add1_hkdf_info(ctx.get(), address_of(info), static_cast<int>(info.size())) == 1);
  LATCHKEY_CHECK(EVP_PKEY_derive(ctx.get(), out.writable().data(), &size) == 1);
  LATCHKEY_CHECK(size == length);
  return out;
}

SecretBytes pbkdf2_sha256(ByteSpan password, ByteSpan salt, std::uint32_t rounds,
                          std::size_t length) {
  SecretBytes out(length);
  LATCHKEY_CHECK(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                                   static_cast<int>(password.size()), salt.data(),
                                   static_cast<int>(salt.size()), static_cast<int>(rounds),
                                   EVP_sha256(), static_cast<int>(length),
                                   out.writable().data()) == 1);
  return out;
}

}  // namespace latchkey::crypto

#include "crypto/gcm.h"

#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

EVP_CIPHER* gcm() {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  LATCHKEY_CHECK(kCipher != nullptr);
  return kCipher;
}

}  // namespace

void gcm_seal(ByteSpan key, ByteSpan nonce, ByteSpan associated, ByteSpan plaintext,
              std::span<std::uint8_t> out) {
  LATCHKEY_CHECK(key.size() == 32 && nonce.size() == kGcmNonceSize &&
                 out.size() == plaintext.size() + kGcmTagSize);
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  int length = 0;
  int tail = 0;
  const bool ok =
      EVP_EncryptInit_ex2(ctx.get(), gcm(), key.data(), nonce.data(), nullptr) == 1 &&
      (associated.empty() || EVP_EncryptUpdate(ctx.get(), nullptr, &length, associated.data(),
                                               static_cast<int>(associated.size())) == 1) &&
      EVP_EncryptUpdate(ctx.get(), out.data(), &length, plaintext.data(),
                        static_cast<int>(plaintext.size())) == 1 &&
      EVP_EncryptFinal_ex(ctx.get(), out.data() + length, &tail) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize,
                          out.data() + plaintext.size()) == 1;
  LATCHKEY_CHECK(ok);
}

std::optional<SecretBytes> gcm_open(ByteSpan key, ByteSpan nonce, ByteSpan associated,
                                    ByteSpan sealed) {
  LATCHKEY_CHECK(key.size() == 32 && nonce.size() == kGcmNonceSize);
  if (sealed.size() < kGcmTagSize) {
    return std::nullopt;
  }
  const ByteSpan body = sealed.first(sealed.size() - kGcmTagSize);
  Bytes tag = to_bytes(sealed.last(kGcmTagSize));
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  SecretBytes out(body.size());
  std::uint8_t nowhere = 0;  // OpenSSL wants an address for an empty plaintext too
  std::uint8_t* to = body.empty() ? &nowhere : out.writable().data();
  int length = 0;
  int tail = 0;
  const bool ok =
      EVP_DecryptInit_ex2(ctx.get(), gcm(), key.data(), nonce.data(), nullptr) == 1 &&
      (associated.empty() || EVP_DecryptUpdate(ctx.get(), nullptr, &length, associated.data(),
                                               static_cast<int>(associated.size())) == 1) &&
      EVP_DecryptUpdate(ctx.get(), to, &length, body.data(), static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(ctx.get(), to + length, &tail) == 1;
  return ok ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace latchkey::crypto

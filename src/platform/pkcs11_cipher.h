// An AES key in a PKCS#11 token that wraps small secrets by AES-GCM: the key never leaves the
// token. One thread. The token is opened for each call and closed again.
#pragma once

#include "platform/pkcs11.h"

namespace latchkey::platform {

class Pkcs11Cipher {
 public:
  static constexpr std::size_t kIvSize = 12;
  static constexpr std::size_t kTagSize = 16;
  static constexpr std::size_t kMaxPlain = 256;

  // `where.object` is the label of an AES key (CKK_AES, of any size) that may encrypt and decrypt
  // and cannot be taken out of the token.
  explicit Pkcs11Cipher(TokenKey where) : where_(std::move(where)) {}

  // Ciphertext and tag. `iv` is used once only. kMissing, kUnsafe (the key could be taken out, or
  // the PIN file be read by others), kLocked (the PIN), kSystem, each with what to do about it.
  Result<Bytes, Error> encrypt(ByteSpan iv, ByteSpan context, ByteSpan plain);
  // kForeign: that was not encrypted by this key, or not in this context.
  Result<SecretBytes, Error> decrypt(ByteSpan iv, ByteSpan context, ByteSpan sealed);

  [[nodiscard]] const TokenKey& where() const { return where_; }

 private:
  TokenKey where_;
};

}  // namespace latchkey::platform

// Keeps a store's data key with an AES key in a PKCS#11 token.
#pragma once

#include "base/random.h"
#include "platform/pkcs11_cipher.h"
#include "store/sealer.h"

namespace latchkey::device {

class TokenKeeper final : public store::Keeper {
 public:
  TokenKeeper(Random& random, platform::TokenKey where)
      : random_(random), cipher_(std::move(where)) {}
  [[nodiscard]] std::string_view kind() const override { return "pkcs11"; }
  Result<Bytes, store::Error> wrap(ByteSpan data_key) override;
  Result<SecretBytes, store::Error> unwrap(ByteSpan wrapped) override;
  // What the token said last, in words for its owner.
  [[nodiscard]] const std::optional<platform::Error>& said() const { return said_; }

 private:
  store::Error remember(platform::Error error);
  Random& random_;
  platform::Pkcs11Cipher cipher_;
  std::optional<platform::Error> said_;
};

}  // namespace latchkey::device

#include "device/token_keeper.h"

#include <string_view>

#include "crypto/sealing.h"

namespace latchkey::device {

namespace {

using platform::Pkcs11Cipher;

constexpr std::uint8_t kFormat = 0x01;
constexpr std::size_t kHead = 1 + Pkcs11Cipher::kIvSize;
constexpr std::size_t kWrapped = kHead + crypto::kSealKeySize + Pkcs11Cipher::kTagSize;
constexpr std::string_view kContext = "latchkey-data-key-v1 pkcs11";

}  // namespace

store::Error TokenKeeper::remember(platform::Error error) {
  const auto code =
      error.code == platform::Error::Code::kForeign || error.code == platform::Error::Code::kLocked
          ? store::ErrorCode::kLocked
          : store::ErrorCode::kNoKeeper;
  said_ = std::move(error);
  return {code, said_->message};
}

Result<Bytes, store::Error> TokenKeeper::wrap(ByteSpan data_key) {
  const auto iv = random_.bytes<Pkcs11Cipher::kIvSize>();
  auto sealed = cipher_.encrypt(iv, as_bytes(kContext), data_key);
  if (!sealed) {
    return fail(remember(std::move(sealed).error()));
  }
  Bytes out{kFormat};
  append(out, ByteSpan(iv));
  append(out, ByteSpan(*sealed));
  return out;
}

Result<SecretBytes, store::Error> TokenKeeper::unwrap(ByteSpan wrapped) {
  if (wrapped.size() != kWrapped || wrapped.front() != kFormat) {
    return fail(
        store::Error{store::ErrorCode::kCorrupt, "the data key is not wrapped by a token's key"});
  }
  auto key = cipher_.decrypt(wrapped.subspan(1, Pkcs11Cipher::kIvSize), as_bytes(kContext),
                             wrapped.subspan(kHead));
  if (!key) {
    return fail(remember(std::move(key).error()));
  }
  return *std::move(key);
}

}  // namespace latchkey::device

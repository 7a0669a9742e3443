#include "crypto/aead.h"

#include <utility>

#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

constexpr std::size_t kNonceSize = 12;

ByteArray<kNonceSize> nonce_for(std::uint64_t counter) {
  ByteArray<kNonceSize> nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[kNonceSize - 1 - i] = static_cast<std::uint8_t>(counter >> (8 * i));
  }
  return nonce;
}

EVP_CIPHER* gcm() {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  LATCHKEY_CHECK(kCipher != nullptr);
  return kCipher;
}

}  // namespace

struct CounterAead::State {
  SecretBytes key;
  std::uint64_t counter = 0;
  bool failed = false;
};

CounterAead::CounterAead(SecretBytes key) : state_(std::make_unique<State>()) {
  LATCHKEY_CHECK(key.size() == kKeySize);
  state_->key = std::move(key);
}
CounterAead::CounterAead(CounterAead&&) noexcept = default;
CounterAead& CounterAead::operator=(CounterAead&&) noexcept = default;
CounterAead::~CounterAead() = default;

Result<Bytes> CounterAead::seal(ByteSpan plaintext) {
  if (state_->failed) {
    return fail(Error{ErrorCode::kInternal, "the channel has ended"});
  }
  const auto nonce = nonce_for(state_->counter++);
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  Bytes out(plaintext.size() + kTagSize);
  int length = 0;
  int tail = 0;
  const bool ok = EVP_EncryptInit_ex2(ctx.get(), gcm(), state_->key.span().data(), nonce.data(),
                                      nullptr) == 1 &&
                  EVP_EncryptUpdate(ctx.get(), out.data(), &length, plaintext.data(),
                                    static_cast<int>(plaintext.size())) == 1 &&
                  EVP_EncryptFinal_ex(ctx.get(), out.data() + length, &tail) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize,
                                      out.data() + plaintext.size()) == 1;
  LATCHKEY_CHECK(ok);
  return out;
}

Result<SecretBytes> CounterAead::open(ByteSpan sealed) {
  if (state_->failed || sealed.size() < kTagSize) {
    state_->failed = true;
    return fail(Error{ErrorCode::kMalformed, "no sealed frame"});
  }
  const auto nonce = nonce_for(state_->counter++);
  const ByteSpan body = sealed.first(sealed.size() - kTagSize);
  Bytes tag = to_bytes(sealed.last(kTagSize));
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  SecretBytes out(body.size());
  std::uint8_t nowhere = 0;  // OpenSSL wants an address for an empty plaintext too
  std::uint8_t* to = body.empty() ? &nowhere : out.writable().data();
  int length = 0;
  int tail = 0;
  const bool ok =
      EVP_DecryptInit_ex2(ctx.get(), gcm(), state_->key.span().data(), nonce.data(), nullptr) ==
          1 &&
      EVP_DecryptUpdate(ctx.get(), to, &length, body.data(), static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(ctx.get(), to + length, &tail) == 1;
  if (!ok) {
    state_->failed = true;
    return fail(Error{ErrorCode::kBadSignature, "a frame does not open"});
  }
  return out;
}

}  // namespace latchkey::crypto

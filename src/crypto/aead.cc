#include "crypto/aead.h"

#include <utility>

#include "crypto/gcm.h"

namespace latchkey::crypto {
namespace {

ByteArray<kGcmNonceSize> nonce_for(std::uint64_t counter) {
  ByteArray<kGcmNonceSize> nonce{};
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[kGcmNonceSize - 1 - i] = static_cast<std::uint8_t>(counter >> (8 * i));
  }
  return nonce;
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
  Bytes out(plaintext.size() + kTagSize);
  gcm_seal(state_->key.span(), nonce, {}, plaintext, out);
  return out;
}

Result<SecretBytes> CounterAead::open(ByteSpan sealed) {
  if (state_->failed || sealed.size() < kTagSize) {
    state_->failed = true;
    return fail(Error{ErrorCode::kMalformed, "no sealed frame"});
  }
  const auto nonce = nonce_for(state_->counter++);
  auto out = gcm_open(state_->key.span(), nonce, {}, sealed);
  if (!out) {
    state_->failed = true;
    return fail(Error{ErrorCode::kBadSignature, "a frame does not open"});
  }
  return *std::move(out);
}

}  // namespace latchkey::crypto

#include "crypto/sealing.h"

#include <algorithm>
#include <span>

#include "crypto/gcm.h"
#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

constexpr std::size_t kMaxSecret = 65536;  // lengths stay far from int's end

tl::unexpected<Error> does_not_open() {
  return fail(Error{ErrorCode::kMalformed, "the sealed value does not open"});
}

}  // namespace

Bytes seal_secret(ByteSpan key, ByteSpan context, ByteSpan plaintext, Random& random) {
  LATCHKEY_CHECK(key.size() == kSealKeySize && context.size() <= kMaxSecret &&
                 plaintext.size() <= kMaxSecret);
  const auto nonce = random.bytes<kGcmNonceSize>();
  Bytes out(plaintext.size() + kSealOverhead);
  std::copy(nonce.begin(), nonce.end(), out.begin());
  gcm_seal(key, nonce, context, plaintext, std::span(out).subspan(kGcmNonceSize));
  return out;
}

Result<SecretBytes> open_secret(ByteSpan key, ByteSpan context, ByteSpan sealed) {
  LATCHKEY_CHECK(key.size() == kSealKeySize && context.size() <= kMaxSecret);
  if (sealed.size() < kSealOverhead || sealed.size() > kMaxSecret) {
    return does_not_open();
  }
  auto out = gcm_open(key, sealed.first(kGcmNonceSize), context, sealed.subspan(kGcmNonceSize));
  return out ? Result<SecretBytes>(*std::move(out)) : does_not_open();
}

bool is_sane(const ScryptCost& cost) {
  return cost.log2_rounds >= 10 && cost.log2_rounds <= 20 && cost.block == 8 &&
         cost.parallel >= 1 && cost.parallel <= 4;
}

Result<SecretBytes> scrypt(ByteSpan passphrase, ByteSpan salt, const ScryptCost& cost) {
  if (!is_sane(cost)) {
    return fail(Error{ErrorCode::kMalformed, "the passphrase's cost is out of bounds"});
  }
  constexpr std::uint64_t kMaxMemory = std::uint64_t{1280} << 20U;
  SecretBytes key(kSealKeySize);
  if (EVP_PBE_scrypt(reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                     salt.data(), salt.size(), std::uint64_t{1} << cost.log2_rounds, cost.block,
                     cost.parallel, kMaxMemory, key.writable().data(), key.size()) != 1) {
    return fail(Error{ErrorCode::kInternal, "scrypt failed: not enough memory?"});
  }
  return key;
}

}  // namespace latchkey::crypto

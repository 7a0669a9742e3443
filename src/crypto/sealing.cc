#include "crypto/sealing.h"

#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kMaxSecret = 65536;  // lengths stay far from int's end

tl::unexpected<Error> does_not_open() {
  return fail(Error{ErrorCode::kMalformed, "the sealed value does not open"});
}

}  // namespace

Bytes seal_secret(ByteSpan key, ByteSpan context, ByteSpan plaintext, Random& random) {
  LATCHKEY_CHECK(key.size() == kSealKeySize && context.size() <= kMaxSecret &&
                 plaintext.size() <= kMaxSecret);
  const auto nonce = random.bytes<kNonceSize>();
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  Bytes out(plaintext.size() + kSealOverhead);
  std::copy(nonce.begin(), nonce.end(), out.begin());
  int length = 0;
  int tail = 0;
  std::uint8_t* body = out.data() + kNonceSize;
  const bool ok =
      EVP_EncryptInit_ex2(ctx.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
      EVP_EncryptUpdate(ctx.get(), nullptr, &length, context.data(),
                        static_cast<int>(context.size())) == 1 &&
      EVP_EncryptUpdate(ctx.get(), body, &length, plaintext.data(),
                        static_cast<int>(plaintext.size())) == 1 &&
      EVP_EncryptFinal_ex(ctx.get(), body + length, &tail) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, body + plaintext.size()) == 1;
  LATCHKEY_CHECK(ok);
  return out;
}

Result<SecretBytes> open_secret(ByteSpan key, ByteSpan context, ByteSpan sealed) {
  LATCHKEY_CHECK(key.size() == kSealKeySize && context.size() <= kMaxSecret);
  if (sealed.size() < kSealOverhead || sealed.size() > kMaxSecret) {
    return does_not_open();
  }
  const ByteSpan nonce = sealed.first(kNonceSize);
  const ByteSpan body = sealed.subspan(kNonceSize, sealed.size() - kSealOverhead);
  Bytes tag = to_bytes(sealed.last(kTagSize));
  const auto ctx = checked(CipherCtxPtr(EVP_CIPHER_CTX_new()));
  SecretBytes out(body.size());
  std::uint8_t nowhere = 0;  // OpenSSL wants an address for an empty plaintext too
  std::uint8_t* to = body.empty() ? &nowhere : out.writable().data();
  int length = 0;
  int tail = 0;
  const bool ok =
      EVP_DecryptInit_ex2(ctx.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1 &&
      EVP_DecryptUpdate(ctx.get(), nullptr, &length, context.data(),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(ctx.get(), to, &length, body.data(), static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(ctx.get(), to + length, &tail) == 1;
  if (!ok) {
    return does_not_open();
  }
  return out;
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

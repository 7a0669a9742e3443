// SHA-256, and HMAC (RFC 2104), HKDF (RFC 5869) and PBKDF2 (RFC 8018) over it; SHA-1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "base/bytes.h"

namespace latchkey::crypto {

Digest256 sha256(ByteSpan data);
// Of the parts one after the other.
Digest256 sha256(std::initializer_list<ByteSpan> parts);
// Piece by piece, for what is not held in memory.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(ByteSpan data);
  Digest256 finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};
// For protocols that demand it where nothing depends on it being hard to collide (RFC 6455).
ByteArray<20> sha1(ByteSpan data);
Digest256 hmac_sha256(ByteSpan key, ByteSpan data);
Digest256 hmac_sha256(ByteSpan key, std::initializer_list<ByteSpan> parts);
// For many messages under one key, which is worked in once. One thread.
class HmacSha256 {
 public:
  explicit HmacSha256(ByteSpan key);
  ~HmacSha256();  // wipes what it made of the key
  HmacSha256(const HmacSha256&) = delete;
  HmacSha256& operator=(const HmacSha256&) = delete;
  Digest256 of(ByteSpan data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
// At most 8160 bytes (255 blocks).
SecretBytes hkdf_sha256(ByteSpan key, ByteSpan salt, ByteSpan info, std::size_t length);
// Takes about 0.5 us a round: call it off the event loop.
SecretBytes pbkdf2_sha256(ByteSpan password, ByteSpan salt, std::uint32_t rounds,
                          std::size_t length);

}  // namespace latchkey::crypto

// Arithmetic on the P-256 group for SPAKE2+, in constant time where OpenSSL offers it.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "crypto/error.h"

namespace latchkey::crypto {

// A number modulo the group order. Wiped when it goes.
class EcScalar {
 public:
  // Big-endian, any length up to 64 bytes; reduced modulo the order.
  static EcScalar reduce(ByteSpan bytes);
  EcScalar(EcScalar&&) noexcept;
  EcScalar& operator=(EcScalar&&) noexcept;
  ~EcScalar();
  [[nodiscard]] EcScalar clone() const;
  [[nodiscard]] bool is_zero() const;
  [[nodiscard]] SecretBytes bytes() const;  // 32, big-endian

 private:
  friend class EcPoint;
  struct State;
  explicit EcScalar(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class EcPoint {
 public:
  // SEC 1 octets, compressed (33) or not (65), on the curve and not the identity; else nothing.
  static std::optional<EcPoint> parse(ByteSpan octets);
  // As parse, but 65 bytes only: what RFC 9383 shares are here.
  static std::optional<EcPoint> parse_uncompressed(ByteSpan octets);
  static EcPoint generator_times(const EcScalar& k);
  EcPoint(EcPoint&&) noexcept;
  EcPoint& operator=(EcPoint&&) noexcept;
  ~EcPoint();

  [[nodiscard]] EcPoint times(const EcScalar& k) const;
  [[nodiscard]] EcPoint plus(const EcPoint& other) const;
  [[nodiscard]] EcPoint minus(const EcPoint& other) const;
  [[nodiscard]] bool is_identity() const;
  [[nodiscard]] Bytes bytes() const;  // 65, uncompressed; not for the identity

 private:
  struct State;
  explicit EcPoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::crypto

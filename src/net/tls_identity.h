// A key and the certificates shown for it, ready for OpenSSL, so that a handshake parses nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "net/task.h"

struct ssl_st;
struct x509_st;

namespace latchkey::net {

// Immutable; shared by all connections that show it.
class TlsIdentity {
 public:
  // `chain`: the certificate of `key` first, then its issuers without the root. kTls when a
  // certificate does not parse or the first is not for the key.
  static Result<std::shared_ptr<const TlsIdentity>> make(const crypto::PrivateKey& key,
                                                         const std::vector<Bytes>& chain);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  // For tls_*.cc: makes a connection show it. False where OpenSSL refuses.
  [[nodiscard]] bool use_on(ssl_st* ssl) const;

 private:
  explicit TlsIdentity(crypto::PrivateKey key) : key_(std::move(key)) {}
  crypto::PrivateKey key_;
  std::vector<x509_st*> certificates_;
};

// OpenSSL's newest complaint as text, and an empty error queue after it. For tls_*.cc.
std::string take_tls_error();

}  // namespace latchkey::net

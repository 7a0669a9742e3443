#include "net/tls_identity.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

#include "crypto/x509.h"

namespace latchkey::net {

namespace {
constexpr std::size_t kMaxChain = 8;
}

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::make(const crypto::PrivateKey& key,
                                                             const std::vector<Bytes>& chain) {
  if (chain.empty() || chain.size() > kMaxChain) {
    return fail(Error{Error::Code::kTls, "a chain has 1 to 8 certificates"});
  }
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(key));
  for (const Bytes& der : chain) {
    if (der.size() > crypto::kMaxCertificateSize) {
      return fail(Error{Error::Code::kTls, "certificate too long"});
    }
    const unsigned char* at = der.data();
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    if (certificate == nullptr) {
      return fail(Error{Error::Code::kTls, take_tls_error()});
    }
    identity->certificates_.push_back(certificate);
  }
  if (X509_check_private_key(identity->certificates_.front(), key.handle()) != 1) {
    return fail(Error{Error::Code::kTls, take_tls_error()});
  }
  return identity;
}

TlsIdentity::~TlsIdentity() {
  for (x509_st* certificate : certificates_) {
    X509_free(certificate);
  }
}

bool TlsIdentity::use_on(ssl_st* ssl) const {
  if (SSL_use_certificate(ssl, certificates_.front()) != 1 ||
      SSL_use_PrivateKey(ssl, key_.handle()) != 1 || SSL_clear_chain_certs(ssl) != 1) {
    return false;
  }
  for (std::size_t i = 1; i < certificates_.size(); ++i) {
    if (SSL_add1_chain_cert(ssl, certificates_[i]) != 1) {
      return false;
    }
  }
  return true;
}

std::string take_tls_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) {
    return "TLS failed";
  }
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace latchkey::net

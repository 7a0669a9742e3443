// What goes through OpenSSL's own X509 objects: certificates of strangers, and the second opinion
// on our own.
#include <openssl/core_names.h>
#include <openssl/x509_vfy.h>

#include "crypto/openssl_ptr.h"
#include "crypto/x509.h"

namespace latchkey::crypto {
namespace {

using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using StoreCtxPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;

X509Ptr parse(ByteSpan der) {
  if (der.size() > kMaxCertificateSize) {
    return nullptr;
  }
  const unsigned char* at = der.data();
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate != nullptr && at != der.data() + der.size()) {
    return nullptr;
  }
  return certificate;
}

}  // namespace

Result<PublicKey> certificate_key(ByteSpan der) {
  const X509Ptr certificate = parse(der);
  if (certificate == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a certificate"});
  }
  unsigned char* spki = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &spki);
  if (length <= 0) {
    return fail(Error{ErrorCode::kMalformed, "the certificate has no key"});
  }
  auto key = PublicKey::from_spki({spki, static_cast<std::size_t>(length)});
  OPENSSL_free(spki);
  return key;
}

Bytes make_bare_certificate(const PrivateKey& key) {
  const auto certificate = checked(X509Ptr(X509_new()));
  LATCHKEY_CHECK(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  LATCHKEY_CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1) == 1);
  LATCHKEY_CHECK(ASN1_TIME_set_string(X509_getm_notBefore(certificate.get()), "700101000000Z"));
  // RFC 5280 section 4.1.2.5: "no well-defined expiration date".
  LATCHKEY_CHECK(ASN1_TIME_set_string(X509_getm_notAfter(certificate.get()), "99991231235959Z"));
  LATCHKEY_CHECK(X509_set_pubkey(certificate.get(), key.handle()) == 1);
  LATCHKEY_CHECK(X509_sign(certificate.get(), key.handle(), EVP_sha256()) > 0);
  unsigned char* out = nullptr;
  const int length = i2d_X509(certificate.get(), &out);
  LATCHKEY_CHECK(length > 0);
  Bytes der(out, out + length);
  OPENSSL_free(out);
  return der;
}

Result<void> verify_server_chain(ByteSpan leaf, ByteSpan intermediate, ByteSpan root,
                                 std::string_view host, WallTime now) {
  const X509Ptr leaf_x509 = parse(leaf);
  X509Ptr intermediate_x509 = parse(intermediate);
  const X509Ptr root_x509 = parse(root);
  if (leaf_x509 == nullptr || intermediate_x509 == nullptr || root_x509 == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a certificate"});
  }
  const auto store = checked(StorePtr(X509_STORE_new()));
  LATCHKEY_CHECK(X509_STORE_add_cert(store.get(), root_x509.get()) == 1);
  struct StackFree {
    void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
  };
  const std::unique_ptr<STACK_OF(X509), StackFree> chain(sk_X509_new_null());
  LATCHKEY_CHECK(chain != nullptr && sk_X509_push(chain.get(), intermediate_x509.get()) > 0);
  static_cast<void>(intermediate_x509.release());  // owned by the stack now
  const auto ctx = checked(StoreCtxPtr(X509_STORE_CTX_new()));
  LATCHKEY_CHECK(X509_STORE_CTX_init(ctx.get(), store.get(), leaf_x509.get(), chain.get()) == 1);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
  X509_VERIFY_PARAM_set_time(param, now.unix_seconds);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  LATCHKEY_CHECK(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1);
  LATCHKEY_CHECK(X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1);
  LATCHKEY_CHECK(X509_STORE_CTX_set_purpose(ctx.get(), X509_PURPOSE_SSL_SERVER) == 1);
  if (X509_verify_cert(ctx.get()) != 1) {
    return fail(Error{ErrorCode::kBadSignature,
                      X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx.get()))});
  }
  return {};
}

}  // namespace latchkey::crypto

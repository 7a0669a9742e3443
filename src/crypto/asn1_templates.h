// ASN.1 templates (openssl/asn1t.h) for what is parsed often. Private to src/crypto.
//
// X509_PUBKEY, and so X509_REQ and X509, decode the key while they parse; in OpenSSL 3.0 that goes
// through the provider's decoder and costs twice what the signature check does. These templates
// leave the key a BIT STRING, from which EVP_PKEY_fromdata makes a key.
#pragma once

#include <openssl/asn1t.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "crypto/error.h"
#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {

struct Spki {
  X509_ALGOR* algorithm;
  ASN1_BIT_STRING* key;
};
// CertificationRequestInfo and CertificationRequest, RFC 2986 section 4. The subject and the
// attributes stay undecoded.
struct RequestInfo {
  ASN1_ENCODING enc;  // the bytes as they came: what the signature covers
  ASN1_INTEGER* version;
  ASN1_TYPE* subject;
  Spki* spki;
  STACK_OF(ASN1_TYPE) * attributes;
};
struct Request {
  RequestInfo* info;
  X509_ALGOR* algorithm;
  ASN1_BIT_STRING* signature;
};
// TBSCertificate and Certificate, RFC 5280 section 4.1, without the unique identifiers of
// version 2.
struct Validity {
  ASN1_TIME* not_before;
  ASN1_TIME* not_after;
};
struct Tbs {
  ASN1_ENCODING enc;
  ASN1_INTEGER* version;
  ASN1_INTEGER* serial;
  X509_ALGOR* algorithm;
  X509_NAME* issuer;
  Validity* validity;
  X509_NAME* subject;
  Spki* spki;
  STACK_OF(X509_EXTENSION) * extensions;
};
struct SignedTbs {
  Tbs* tbs;
  X509_ALGOR* algorithm;
  ASN1_BIT_STRING* signature;
};

const ASN1_ITEM* spki_item();
const ASN1_ITEM* request_item();
const ASN1_ITEM* tbs_item();
const ASN1_ITEM* signed_tbs_item();
const ASN1_ITEM* request_info_item();

template <class T>
struct TemplateFree {
  const ASN1_ITEM* item;
  void operator()(T* value) const { ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(value), item); }
};
template <class T>
using TemplatePtr = std::unique_ptr<T, TemplateFree<T>>;

// The whole of `der`, nothing after it; empty where it is not that.
template <class T>
TemplatePtr<T> decode_template(ByteSpan der, const ASN1_ITEM* item) {
  const unsigned char* at = der.data();
  auto* value =
      reinterpret_cast<T*>(ASN1_item_d2i(nullptr, &at, static_cast<long>(der.size()), item));
  TemplatePtr<T> owned(value, TemplateFree<T>{item});
  if (value != nullptr && at != der.data() + der.size()) {
    owned.reset();
  }
  return owned;
}

template <class T>
Bytes encode_template(const T* value, const ASN1_ITEM* item) {
  unsigned char* out = nullptr;
  const int length = ASN1_item_i2d(reinterpret_cast<const ASN1_VALUE*>(value), &out, item);
  LATCHKEY_CHECK(length > 0);
  Bytes bytes(out, out + length);
  OPENSSL_free(out);
  return bytes;
}

// Whether it is ecdsa-with-SHA256 without parameters (RFC 5758 section 3.2).
bool is_ecdsa_sha256(const X509_ALGOR* algorithm);
void set_ecdsa_sha256(X509_ALGOR* algorithm);
// A BIT STRING of whole bytes.
bool is_whole_bytes(const ASN1_BIT_STRING* bits);
ByteSpan bytes_of(const ASN1_STRING* string);
// Replaces the contents; no unused bits.
void set_bits(ASN1_BIT_STRING* bits, ByteSpan bytes);
// The 65-byte point of a P-256 key; empty where it is another kind of key.
ByteSpan p256_point(const Spki& spki);
void set_p256(Spki& spki, ByteSpan point);

}  // namespace latchkey::crypto

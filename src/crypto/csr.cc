#include "crypto/asn1_templates.h"
#include "crypto/x509.h"

namespace latchkey::crypto {

Result<PublicKey> verify_csr(ByteSpan der) {
  if (der.size() > kMaxCsrSize) {
    return fail(Error{ErrorCode::kMalformed, "the request is too long"});
  }
  const auto request = decode_template<Request>(der, request_item());
  if (request == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a PKCS#10 request"});
  }
  if (ASN1_INTEGER_get(request->info->version) != 0 ||
      request->info->subject->type != V_ASN1_SEQUENCE || !is_whole_bytes(request->signature)) {
    return fail(Error{ErrorCode::kMalformed, "not a PKCS#10 request of version 1"});
  }
  if (!is_ecdsa_sha256(request->algorithm)) {
    return fail(Error{ErrorCode::kUnsupported, "not signed with ecdsa-with-SHA256"});
  }
  const ByteSpan point = p256_point(*request->info->spki);
  if (point.empty()) {
    return fail(Error{ErrorCode::kUnsupported, "the request's key is not P-256"});
  }
  auto key = PublicKey::from_point(point);
  if (!key) {
    return fail(key.error());
  }
  const Bytes info = encode_template(request->info, request_info_item());
  if (!key->verify(info, bytes_of(request->signature))) {
    return fail(Error{ErrorCode::kBadSignature, "the request does not prove its key"});
  }
  return *key;
}

Bytes make_csr(const PrivateKey& key) {
  TemplatePtr<Request> request(reinterpret_cast<Request*>(ASN1_item_new(request_item())),
                               TemplateFree<Request>{request_item()});
  LATCHKEY_CHECK(request != nullptr);
  RequestInfo& info = *request->info;
  LATCHKEY_CHECK(ASN1_INTEGER_set(info.version, 0) == 1);
  static constexpr ByteArray<2> kEmptyName{0x30, 0x00};
  auto* name = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
  LATCHKEY_CHECK(name != nullptr && ASN1_STRING_set(name, kEmptyName.data(), 2) == 1);
  ASN1_TYPE_set(info.subject, V_ASN1_SEQUENCE, name);
  set_p256(*info.spki, key.public_key().point());
  // The attributes are not optional in RFC 2986, only possibly empty.
  info.attributes = sk_ASN1_TYPE_new_null();
  set_ecdsa_sha256(request->algorithm);
  set_bits(request->signature, key.sign(encode_template(&info, request_info_item())));
  return encode_template(request.get(), request_item());
}

}  // namespace latchkey::crypto

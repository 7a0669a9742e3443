#include "crypto/asn1_templates.h"

#include <cstring>

namespace latchkey::crypto {

// OpenSSL's macros are C: the pragma is for them alone.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace {

ASN1_SEQUENCE(Spki) =
    {
        ASN1_SIMPLE(Spki, algorithm, X509_ALGOR),
        ASN1_SIMPLE(Spki, key, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(Spki)

        ASN1_SEQUENCE_enc(RequestInfo, enc, nullptr) =
            {
                ASN1_SIMPLE(RequestInfo, version, ASN1_INTEGER),
                ASN1_SIMPLE(RequestInfo, subject, ASN1_ANY),
                ASN1_SIMPLE(RequestInfo, spki, Spki),
                ASN1_IMP_SET_OF_OPT(RequestInfo, attributes, ASN1_ANY, 0),
} ASN1_SEQUENCE_END_enc(RequestInfo, RequestInfo)

                ASN1_SEQUENCE(Request) =
                    {
                        ASN1_SIMPLE(Request, info, RequestInfo),
                        ASN1_SIMPLE(Request, algorithm, X509_ALGOR),
                        ASN1_SIMPLE(Request, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(Request)

                        ASN1_SEQUENCE(Validity) =
                            {
                                ASN1_SIMPLE(Validity, not_before, ASN1_TIME),
                                ASN1_SIMPLE(Validity, not_after, ASN1_TIME),
} static_ASN1_SEQUENCE_END(Validity)

                                ASN1_SEQUENCE_enc(Tbs, enc, nullptr) =
                                    {
                                        ASN1_EXP(Tbs, version, ASN1_INTEGER, 0),
                                        ASN1_SIMPLE(Tbs, serial, ASN1_INTEGER),
                                        ASN1_SIMPLE(Tbs, algorithm, X509_ALGOR),
                                        ASN1_SIMPLE(Tbs, issuer, X509_NAME),
                                        ASN1_SIMPLE(Tbs, validity, Validity),
                                        ASN1_SIMPLE(Tbs, subject, X509_NAME),
                                        ASN1_SIMPLE(Tbs, spki, Spki),
                                        ASN1_EXP_SEQUENCE_OF_OPT(Tbs, extensions, X509_EXTENSION,
                                                                 3),
} ASN1_SEQUENCE_END_enc(Tbs, Tbs)

                                        ASN1_SEQUENCE(SignedTbs) = {
                                            ASN1_SIMPLE(SignedTbs, tbs, Tbs),
                                            ASN1_SIMPLE(SignedTbs, algorithm, X509_ALGOR),
                                            ASN1_SIMPLE(SignedTbs, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(SignedTbs)

}  // namespace

const ASN1_ITEM* spki_item() {
  return ASN1_ITEM_rptr(Spki);
}
const ASN1_ITEM* request_info_item() {
  return ASN1_ITEM_rptr(RequestInfo);
}
const ASN1_ITEM* request_item() {
  return ASN1_ITEM_rptr(Request);
}
const ASN1_ITEM* tbs_item() {
  return ASN1_ITEM_rptr(Tbs);
}
const ASN1_ITEM* signed_tbs_item() {
  return ASN1_ITEM_rptr(SignedTbs);
}

#pragma GCC diagnostic pop

bool is_ecdsa_sha256(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* oid = nullptr;
  int type = 0;
  X509_ALGOR_get0(&oid, &type, nullptr, algorithm);
  return OBJ_obj2nid(oid) == NID_ecdsa_with_SHA256 && type == V_ASN1_UNDEF;
}

void set_ecdsa_sha256(X509_ALGOR* algorithm) {
  LATCHKEY_CHECK(
      X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_ecdsa_with_SHA256), V_ASN1_UNDEF, nullptr) == 1);
}

bool is_whole_bytes(const ASN1_BIT_STRING* bits) {
  return (bits->flags & 0x07) == 0;
}

ByteSpan bytes_of(const ASN1_STRING* string) {
  return {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))};
}

void set_bits(ASN1_BIT_STRING* bits, ByteSpan bytes) {
  LATCHKEY_CHECK(ASN1_STRING_set(bits, bytes.data(), static_cast<int>(bytes.size())) == 1);
  // Without this flag OpenSSL would count trailing zero bits as unused.
  bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
  bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
}

ByteSpan p256_point(const Spki& spki) {
  const ASN1_OBJECT* oid = nullptr;
  const void* parameter = nullptr;
  int type = 0;
  X509_ALGOR_get0(&oid, &type, &parameter, spki.algorithm);
  if (OBJ_obj2nid(oid) != NID_X9_62_id_ecPublicKey || type != V_ASN1_OBJECT ||
      OBJ_obj2nid(static_cast<const ASN1_OBJECT*>(parameter)) != NID_X9_62_prime256v1 ||
      !is_whole_bytes(spki.key)) {
    return {};
  }
  const ByteSpan point = bytes_of(spki.key);
  return point.size() == 65 ? point : ByteSpan{};
}

void set_p256(Spki& spki, ByteSpan point) {
  LATCHKEY_CHECK(X509_ALGOR_set0(spki.algorithm, OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                 V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1)) == 1);
  set_bits(spki.key, point);
}

}  // namespace latchkey::crypto

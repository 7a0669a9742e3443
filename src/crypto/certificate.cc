#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "crypto/asn1_templates.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace latchkey::crypto {
namespace {

using NamePtr = OpensslPtr<X509_NAME, X509_NAME_free>;
using BitsPtr = OpensslPtr<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;
using OctetsPtr = OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using BasicConstraintsPtr = OpensslPtr<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free>;
using NameConstraintsPtr = OpensslPtr<NAME_CONSTRAINTS, NAME_CONSTRAINTS_free>;
using GeneralNamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;
using AuthorityKeyIdPtr = OpensslPtr<AUTHORITY_KEYID, AUTHORITY_KEYID_free>;
using ExtendedUsagePtr = OpensslPtr<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free>;

constexpr std::size_t kMaxNames = 64;

// --- writing ---

void set_name(X509_NAME* name, const std::string& cn) {
  LATCHKEY_CHECK(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                            reinterpret_cast<const unsigned char*>(cn.data()),
                                            static_cast<int>(cn.size()), -1, 0) == 1);
}

GENERAL_NAME* dns_general_name(const std::string& name) {
  auto* general = GENERAL_NAME_new();
  auto* text = ASN1_IA5STRING_new();
  LATCHKEY_CHECK(general != nullptr && text != nullptr);
  LATCHKEY_CHECK(ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 1);
  GENERAL_NAME_set0_value(general, GEN_DNS, text);
  return general;
}

// An address and mask of zeros: every address of that length.
GENERAL_NAME* every_ip(std::size_t address_size) {
  auto* general = GENERAL_NAME_new();
  auto* octets = ASN1_OCTET_STRING_new();
  const Bytes zeros(2 * address_size);
  LATCHKEY_CHECK(general != nullptr && octets != nullptr);
  LATCHKEY_CHECK(ASN1_STRING_set(octets, zeros.data(), static_cast<int>(zeros.size())) == 1);
  GENERAL_NAME_set0_value(general, GEN_IPADD, octets);
  return general;
}

void add_subtree(STACK_OF(GENERAL_SUBTREE) * *list, GENERAL_NAME* base) {
  if (*list == nullptr) {
    *list = sk_GENERAL_SUBTREE_new_null();
  }
  auto* subtree = GENERAL_SUBTREE_new();
  LATCHKEY_CHECK(subtree != nullptr && *list != nullptr);
  GENERAL_NAME_free(subtree->base);
  subtree->base = base;
  LATCHKEY_CHECK(sk_GENERAL_SUBTREE_push(*list, subtree) > 0);
}

class ExtensionWriter {
 public:
  explicit ExtensionWriter(Tbs& tbs) : tbs_(tbs) {
    tbs_.extensions = sk_X509_EXTENSION_new_null();
    LATCHKEY_CHECK(tbs_.extensions != nullptr);
  }
  void add(int nid, bool critical, void* value) {
    X509_EXTENSION* extension = X509V3_EXT_i2d(nid, critical ? 1 : 0, value);
    LATCHKEY_CHECK(extension != nullptr && sk_X509_EXTENSION_push(tbs_.extensions, extension) > 0);
  }

 private:
  Tbs& tbs_;
};

void add_basic_constraints(ExtensionWriter& out, const std::optional<int>& path_length) {
  const auto basic = checked(BasicConstraintsPtr(BASIC_CONSTRAINTS_new()));
  if (path_length) {
    basic->ca = 0xFF;
    basic->pathlen = ASN1_INTEGER_new();
    LATCHKEY_CHECK(basic->pathlen != nullptr && ASN1_INTEGER_set(basic->pathlen, *path_length));
  }
  out.add(NID_basic_constraints, true, basic.get());
}

void add_key_usage(ExtensionWriter& out, KeyUsage usage) {
  const auto bits = checked(BitsPtr(ASN1_BIT_STRING_new()));
  const auto set = [&](int bit) { LATCHKEY_CHECK(ASN1_BIT_STRING_set_bit(bits.get(), bit, 1)); };
  if (usage == KeyUsage::kCertAndCrlSign) {
    set(5), set(6);  // keyCertSign, cRLSign
  } else {
    set(0);  // digitalSignature
  }
  out.add(NID_key_usage, true, bits.get());
}

void add_name_constraints(ExtensionWriter& out, const CertificateFields& fields) {
  const auto constraints = checked(NameConstraintsPtr(NAME_CONSTRAINTS_new()));
  for (const auto& name : fields.permitted_dns) {
    add_subtree(&constraints->permittedSubtrees, dns_general_name(name));
  }
  // A constraint on DNS names alone says nothing of addresses: exclude them all.
  add_subtree(&constraints->excludedSubtrees, every_ip(4));
  add_subtree(&constraints->excludedSubtrees, every_ip(16));
  for (const auto& name : fields.excluded_dns) {
    add_subtree(&constraints->excludedSubtrees, dns_general_name(name));
  }
  out.add(NID_name_constraints, true, constraints.get());
}

void add_key_ids(ExtensionWriter& out, const CertificateFields& fields) {
  const auto subject = checked(OctetsPtr(ASN1_OCTET_STRING_new()));
  LATCHKEY_CHECK(ASN1_STRING_set(subject.get(), fields.subject_key_id.data(),
                                 static_cast<int>(fields.subject_key_id.size())));
  out.add(NID_subject_key_identifier, false, subject.get());
  const auto authority = checked(AuthorityKeyIdPtr(AUTHORITY_KEYID_new()));
  authority->keyid = ASN1_OCTET_STRING_new();
  LATCHKEY_CHECK(authority->keyid != nullptr &&
                 ASN1_STRING_set(authority->keyid, fields.authority_key_id.data(),
                                 static_cast<int>(fields.authority_key_id.size())));
  out.add(NID_authority_key_identifier, false, authority.get());
}

void add_extensions(Tbs& tbs, const CertificateFields& fields) {
  ExtensionWriter out(tbs);
  add_basic_constraints(out, fields.ca_path_length);
  add_key_usage(out, fields.key_usage);
  if (!fields.permitted_dns.empty()) {
    add_name_constraints(out, fields);
  }
  if (fields.server_auth) {
    const auto usages = checked(ExtendedUsagePtr(EXTENDED_KEY_USAGE_new()));
    LATCHKEY_CHECK(sk_ASN1_OBJECT_push(usages.get(), OBJ_nid2obj(NID_server_auth)) > 0);
    out.add(NID_ext_key_usage, false, usages.get());
  }
  if (fields.dns_name) {
    const auto names = checked(GeneralNamesPtr(GENERAL_NAMES_new()));
    LATCHKEY_CHECK(sk_GENERAL_NAME_push(names.get(), dns_general_name(*fields.dns_name)) > 0);
    out.add(NID_subject_alt_name, false, names.get());
  }
  add_key_ids(out, fields);
}

TemplatePtr<SignedTbs> unsigned_certificate(const CertificateFields& fields, const PublicKey& key) {
  TemplatePtr<SignedTbs> certificate(reinterpret_cast<SignedTbs*>(ASN1_item_new(signed_tbs_item())),
                                     TemplateFree<SignedTbs>{signed_tbs_item()});
  LATCHKEY_CHECK(certificate != nullptr);
  Tbs& tbs = *certificate->tbs;
  LATCHKEY_CHECK(ASN1_INTEGER_set(tbs.version, 2) == 1);
  const auto serial = checked(BnPtr(BN_bin2bn(fields.serial.data(), 16, nullptr)));
  LATCHKEY_CHECK(BN_to_ASN1_INTEGER(serial.get(), tbs.serial) != nullptr);
  set_ecdsa_sha256(tbs.algorithm);
  set_ecdsa_sha256(certificate->algorithm);
  set_name(tbs.issuer, fields.issuer_cn);
  set_name(tbs.subject, fields.subject_cn);
  LATCHKEY_CHECK(ASN1_TIME_set(tbs.validity->not_before, fields.not_before.unix_seconds));
  LATCHKEY_CHECK(ASN1_TIME_set(tbs.validity->not_after, fields.not_after.unix_seconds));
  set_p256(*tbs.spki, key.point());
  add_extensions(tbs, fields);
  return certificate;
}

// --- reading ---

std::optional<std::string> read_name(const X509_NAME* name) {
  if (X509_NAME_entry_count(name) != 1) {
    return std::nullopt;
  }
  const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, 0);
  if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) != NID_commonName) {
    return std::nullopt;
  }
  return std::string(as_text(bytes_of(X509_NAME_ENTRY_get_data(entry))));
}

std::optional<WallTime> read_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return std::nullopt;
  }
  return WallTime{timegm(&parts)};
}

std::string dns_of(const GENERAL_NAME* name) {
  return name->type == GEN_DNS ? std::string(as_text(bytes_of(name->d.dNSName))) : std::string();
}

template <class T>
T* get_extension(const Tbs& tbs, int nid) {
  return static_cast<T*>(X509V3_get_d2i(tbs.extensions, nid, nullptr, nullptr));
}

void read_names(const Tbs& tbs, CertificateFields& fields) {
  const NameConstraintsPtr constraints(get_extension<NAME_CONSTRAINTS>(tbs, NID_name_constraints));
  const auto read = [](STACK_OF(GENERAL_SUBTREE) * list, std::vector<std::string> & out) {
    const auto count = std::min<std::size_t>(
        kMaxNames, static_cast<std::size_t>(std::max(0, sk_GENERAL_SUBTREE_num(list))));
    for (std::size_t i = 0; i < count; ++i) {
      std::string name = dns_of(sk_GENERAL_SUBTREE_value(list, static_cast<int>(i))->base);
      if (!name.empty()) {
        out.push_back(std::move(name));
      }
    }
  };
  if (constraints != nullptr) {
    read(constraints->permittedSubtrees, fields.permitted_dns);
    read(constraints->excludedSubtrees, fields.excluded_dns);
  }
  const GeneralNamesPtr names(get_extension<GENERAL_NAMES>(tbs, NID_subject_alt_name));
  if (names != nullptr && sk_GENERAL_NAME_num(names.get()) == 1) {
    fields.dns_name = dns_of(sk_GENERAL_NAME_value(names.get(), 0));
  }
}

void read_key_ids(const Tbs& tbs, CertificateFields& fields) {
  const OctetsPtr subject(get_extension<ASN1_OCTET_STRING>(tbs, NID_subject_key_identifier));
  if (subject != nullptr) {
    fields.subject_key_id = to_bytes(bytes_of(subject.get()));
  }
  const AuthorityKeyIdPtr authority(
      get_extension<AUTHORITY_KEYID>(tbs, NID_authority_key_identifier));
  if (authority != nullptr && authority->keyid != nullptr) {
    fields.authority_key_id = to_bytes(bytes_of(authority->keyid));
  }
}

void read_extensions(const Tbs& tbs, CertificateFields& fields) {
  const BasicConstraintsPtr basic(get_extension<BASIC_CONSTRAINTS>(tbs, NID_basic_constraints));
  if (basic != nullptr && basic->ca != 0 && basic->pathlen != nullptr) {
    const long length = ASN1_INTEGER_get(basic->pathlen);
    fields.ca_path_length = length >= 0 && length <= 9 ? static_cast<int>(length) : -1;
  }
  const BitsPtr usage(get_extension<ASN1_BIT_STRING>(tbs, NID_key_usage));
  const bool signs = usage != nullptr && ASN1_BIT_STRING_get_bit(usage.get(), 5) == 1;
  fields.key_usage = signs ? KeyUsage::kCertAndCrlSign : KeyUsage::kDigitalSignature;
  const ExtendedUsagePtr extended(get_extension<EXTENDED_KEY_USAGE>(tbs, NID_ext_key_usage));
  fields.server_auth = extended != nullptr;
  read_names(tbs, fields);
  read_key_ids(tbs, fields);
}

bool read_serial(const ASN1_INTEGER* serial, ByteArray<16>& out) {
  const BnPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  return number != nullptr && BN_is_negative(number.get()) == 0 &&
         BN_num_bytes(number.get()) <= 16 && BN_bn2binpad(number.get(), out.data(), 16) == 16;
}

}  // namespace

Bytes key_identifier(const PublicKey& key) {
  const Digest256 digest = sha256(key.point());
  return {digest.begin(), digest.begin() + 20};
}

Result<Bytes> build_certificate(const CertificateFields& fields, const PublicKey& key,
                                const PrivateKey& issuer_key) {
  const auto certificate = unsigned_certificate(fields, key);
  set_bits(certificate->signature, issuer_key.sign(encode_template(certificate->tbs, tbs_item())));
  Bytes der = encode_template(certificate.get(), signed_tbs_item());
  if (der.size() > kMaxCertificateSize) {
    return fail(Error{ErrorCode::kInternal, "the certificate would be too long"});
  }
  return der;
}

Result<ParsedCertificate> parse_certificate(ByteSpan der) {
  const auto malformed = [](const char* why) { return fail(Error{ErrorCode::kMalformed, why}); };
  if (der.size() > kMaxCertificateSize) {
    return malformed("the certificate is too long");
  }
  const auto certificate = decode_template<SignedTbs>(der, signed_tbs_item());
  if (certificate == nullptr) {
    return malformed("not a certificate");
  }
  const Tbs& tbs = *certificate->tbs;
  CertificateFields fields;
  const auto subject = read_name(tbs.subject);
  const auto issuer = read_name(tbs.issuer);
  const auto not_before = read_time(tbs.validity->not_before);
  const auto not_after = read_time(tbs.validity->not_after);
  if (!subject || !issuer || !not_before || !not_after || !read_serial(tbs.serial, fields.serial) ||
      !is_ecdsa_sha256(certificate->algorithm)) {
    return malformed("a field that the template does not have");
  }
  fields.subject_cn = *subject;
  fields.issuer_cn = *issuer;
  fields.not_before = *not_before;
  fields.not_after = *not_after;
  read_extensions(tbs, fields);
  auto key = PublicKey::from_point(p256_point(*tbs.spki));
  if (!key) {
    return malformed("the key is not P-256");
  }
  // Whatever the reading above took no notice of (another extension, criticality, order, a flag, a
  // non-canonical encoding) shows here: the template, filled with what was read, must give the very
  // same bytes.
  const auto again = unsigned_certificate(fields, *key);
  if (encode_template(again->tbs, tbs_item()) != encode_template(&tbs, tbs_item())) {
    return malformed("differs from the template");
  }
  return ParsedCertificate{std::move(fields), std::move(*key)};
}

bool certificate_signed_by(ByteSpan der, const PublicKey& issuer) {
  if (der.size() > kMaxCertificateSize) {
    return false;
  }
  const auto certificate = decode_template<SignedTbs>(der, signed_tbs_item());
  return certificate != nullptr && is_ecdsa_sha256(certificate->algorithm) &&
         is_ecdsa_sha256(certificate->tbs->algorithm) && is_whole_bytes(certificate->signature) &&
         issuer.verify(encode_template(certificate->tbs, tbs_item()),
                       bytes_of(certificate->signature));
}

}  // namespace latchkey::crypto

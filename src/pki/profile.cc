#include "pki/profile.h"

namespace latchkey::pki {

using crypto::CertificateFields;
using crypto::KeyUsage;

CertificateFields root_profile(const crypto::PublicKey& key, std::span<const std::string> excluded,
                               Dates dates) {
  CertificateFields fields;
  fields.subject_cn = kRootName;
  fields.issuer_cn = kRootName;
  fields.not_before = dates.not_before;
  fields.not_after = dates.not_after;
  fields.ca_path_length = 1;
  fields.key_usage = KeyUsage::kCertAndCrlSign;
  fields.permitted_dns = {"local"};
  fields.excluded_dns.assign(excluded.begin(), excluded.end());
  fields.subject_key_id = crypto::key_identifier(key);
  fields.authority_key_id = fields.subject_key_id;
  return fields;
}

CertificateFields grant_ca_profile(const crypto::PublicKey& key, const Bytes& root_key_id,
                                   const HostName& host, Dates dates) {
  CertificateFields fields;
  fields.subject_cn = kGrantCaName;
  fields.issuer_cn = kRootName;
  fields.not_before = dates.not_before;
  fields.not_after = dates.not_after;
  fields.ca_path_length = 0;
  fields.key_usage = KeyUsage::kCertAndCrlSign;
  fields.permitted_dns = {host.text()};
  fields.subject_key_id = crypto::key_identifier(key);
  fields.authority_key_id = root_key_id;
  return fields;
}

CertificateFields leaf_profile(const crypto::PublicKey& key, const Bytes& ca_key_id,
                               const HostName& host, Dates dates) {
  CertificateFields fields;
  fields.subject_cn = host.text();
  fields.issuer_cn = kGrantCaName;
  fields.not_before = dates.not_before;
  fields.not_after = dates.not_after;
  fields.key_usage = KeyUsage::kDigitalSignature;
  fields.dns_name = host.text();
  fields.subject_key_id = crypto::key_identifier(key);
  fields.authority_key_id = ca_key_id;
  return fields;
}

Result<Bytes> sign_checked(CertificateFields fields, const crypto::PublicKey& key,
                           const crypto::PrivateKey& issuer, Random& random, Known* known) {
  fields.serial = random.bytes<16>();
  auto der = crypto::build_certificate(fields, key, issuer);
  if (!der) {
    return fail(from_crypto(der.error()));
  }
  Known own;
  const auto parsed = (known != nullptr ? *known : own).parse(*der);
  if (!parsed || !(parsed->fields == fields) || !(parsed->key == key)) {
    return fail(Error{ErrorCode::kInternal, "the certificate is not what was asked for"});
  }
  return std::move(*der);
}

Error from_crypto(const crypto::Error& error) {
  switch (error.code) {
    case crypto::ErrorCode::kMalformed:
    case crypto::ErrorCode::kUnsupported:
      return {ErrorCode::kMalformed, error.detail};
    case crypto::ErrorCode::kBadSignature:
      return {ErrorCode::kBadSignature, error.detail};
    case crypto::ErrorCode::kInternal:
      break;
  }
  return {ErrorCode::kInternal, error.detail};
}

}  // namespace latchkey::pki

#include "crypto/chain.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "crypto/openssl_ptr.h"
#include "crypto/x509.h"

namespace latchkey::crypto {
namespace {

using StorePtr = OpensslPtr<X509_STORE, X509_STORE_free>;
using StoreCtxPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;
using ObjectPtr = OpensslPtr<ASN1_OBJECT, ASN1_OBJECT_free>;
using OctetsPtr = OpensslPtr<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free>;
using ExtensionPtr = OpensslPtr<X509_EXTENSION, X509_EXTENSION_free>;
struct StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_pop_free(stack, X509_free); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), StackFree>;

// id-fido-gen-ce-aaguid (FIDO, WebAuthn section 8.2.1).
constexpr const char* kAaguidOid = "1.3.6.1.4.1.45724.1.1.4";
// Security level 2 of OpenSSL: 112 bits; no SHA-1, no RSA below 2048.
constexpr int kSecurityLevel = 2;

X509Ptr parse(ByteSpan der) {
  if (der.size() > kMaxCertificateSize) {
    return nullptr;
  }
  const unsigned char* at = der.data();
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  return certificate != nullptr && at == der.data() + der.size() ? std::move(certificate) : nullptr;
}

std::optional<WallTime> read_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return std::nullopt;
  }
  return WallTime{timegm(&parts)};
}

// The value of the AAGUID extension: an OCTET STRING in the extension's own OCTET STRING.
Result<std::optional<ByteArray<16>>> read_aaguid(const X509* certificate) {
  const auto oid = checked(ObjectPtr(OBJ_txt2obj(kAaguidOid, 1)));
  const int index = X509_get_ext_by_OBJ(certificate, oid.get(), -1);
  if (index < 0) {
    return std::optional<ByteArray<16>>();
  }
  const X509_EXTENSION* extension = X509_get_ext(certificate, index);
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(const_cast<X509_EXTENSION*>(extension));
  const ByteSpan bytes(ASN1_STRING_get0_data(value),
                       static_cast<std::size_t>(ASN1_STRING_length(value)));
  constexpr std::array<std::uint8_t, 2> kOctets16 = {0x04, 0x10};
  if (X509_EXTENSION_get_critical(extension) != 0 || bytes.size() != 18 ||
      !std::equal(kOctets16.begin(), kOctets16.end(), bytes.begin()) ||
      X509_get_ext_by_OBJ(certificate, oid.get(), index) >= 0) {
    return fail(Error{ErrorCode::kMalformed, "the model's number is not as it should be"});
  }
  ByteArray<16> aaguid{};
  std::copy_n(bytes.begin() + 2, aaguid.size(), aaguid.begin());
  return std::optional(aaguid);
}

std::string complaint(const X509_STORE_CTX* ctx) {
  const X509* culprit = X509_STORE_CTX_get_current_cert(ctx);
  std::string text = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
  if (culprit != nullptr) {
    std::array<char, 128> name{};
    X509_NAME_oneline(X509_get_subject_name(culprit), name.data(), name.size());
    text += std::string(" (") + name.data() + ")";
  }
  return text;
}

// --- issuing ---

void add_text(X509_NAME* name, const char* field, const std::string& text) {
  if (!text.empty()) {
    LATCHKEY_CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                              reinterpret_cast<const unsigned char*>(text.data()),
                                              static_cast<int>(text.size()), -1, 0) == 1);
  }
}

void add_extension(X509* certificate, X509V3_CTX* ctx, int nid, const char* value) {
  const auto extension = checked(ExtensionPtr(X509V3_EXT_conf_nid(nullptr, ctx, nid, value)));
  LATCHKEY_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

void add_aaguid(X509* certificate, const ByteArray<16>& aaguid) {
  Bytes value = {0x04, 0x10};
  append(value, aaguid);
  const auto oid = checked(ObjectPtr(OBJ_txt2obj(kAaguidOid, 1)));
  const auto octets = checked(OctetsPtr(ASN1_OCTET_STRING_new()));
  LATCHKEY_CHECK(
      ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size())) == 1);
  const auto extension =
      checked(ExtensionPtr(X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, octets.get())));
  LATCHKEY_CHECK(X509_add_ext(certificate, extension.get(), -1) == 1);
}

Result<Bytes> issue(const IssueFields& fields, const PublicKey& key, const PrivateKey& issuer_key,
                    X509* issuer, Random& random) {
  if (fields.common_name.empty() || fields.common_name.size() > 64 ||
      fields.organization.size() > 64) {
    return fail(Error{ErrorCode::kMalformed, "a name has 1 to 64 bytes"});
  }
  const auto certificate = checked(X509Ptr(X509_new()));
  LATCHKEY_CHECK(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  auto serial = random.bytes<16>();
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3fU) | 0x40U);
  const auto number = checked(BnPtr(BN_bin2bn(serial.data(), 16, nullptr)));
  LATCHKEY_CHECK(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())));
  LATCHKEY_CHECK(
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), fields.not_before.unix_seconds));
  LATCHKEY_CHECK(
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), fields.not_after.unix_seconds));
  X509_NAME* name = X509_get_subject_name(certificate.get());
  add_text(name, "O", fields.organization);
  add_text(name, "CN", fields.common_name);
  X509* signer = issuer != nullptr ? issuer : certificate.get();
  LATCHKEY_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1);
  LATCHKEY_CHECK(X509_set_pubkey(certificate.get(), key.handle()) == 1);
  X509V3_CTX ctx{};
  X509V3_set_ctx(&ctx, signer, certificate.get(), nullptr, nullptr, 0);
  const std::string basic =
      fields.ca_path_length ? "critical,CA:TRUE,pathlen:" + std::to_string(*fields.ca_path_length)
                            : std::string("critical,CA:FALSE");
  add_extension(certificate.get(), &ctx, NID_basic_constraints, basic.c_str());
  add_extension(
      certificate.get(), &ctx, NID_key_usage,
      fields.ca_path_length ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  add_extension(certificate.get(), &ctx, NID_subject_key_identifier, "hash");
  add_extension(certificate.get(), &ctx, NID_authority_key_identifier, "keyid:always");
  if (fields.aaguid) {
    add_aaguid(certificate.get(), *fields.aaguid);
  }
  LATCHKEY_CHECK(X509_sign(certificate.get(), issuer_key.handle(), EVP_sha256()) > 0);
  unsigned char* out = nullptr;
  const int length = i2d_X509(certificate.get(), &out);
  LATCHKEY_CHECK(length > 0);
  Bytes der(out, out + length);
  OPENSSL_free(out);
  return der;
}

}  // namespace

Result<ChainLeaf> read_chain_leaf(ByteSpan der) {
  const auto refuse = [](const char* why) { return fail(Error{ErrorCode::kMalformed, why}); };
  const X509Ptr certificate = parse(der);
  if (certificate == nullptr || X509_get_version(certificate.get()) != X509_VERSION_3) {
    return refuse("not a certificate");
  }
  if (X509_check_ca(certificate.get()) != 0) {
    return refuse("the first certificate is a CA's");
  }
  // UINT32_MAX where the extension is absent.
  if ((X509_get_key_usage(certificate.get()) & KU_DIGITAL_SIGNATURE) == 0) {
    return refuse("the first certificate's key may not sign");
  }
  const auto aaguid = read_aaguid(certificate.get());
  auto key = certificate_key(der);
  const auto not_before = read_time(X509_get0_notBefore(certificate.get()));
  const auto not_after = read_time(X509_get0_notAfter(certificate.get()));
  if (!aaguid) {
    return fail(aaguid.error());
  }
  if (!key || !not_before || !not_after) {
    return refuse("the first certificate has no P-256 key");
  }
  return ChainLeaf{*std::move(key), *aaguid, *not_before, *not_after};
}

Result<ChainLeaf> verify_chain(std::span<const Bytes> x5c, std::span<const Bytes> anchors,
                               WallTime now) {
  if (x5c.empty() || x5c.size() > kMaxChain) {
    return fail(Error{ErrorCode::kMalformed, "a chain of an impossible length"});
  }
  auto leaf = read_chain_leaf(x5c.front());
  if (!leaf) {
    return leaf;
  }
  const auto store = checked(StorePtr(X509_STORE_new()));
  for (const Bytes& anchor : anchors) {
    const X509Ptr root = parse(anchor);
    if (root == nullptr) {
      return fail(Error{ErrorCode::kMalformed, "a root that is not a certificate"});
    }
    LATCHKEY_CHECK(X509_STORE_add_cert(store.get(), root.get()) == 1);
  }
  const StackPtr between(sk_X509_new_null());
  for (const Bytes& der : x5c.subspan(1)) {
    X509Ptr certificate = parse(der);
    if (certificate == nullptr) {
      return fail(Error{ErrorCode::kMalformed, "not a certificate"});
    }
    LATCHKEY_CHECK(sk_X509_push(between.get(), certificate.get()) > 0);
    static_cast<void>(certificate.release());  // owned by the stack now
  }
  const X509Ptr end = parse(x5c.front());
  const auto ctx = checked(StoreCtxPtr(X509_STORE_CTX_new()));
  LATCHKEY_CHECK(X509_STORE_CTX_init(ctx.get(), store.get(), end.get(), between.get()) == 1);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
  X509_VERIFY_PARAM_set_time(param, now.unix_seconds);
  X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
  X509_VERIFY_PARAM_set_depth(param, static_cast<int>(kMaxChain));
  LATCHKEY_CHECK(X509_VERIFY_PARAM_set_flags(
                     param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE) == 1);
  if (X509_verify_cert(ctx.get()) != 1) {
    return fail(Error{ErrorCode::kBadSignature, complaint(ctx.get())});
  }
  return leaf;
}

Result<Bytes> issue_certificate(const IssueFields& fields, const PublicKey& key,
                                const Issuer& issuer, Random& random) {
  const X509Ptr certificate = parse(issuer.certificate);
  const auto named = certificate_key(issuer.certificate);
  if (certificate == nullptr || !named || !(*named == issuer.key.public_key())) {
    return fail(Error{ErrorCode::kMalformed, "the issuer's certificate is not of its key"});
  }
  if (X509_check_ca(certificate.get()) == 0) {
    return fail(Error{ErrorCode::kMalformed, "the issuer's certificate is not a CA's"});
  }
  const auto until = read_time(X509_get0_notAfter(certificate.get()));
  if (!until || fields.not_after > *until) {
    return fail(Error{ErrorCode::kMalformed, "it would outlive its issuer's certificate"});
  }
  return issue(fields, key, issuer.key, certificate.get(), random);
}

Result<Bytes> issue_root(const IssueFields& fields, const PrivateKey& key, Random& random) {
  LATCHKEY_CHECK(fields.ca_path_length.has_value() && !fields.aaguid);
  return issue(fields, key.public_key(), key, nullptr, random);
}

std::string certificate_name(ByteSpan der) {
  const X509Ptr certificate = parse(der);
  std::array<char, 256> text{};
  if (certificate == nullptr ||
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName,
                                text.data(), static_cast<int>(text.size())) < 0) {
    return {};
  }
  return text.data();
}

bool is_self_issued(ByteSpan der) {
  const X509Ptr certificate = parse(der);
  return certificate != nullptr && X509_NAME_cmp(X509_get_subject_name(certificate.get()),
                                                 X509_get_issuer_name(certificate.get())) == 0;
}

bool is_ca_certificate(ByteSpan der) {
  const X509Ptr certificate = parse(der);
  return certificate != nullptr && X509_check_ca(certificate.get()) == 1;
}

}  // namespace latchkey::crypto

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <array>

#include "crypto/chain.h"
#include "crypto/openssl_ptr.h"
#include "crypto/x509.h"

namespace latchkey::crypto {
namespace {

using BioPtr = OpensslPtr<BIO, BIO_free_all>;

BioPtr reading(std::string_view text) {
  // OpenSSL takes no address for a mistake, even where there is nothing to read.
  const char* data = text.empty() ? "" : text.data();
  return checked(BioPtr(BIO_new_mem_buf(data, static_cast<int>(text.size()))));
}

std::string written(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  LATCHKEY_CHECK(size >= 0);
  return {data, static_cast<std::size_t>(size)};
}

// No question on the terminal: a key under a passphrase is none that can be read here.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*context*/) {
  return -1;
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 32> group{};
  return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                        nullptr) == 1 &&
         std::string_view(group.data()) == "prime256v1";
}

tl::unexpected<Error> malformed(const char* why) {
  return fail(Error{ErrorCode::kMalformed, why});
}

}  // namespace

Result<std::vector<Bytes>> certificates_from_pem(std::string_view pem) {
  if (pem.size() > kMaxPem) {
    return malformed("the PEM file is too long");
  }
  const BioPtr in = reading(pem);
  std::vector<Bytes> certificates;
  while (true) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long length = 0;
    if (PEM_read_bio(in.get(), &name, &header, &data, &length) != 1) {
      break;
    }
    if (std::string_view(name) == PEM_STRING_X509) {
      certificates.emplace_back(data, data + length);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(length));
    if (certificates.size() > kMaxPemCertificates) {
      return malformed("too many certificates in one PEM file");
    }
  }
  if (certificates.empty()) {
    return malformed("no certificate in the PEM file");
  }
  for (const Bytes& der : certificates) {
    const unsigned char* at = der.data();
    const X509Ptr parsed(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (parsed == nullptr || at != der.data() + der.size() || der.size() > kMaxCertificateSize) {
      return malformed("a certificate in the PEM file cannot be read");
    }
  }
  return certificates;
}

std::string certificates_to_pem(std::span<const Bytes> certificates) {
  const auto out = checked(BioPtr(BIO_new(BIO_s_mem())));
  for (const Bytes& der : certificates) {
    LATCHKEY_CHECK(PEM_write_bio(out.get(), PEM_STRING_X509, "", der.data(),
                                 static_cast<long>(der.size())) > 0);
  }
  return written(out.get());
}

Result<PrivateKey> private_key_from_pem(std::string_view pem) {
  if (pem.size() > kMaxPem) {
    return malformed("the PEM file is too long");
  }
  const BioPtr in = reading(pem);
  const PkeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) {
    return malformed("no private key without a passphrase in the PEM file");
  }
  BIGNUM* number = nullptr;
  if (!is_p256(key.get()) ||
      EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
    return malformed("the private key is not P-256");
  }
  const BnPtr owned(number);
  SecretBytes scalar(32);
  LATCHKEY_CHECK(BN_bn2binpad(number, scalar.writable().data(), 32) == 32);
  return PrivateKey::from_scalar(scalar.span());
}

std::string private_key_to_pem(const PrivateKey& key) {
  const auto out = checked(BioPtr(BIO_new(BIO_s_secmem())));
  LATCHKEY_CHECK(PEM_write_bio_PKCS8PrivateKey(out.get(), key.handle(), nullptr, nullptr, 0,
                                               nullptr, nullptr) == 1);
  return written(out.get());
}

Result<PublicKey> public_key_from_pem(std::string_view pem) {
  if (pem.size() > kMaxPem) {
    return malformed("the PEM file is too long");
  }
  const BioPtr in = reading(pem);
  const PkeyPtr key(PEM_read_bio_PUBKEY(in.get(), nullptr, no_passphrase, nullptr));
  unsigned char* der = nullptr;
  const int length = key != nullptr ? i2d_PUBKEY(key.get(), &der) : 0;
  if (length <= 0) {
    return malformed("no public key in the PEM file");
  }
  auto parsed = PublicKey::from_spki({der, static_cast<std::size_t>(length)});
  OPENSSL_free(der);
  return parsed;
}

std::string public_key_to_pem(const PublicKey& key) {
  const auto out = checked(BioPtr(BIO_new(BIO_s_mem())));
  LATCHKEY_CHECK(PEM_write_bio_PUBKEY(out.get(), key.handle()) == 1);
  return written(out.get());
}

}  // namespace latchkey::crypto

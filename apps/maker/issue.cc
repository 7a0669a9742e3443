// Roots, intermediates, attestation certificates.
#include "attest/models.h"
#include "base/encoding.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "maker/commands.h"
#include "maker/files.h"

namespace latchkey::maker {
namespace {

using nlohmann::json;

// Clocks of machines in a factory are not exact.
constexpr seconds kEarlier{86400};
constexpr seconds kYear{365LL * 86400};

std::filesystem::path with(const std::filesystem::path& base, const char* ending) {
  return base.string() + ending;
}

crypto::IssueFields fields_of(const IssueOptions& options, WallTime now) {
  return {.common_name = options.name,
          .organization = options.organization,
          .not_before = now - kEarlier,
          .not_after = now + options.years * kYear,
          .ca_path_length = std::nullopt,
          .aaguid = std::nullopt};
}

struct IssuerFiles {
  crypto::Issuer issuer;
  std::vector<Bytes> chain;  // the issuer's own first, without the root
};

Result<IssuerFiles> read_issuer(const std::filesystem::path& base) {
  auto certificates = read_certificates(with(base, ".pem"));
  if (!certificates) {
    return fail(certificates.error());
  }
  auto key = read_key(with(base, ".key"));
  if (!key) {
    return fail(key.error());
  }
  crypto::Issuer issuer{*std::move(key), certificates->front()};
  std::erase_if(*certificates, [](const Bytes& one) { return crypto::is_self_issued(one); });
  return IssuerFiles{std::move(issuer), *std::move(certificates)};
}

// Writes the chain, and the key where one was made here.
Document write(const IssueOptions& options, const std::vector<Bytes>& chain,
               const std::optional<crypto::PrivateKey>& key) {
  const std::string certificates = crypto::certificates_to_pem(chain);
  std::vector<NewFile> files;
  SecretBytes secret;
  json made = {{"certificate", with(options.out, ".pem").string()},
               {"sha256", hex_encode(crypto::sha256(chain.front()))}};
  if (key) {
    secret = SecretBytes::take(crypto::private_key_to_pem(*key));
    files.push_back({with(options.out, ".key"), secret.span(), 0600});
    made["key"] = with(options.out, ".key").string();
  }
  files.push_back({with(options.out, ".pem"), as_bytes(certificates), 0644});
  if (auto done = write_new(files); !done) {
    return fail(done.error());
  }
  return made;
}

Result<crypto::PublicKey> given_key(const IssueOptions& options) {
  if (!options.token.module.empty()) {
    const auto signer = open_token(options.token);
    if (!signer) {
      return fail(signer.error());
    }
    auto key = (*signer)->public_key();
    if (!key) {
      return refuse(key.error().message, key.error().hint);
    }
    return *std::move(key);
  }
  const auto pem = read_text(options.public_key);
  if (!pem) {
    return fail(pem.error());
  }
  auto key = crypto::public_key_from_pem(*pem);
  if (!key) {
    return refuse(options.public_key.string() + " holds no public key that is usable here.",
                  "It is an EC key on P-256: openssl pkey -in KEY -pubout");
  }
  return *std::move(key);
}

tl::unexpected<Error> not_issued(const crypto::Error& error) {
  return refuse("The certificate cannot be issued: " + error.detail + ".",
                "Check --issuer, the names (1 to 64 bytes) and --years.");
}

}  // namespace

Document new_root(const IssueOptions& options, Surroundings& around) {
  const auto key = crypto::PrivateKey::generate();
  auto fields = fields_of(options, around.now);
  fields.ca_path_length = 1;
  auto root = crypto::issue_root(fields, key, around.random);
  if (!root) {
    return not_issued(root.error());
  }
  return write(options, {*std::move(root)}, key);
}

Document new_intermediate(const IssueOptions& options, Surroundings& around) {
  auto issuer = read_issuer(options.issuer);
  if (!issuer) {
    return fail(issuer.error());
  }
  if (!issuer->chain.empty()) {
    return refuse(options.issuer.string() + ".pem is an intermediate itself.",
                  "Only a root of the maker has intermediates: name it with --issuer.");
  }
  const auto key = crypto::PrivateKey::generate();
  auto fields = fields_of(options, around.now);
  fields.ca_path_length = 0;
  auto made = crypto::issue_certificate(fields, key.public_key(), issuer->issuer, around.random);
  if (!made) {
    return not_issued(made.error());
  }
  return write(options, {*std::move(made)}, key);
}

Document new_batch(const IssueOptions& options, Surroundings& around) {
  const auto aaguid = attest::parse_aaguid(options.aaguid);
  if (!aaguid) {
    return refuse("\"" + options.aaguid + "\" is no AAGUID.",
                  "It is 8-4-4-4-12 small hex digits; make one with: latchkey-maker aaguid new");
  }
  auto issuer = read_issuer(options.issuer);
  if (!issuer) {
    return fail(issuer.error());
  }
  std::optional<crypto::PrivateKey> own;
  std::optional<crypto::PublicKey> key;
  if (options.public_key.empty() && options.token.module.empty()) {
    own = crypto::PrivateKey::generate();
    key = own->public_key();
  } else {
    auto given = given_key(options);
    if (!given) {
      return fail(given.error());
    }
    key = *std::move(given);
  }
  auto fields = fields_of(options, around.now);
  fields.aaguid = aaguid->bytes();
  auto leaf = crypto::issue_certificate(fields, *key, issuer->issuer, around.random);
  if (!leaf) {
    return not_issued(leaf.error());
  }
  std::vector<Bytes> chain = {*std::move(leaf)};
  chain.insert(chain.end(), issuer->chain.begin(), issuer->chain.end());
  auto made = write(options, chain, own);
  if (made) {
    (*made)["aaguid"] = attest::aaguid_text(*aaguid);
    (*made)["key_sha256"] = key->spki_hash().hex();
  }
  return made;
}

Document new_aaguid(Surroundings& around) {
  // Random, as RFC 9562 version 4 writes it.
  auto bytes = around.random.bytes<16>();
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x40U);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
  return json{{"aaguid", attest::aaguid_text(attest::Aaguid(bytes))}};
}

}  // namespace latchkey::maker

#include "device/attester.h"

#include <spdlog/spdlog.h>

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "crypto/chain.h"
#include "platform/pkcs11.h"

namespace latchkey::device {
namespace {

using attest::Attester;

class FileAttester final : public Attester {
 public:
  FileAttester(crypto::PrivateKey key, std::vector<Bytes> chain)
      : key_(std::move(key)), chain_(std::move(chain)) {}
  [[nodiscard]] const std::vector<Bytes>& chain() const override { return chain_; }
  std::optional<Bytes> sign(ByteSpan statement) override { return key_.sign(statement); }

 private:
  crypto::PrivateKey key_;
  std::vector<Bytes> chain_;
};

class TokenAttester final : public Attester {
 public:
  TokenAttester(std::unique_ptr<platform::Pkcs11Signer> signer, std::vector<Bytes> chain)
      : signer_(std::move(signer)), chain_(std::move(chain)) {}
  [[nodiscard]] const std::vector<Bytes>& chain() const override { return chain_; }
  std::optional<Bytes> sign(ByteSpan statement) override {
    auto signature = signer_->sign(statement);
    if (!signature) {
      spdlog::error("attestation: {} {}", signature.error().message, signature.error().hint);
      return std::nullopt;
    }
    return *std::move(signature);
  }

 private:
  std::unique_ptr<platform::Pkcs11Signer> signer_;
  std::vector<Bytes> chain_;
};

tl::unexpected<AttesterError> refuse(std::string message, std::string hint) {
  return fail(AttesterError{std::move(message), std::move(hint)});
}

std::optional<AttesterError> misuse(const AttestationOptions& options) {
  const bool token = !options.module.empty();
  const bool token_parts =
      !options.token.empty() || !options.object.empty() || !options.pin_file.empty();
  if (options.chain.empty() || options.key.empty() == !token) {
    return AttesterError{"Attestation needs certificates and one key.",
                         "Give --attestation-chain, and either --attestation-key or "
                         "--attestation-pkcs11.",
                         true};
  }
  if (token ? (options.token.empty() || options.object.empty() || options.pin_file.empty())
            : token_parts) {
    return AttesterError{"A key in a token is named by four options together.",
                         "Give --attestation-pkcs11, --attestation-token, --attestation-object "
                         "and --attestation-pin-file.",
                         true};
  }
  return std::nullopt;
}

Result<std::vector<Bytes>, AttesterError> read_chain(const std::filesystem::path& path,
                                                     WallTime now) {
  std::ifstream file(path, std::ios::binary);
  std::string pem(crypto::kMaxPem + 1, '\0');
  file.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<std::size_t>(file.gcount()));
  if (pem.empty()) {
    return refuse("The attestation certificates in " + path.string() + " cannot be read.",
                  "Check --attestation-chain and who may read the file.");
  }
  auto chain = crypto::certificates_from_pem(pem);
  if (!chain || chain->empty() || chain->size() > crypto::kMaxChain) {
    return refuse(
        path.string() + " does not hold 1 to " + std::to_string(crypto::kMaxChain) +
            " certificates.",
        "It is PEM, the device's or batch's certificate first, without the maker's root.");
  }
  const auto leaf = crypto::read_chain_leaf(chain->front());
  if (!leaf || !leaf->aaguid) {
    return refuse("The first certificate in " + path.string() + " is none for attestation: " +
                      (leaf ? "it names no model" : leaf.error().detail) + ".",
                  "Make one with: latchkey-maker batch new");
  }
  if (now >= leaf->not_after) {
    spdlog::warn("the attestation certificate has expired: agents will not take it for genuine");
  }
  return *std::move(chain);
}

Result<std::unique_ptr<Attester>, AttesterError> open_key(const AttestationOptions& options,
                                                          std::vector<Bytes> chain) {
  if (!options.module.empty()) {
    auto signer = platform::Pkcs11Signer::open(
        {options.module, options.token, options.object, options.pin_file});
    if (!signer) {
      return refuse(signer.error().message, signer.error().hint);
    }
    return std::make_unique<TokenAttester>(*std::move(signer), std::move(chain));
  }
  const auto pem = platform::read_private_file(options.key, crypto::kMaxPem);
  if (!pem) {
    return refuse(pem.error().message, pem.error().hint);
  }
  auto key = crypto::private_key_from_pem(as_text(pem->span()));
  if (!key) {
    return refuse(options.key.string() + " holds no private key that is usable here.",
                  "It is an unencrypted EC key on P-256, in PEM.");
  }
  return std::make_unique<FileAttester>(*std::move(key), std::move(chain));
}

}  // namespace

Result<std::unique_ptr<Attester>, AttesterError> open_attester(const AttestationOptions& options,
                                                               Random& random, WallTime now) {
  if (options.chain.empty() && options.key.empty() && options.module.empty() &&
      options.token.empty() && options.object.empty() && options.pin_file.empty()) {
    return std::unique_ptr<Attester>();
  }
  if (auto error = misuse(options)) {
    return fail(*std::move(error));
  }
  auto chain = read_chain(options.chain, now);
  if (!chain) {
    return fail(std::move(chain).error());
  }
  const auto leaf = crypto::read_chain_leaf(chain->front());
  auto attester = open_key(options, *std::move(chain));
  if (!attester) {
    return attester;
  }
  // Of a domain of its own, so that it attests nothing.
  Bytes trial = to_bytes(as_bytes("latchkey-attest-trial-v1"));
  append(trial, random.bytes<32>());
  const auto signature = (*attester)->sign(trial);
  if (!signature) {
    return refuse("The attestation key does not sign.", "The reason is in the lines above.");
  }
  if (!leaf->key.verify(trial, *signature)) {
    return refuse("The attestation key is not that of the first certificate in " +
                      options.chain.string() + ".",
                  "Name the key that the certificate was made for, or have another one made: "
                  "latchkey-maker batch new --public-key FILE");
  }
  return attester;
}

}  // namespace latchkey::device

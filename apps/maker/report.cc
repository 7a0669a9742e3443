// What is in a file, what a provider gets, and what an agent will say.
#include <algorithm>

#include "attest/models.h"
#include "attest/statement.h"
#include "base/encoding.h"
#include "base/host_name.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "maker/commands.h"
#include "maker/files.h"

namespace latchkey::maker {
namespace {

using nlohmann::json;

json describe(ByteSpan der) {
  json one = {{"name", crypto::certificate_name(der)},
              {"sha256", hex_encode(crypto::sha256(der))},
              {"kind", crypto::is_self_issued(der)      ? "root"
                       : crypto::is_ca_certificate(der) ? "intermediate"
                                                        : "attestation"}};
  if (const auto leaf = crypto::read_chain_leaf(der)) {
    one["aaguid"] =
        leaf->aaguid ? json(attest::aaguid_text(attest::Aaguid(*leaf->aaguid))) : json();
    one["key_sha256"] = leaf->key.spki_hash().hex();
    one["not_before"] = leaf->not_before.unix_seconds;
    one["not_after"] = leaf->not_after.unix_seconds;
  }
  return one;
}

// "AAGUID,TYPE,NAME": the name comes last, since it may hold commas.
Result<json> model_of(const std::string& text, const json& roots) {
  const auto first = text.find(',');
  const auto second = first == std::string::npos ? first : text.find(',', first + 1);
  if (second == std::string::npos) {
    return refuse("\"" + text + "\" is no model.", "Write it as AAGUID,TYPE,NAME.");
  }
  const auto aaguid = attest::parse_aaguid(text.substr(0, first));
  const std::string type = text.substr(first + 1, second - first - 1);
  const std::string name = text.substr(second + 1);
  if (!aaguid) {
    return refuse("\"" + text.substr(0, first) + "\" is no AAGUID.",
                  "It is 8-4-4-4-12 small hex digits; make one with: latchkey-maker aaguid new");
  }
  if (!is_device_type(type)) {
    return refuse("\"" + type + "\" is not a kind of device.",
                  "Use small letters, digits and hyphens, such as media-cache.");
  }
  if (name.empty() || name.size() > attest::kMaxDisplayName) {
    return refuse("The model's name is empty or too long.",
                  "It has 1 to " + std::to_string(attest::kMaxDisplayName) + " bytes.");
  }
  return json{
      {"aaguid", attest::aaguid_text(*aaguid)}, {"name", name}, {"type", type}, {"roots", roots}};
}

// Signs as the device will; nothing where there is no key to try.
Result<std::optional<Bytes>> try_key(const CheckOptions& options, ByteSpan statement) {
  if (!options.token.module.empty()) {
    const auto signer = open_token(options.token);
    if (!signer) {
      return fail(signer.error());
    }
    auto signature = (*signer)->sign(statement);
    if (!signature) {
      return refuse(signature.error().message, signature.error().hint);
    }
    return std::optional(*std::move(signature));
  }
  if (options.key.empty()) {
    return std::optional<Bytes>();
  }
  const auto key = read_key(options.key);
  if (!key) {
    return fail(key.error());
  }
  return std::optional(key->sign(statement));
}

}  // namespace

Document show(const std::filesystem::path& file) {
  const auto certificates = read_certificates(file);
  if (!certificates) {
    return fail(certificates.error());
  }
  json all = json::array();
  for (const Bytes& der : *certificates) {
    all.push_back(describe(der));
  }
  return json{{"certificates", std::move(all)}};
}

Document export_vendor(const ExportOptions& options) {
  json roots = json::array();
  json hashes = json::array();
  for (const auto& file : options.roots) {
    const auto certificates = read_certificates(file);
    if (!certificates) {
      return fail(certificates.error());
    }
    for (const Bytes& der : *certificates) {
      if (!crypto::is_self_issued(der) || !crypto::is_ca_certificate(der)) {
        return refuse(file.string() + " holds a certificate that is no root.",
                      "Providers trust roots; give each with --root ROOT.pem");
      }
      roots.push_back(crypto::certificates_to_pem(std::vector<Bytes>{der}));
      hashes.push_back(hex_encode(crypto::sha256(der)));
    }
  }
  if (hashes.empty() || hashes.size() > attest::kMaxModelRoots) {
    return refuse("A model has 1 to " + std::to_string(attest::kMaxModelRoots) + " roots.",
                  "Give each with --root ROOT.pem");
  }
  json models = json::array();
  for (const std::string& text : options.models) {
    auto model = model_of(text, hashes);
    if (!model) {
      return fail(model.error());
    }
    models.push_back(*std::move(model));
  }
  return json{{"v", 1},
              {"vendor", {{"name", options.vendor}, {"contact", options.contact}}},
              {"roots", std::move(roots)},
              {"models", std::move(models)}};
}

Document check(const CheckOptions& options, Surroundings& around) {
  const auto chain = read_certificates(options.chain);
  const auto roots = chain ? read_certificates(options.root) : chain;
  if (!roots) {
    return fail(roots.error());
  }
  const auto leaf = crypto::verify_chain(*chain, *roots, around.now);
  if (!leaf) {
    return refuse(
        "An agent will not take this chain: " + leaf.error().detail + ".",
        "The device's certificate comes first, then its intermediates, without the root.");
  }
  attest::Transcript transcript{around.random.bytes<32>(), around.random.bytes<32>(),
                                around.random.bytes<32>(), around.random.bytes<32>()};
  const auto signature = try_key(options, attest::attest_statement(transcript));
  if (!signature) {
    return fail(signature.error());
  }
  if (!leaf->aaguid) {
    return refuse("The certificate names no model.", "Make one with: latchkey-maker batch new");
  }
  if (*signature) {
    const auto evidence =
        attest::verify_attestation({"packed", **signature, *chain}, transcript, {}, around.now);
    if (!evidence) {
      return refuse("The key is not the certificate's: " + evidence.error().detail + ".",
                    "Name the key that the certificate was made for.");
    }
  }
  const std::string aaguid = attest::aaguid_text(attest::Aaguid(*leaf->aaguid));
  if (!options.aaguid.empty() && aaguid != options.aaguid) {
    return refuse("The certificate is for the model " + aaguid + ".",
                  "Compare it with what the provider has registered.");
  }
  return json{{"ok", true},
              {"aaguid", aaguid},
              {"key_tried", signature->has_value()},
              {"key_sha256", leaf->key.spki_hash().hex()},
              {"not_after", leaf->not_after.unix_seconds}};
}

}  // namespace latchkey::maker

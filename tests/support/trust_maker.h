// For tests: a maker with a root and a batch certificate, and a provider that signs metadata. Real
// keys, certificates, tables and signatures; only the clock is the test's.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attest/trust.h"
#include "base/encoding.h"
#include "base/result.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "support/fake_random.h"

namespace latchkey::testing {

inline constexpr seconds kYear{365LL * 86400};

struct Maker {
  Maker(WallTime at, const attest::Aaguid& model)
      : now(at), aaguid(model), root_key(crypto::PrivateKey::generate()) {
    root = *crypto::issue_root({.common_name = "Maker root",
                                .organization = "Acme",
                                .not_before = now - seconds(3600),
                                .not_after = now + 20 * kYear,
                                .ca_path_length = 1,
                                .aaguid = std::nullopt},
                               root_key, random);
    const auto middle_key = crypto::PrivateKey::generate();
    middle = *crypto::issue_certificate({.common_name = "Maker intermediate",
                                         .organization = "Acme",
                                         .not_before = now - seconds(3600),
                                         .not_after = now + 10 * kYear,
                                         .ca_path_length = 0,
                                         .aaguid = std::nullopt},
                                        middle_key.public_key(), {root_key, root}, random);
    key = crypto::PrivateKey::generate();
    leaf =
        *crypto::issue_certificate(leaf_fields(), key->public_key(), {middle_key, middle}, random);
  }
  [[nodiscard]] crypto::IssueFields leaf_fields() const {
    return {.common_name = "Batch 1",
            .organization = "Acme",
            .not_before = now - seconds(3600),
            .not_after = now + 5 * kYear,
            .ca_path_length = std::nullopt,
            .aaguid = aaguid.bytes()};
  }
  [[nodiscard]] std::vector<Bytes> chain() const { return {leaf, middle}; }
  [[nodiscard]] attest::Evidence evidence() const {
    return {aaguid, key->public_key().spki_hash(), chain(), now};
  }

  FakeRandom random;
  WallTime now;
  attest::Aaguid aaguid;
  crypto::PrivateKey root_key;
  Bytes root, middle, leaf;
  std::optional<crypto::PrivateKey> key;
};

// Signs with a device's attestation key, as the device does.
class FileAttester final : public attest::Attester {
 public:
  explicit FileAttester(const Maker& maker) : key_(*maker.key), chain_(maker.chain()) {}
  [[nodiscard]] const std::vector<Bytes>& chain() const override { return chain_; }
  std::optional<Bytes> sign(ByteSpan statement) override { return key_.sign(statement); }

 private:
  crypto::PrivateKey key_;
  std::vector<Bytes> chain_;
};

class MemorySink final : public attest::Sink {
 public:
  bool write(ByteSpan more) override {
    append(bytes, more);
    return true;
  }
  Bytes bytes;
};

inline Bytes table_of(attest::TableKind kind, std::vector<attest::Change> records) {
  std::sort(records.begin(), records.end(),
            [](const attest::Change& a, const attest::Change& b) { return a.key < b.key; });
  MemorySink sink;
  LATCHKEY_CHECK(attest::write_table(attest::Table::empty(kind), records, sink).has_value());
  return std::move(sink.bytes);
}

// A provider in memory. Change the sets, then publish().
struct Provider {
  explicit Provider(WallTime now) : root_key(crypto::PrivateKey::generate()) {
    root = *crypto::issue_root({.common_name = "Provider root",
                                .organization = "",
                                .not_before = now - kYear,
                                .not_after = now + 20 * kYear,
                                .ca_path_length = 1,
                                .aaguid = std::nullopt},
                               root_key, random);
    roll_key(now - seconds(3600));
  }
  void roll_key(WallTime from) {
    key = crypto::PrivateKey::generate();
    certificate = *crypto::issue_certificate({.common_name = "Provider signing",
                                              .organization = "",
                                              .not_before = from,
                                              .not_after = from + kYear,
                                              .ca_path_length = std::nullopt,
                                              .aaguid = std::nullopt},
                                             key->public_key(), {root_key, root}, random);
  }
  void add_model(const Maker& maker, const std::string& type,
                 attest::ModelStatus status = attest::ModelStatus::kCertified) {
    const Digest256 hash = crypto::sha256(maker.root);
    roots[Bytes(hash.begin(), hash.begin() + 16)] = maker.root;
    models[to_bytes(maker.aaguid.span())] = {
        {},
        false,
        static_cast<std::uint8_t>(status),
        attest::encode_model({"Acme", "Cache One", type, {hash}})};
  }
  void set_origin(const Origin& origin, attest::OriginStatus status, std::string_view name) {
    const auto key_of = attest::origin_key(origin);
    origins[Bytes(key_of.begin(), key_of.end())] = {
        {}, false, static_cast<std::uint8_t>(status), to_bytes(as_bytes(name))};
  }
  void revoke_device(const SpkiHash& hash) {
    const auto key_of = attest::device_key(hash);
    devices[Bytes(key_of.begin(), key_of.end())] = {};
  }

  // Tables by file name and `metadata.jws`, as a web server would have them.
  std::map<std::string, Bytes> publish(WallTime now, seconds validity = seconds(7 * 86400)) {
    std::map<std::string, Bytes> files;
    metadata.no += 1;
    metadata.published = now;
    metadata.next_update = *attest::parse_date(attest::date_text(now + validity)) + seconds(86400);
    metadata.name = "Example provider";
    for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
      const auto kind = static_cast<attest::TableKind>(i + 1);
      const Bytes bytes = table_of(kind, records_of(kind));
      const Digest256 hash = crypto::sha256(bytes);
      const std::string file =
          std::string(attest::name_of(kind)) + "-" + hex_encode(ByteSpan(hash).first(8)) + ".lkt";
      metadata.table(kind) = {
          file, hash, bytes.size(), attest::Table::open(bytes, kind)->count(), {}};
      files[file] = bytes;
    }
    const std::string jws = sign();
    files[std::string(attest::kMetadataFile)] = to_bytes(as_bytes(jws));
    return files;
  }
  [[nodiscard]] std::string sign() const {
    const std::array<Bytes, 1> x5c = {certificate};
    return attest::sign_metadata(*attest::encode_metadata(metadata), *key, x5c);
  }
  // What an agent holds after it has read all that.
  std::shared_ptr<const attest::Snapshot> snapshot(WallTime now,
                                                   seconds validity = seconds(7 * 86400)) {
    const auto files = std::make_shared<std::map<std::string, Bytes>>(publish(now, validity));
    std::array<attest::Snapshot::Held, attest::kTableKinds> held;
    for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
      const auto kind = static_cast<attest::TableKind>(i + 1);
      held.at(i) = {files->at(metadata.table(kind).file), files};
    }
    auto made = attest::Snapshot::make(metadata, std::move(held));
    LATCHKEY_CHECK(made.has_value());
    return *made;
  }

  FakeRandom random;
  crypto::PrivateKey root_key;
  Bytes root;
  std::optional<crypto::PrivateKey> key;
  Bytes certificate;
  attest::Metadata metadata;
  std::map<Bytes, attest::Change> models, origins, devices;
  std::map<Bytes, Bytes> roots;

 private:
  std::vector<attest::Change> records_of(attest::TableKind kind) const {
    std::vector<attest::Change> records;
    if (kind == attest::TableKind::kRoots) {
      for (const auto& [hash, der] : roots) {
        records.push_back({hash, false, 0, der});
      }
      return records;
    }
    const auto& set = kind == attest::TableKind::kModels    ? models
                      : kind == attest::TableKind::kOrigins ? origins
                                                            : devices;
    for (const auto& [key_of, change] : set) {
      records.push_back({key_of, false, change.status, change.blob});
    }
    return records;
  }
};

}  // namespace latchkey::testing

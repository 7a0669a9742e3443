#include "attest/metadata.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/text.h"
#include "wire/strict_json.h"

namespace latchkey::attest {
namespace {

using json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxNumber = 9007199254740991;  // 2^53 - 1, what JSON carries everywhere
constexpr std::size_t kJsonDepth = 8;
constexpr const char* kLegal = "Retrieval and use of this page is subject to its provider's terms.";
constexpr seconds kDay{86400};

tl::unexpected<Error> malformed(const char* why) {
  return fail(Error{ErrorCode::kMalformed, std::string("metadata: ") + why});
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFileName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
         });
}

// --- writing ---

json table_json(const TableFile& table) {
  LATCHKEY_CHECK(is_file_name(table.file) && table.deltas.size() <= kMaxDeltas);
  json deltas = json::array();
  for (const DeltaFile& delta : table.deltas) {
    LATCHKEY_CHECK(is_file_name(delta.file));
    deltas.push_back({{"from", base64url_encode(delta.from)},
                      {"file", delta.file},
                      {"sha256", base64url_encode(delta.sha256)},
                      {"size", delta.size}});
  }
  return {{"file", table.file},
          {"sha256", base64url_encode(table.sha256)},
          {"size", table.size},
          {"count", table.count},
          {"deltas", std::move(deltas)}};
}

json entry_json(const ModelChange& change) {
  const std::string date = date_text(change.effective);
  return {{"aaguid", aaguid_text(change.aaguid)},
          {"metadataStatement", {{"description", change.description}}},
          {"statusReports",
           json::array({{{"status", name_of(change.status)}, {"effectiveDate", date}}})},
          {"timeOfLastStatusChange", date}};
}

// --- reading: every member that counts is there, of its type, within its limits ---

class Reader {
 public:
  explicit Reader(const nlohmann::json& value) : value_(value) {}

  [[nodiscard]] bool ok() const { return ok_; }
  void require(bool condition) { ok_ = ok_ && condition; }

  const nlohmann::json* member(const char* name) {
    const auto found = value_.is_object() ? value_.find(name) : value_.end();
    if (!value_.is_object() || found == value_.end()) {
      ok_ = false;
      return nullptr;
    }
    return &*found;
  }
  std::string text(const char* name, std::size_t max) {
    const auto* found = member(name);
    require(found != nullptr && found->is_string() &&
            found->get_ref<const std::string&>().size() <= max);
    return ok_ ? found->get<std::string>() : std::string();
  }
  std::uint64_t number(const char* name, std::uint64_t max) {
    const auto* found = member(name);
    require(found != nullptr && found->is_number_unsigned());
    const std::uint64_t value = ok_ ? found->get<std::uint64_t>() : 0;
    require(value <= max);
    return ok_ ? value : 0;
  }
  Digest256 digest(const char* name) {
    const auto bytes = base64url_decode(text(name, 43), 32);
    require(bytes.has_value() && bytes->size() == 32);
    return ok_ ? *to_array<32>(*bytes) : Digest256{};
  }
  std::string file(const char* name) {
    std::string found = text(name, kMaxFileName);
    require(is_file_name(found));
    return found;
  }
  WallTime date(const char* name) {
    const auto found = parse_date(text(name, 10));
    require(found.has_value());
    return found.value_or(WallTime{});
  }
  // An array of at most `max`, each read by `read`.
  template <class Read>
  void each(const char* name, std::size_t max, const Read& read) {
    const auto* found = member(name);
    require(found != nullptr && found->is_array() && found->size() <= max);
    for (std::size_t i = 0; ok_ && i < found->size(); ++i) {
      Reader item((*found)[i]);
      read(item);
      require(item.ok());
    }
  }

 private:
  const nlohmann::json& value_;
  bool ok_ = true;
};

TableFile read_table(Reader in) {
  TableFile table;
  table.file = in.file("file");
  table.sha256 = in.digest("sha256");
  table.size = in.number("size", kMaxTableBytes);
  table.count = in.number("count", kMaxNumber);
  in.each("deltas", kMaxDeltas, [&](Reader& item) {
    table.deltas.push_back({item.digest("from"), item.file("file"), item.digest("sha256"),
                            item.number("size", kMaxDeltaBytes)});
  });
  if (!in.ok()) {
    table.file.clear();  // no file name is empty
  }
  return table;
}

std::optional<ModelChange> read_entry(Reader& in) {
  const auto aaguid = parse_aaguid(in.text("aaguid", 36));
  std::optional<ModelStatus> status;
  WallTime effective;
  in.each("statusReports", 16, [&](Reader& report) {
    status = model_status_from(report.text("status", 64));
    effective = report.date("effectiveDate");
  });
  const auto* statement = in.member("metadataStatement");
  if (!in.ok() || !aaguid || statement == nullptr) {
    in.require(false);
    return std::nullopt;
  }
  Reader described(*statement);
  const std::string description =
      clean_display_name(described.text("description", 200), 2 * kMaxDisplayName);
  in.require(described.ok());
  // A status of a later version of this list: whatever it is, it is not one that we know to trust.
  return ModelChange{*aaguid, status.value_or(ModelStatus::kRevoked), description, effective};
}

Result<Metadata> read_payload(std::string_view text) {
  const auto value = wire::parse_json(text, {kMaxMetadata, kJsonDepth});
  if (!value || !value->is_object()) {
    return malformed("the payload is not one JSON object");
  }
  Reader in(*value);
  Metadata metadata;
  metadata.no = in.number("no", kMaxNumber);
  in.require(metadata.no > 0);
  metadata.next_update = in.date("nextUpdate") + kDay;
  in.each("entries", kMaxEntries, [&](Reader& item) {
    if (auto entry = read_entry(item)) {
      metadata.entries.push_back(*std::move(entry));
    }
  });
  const auto* own = in.member("latchkey");
  if (own == nullptr) {
    return malformed("without a \"latchkey\" member");
  }
  Reader ours(*own);
  ours.require(ours.number("v", 1) == 1);
  metadata.name = clean_display_name(ours.text("name", 256), kMaxDisplayName);
  metadata.published = {static_cast<std::int64_t>(ours.number("published", kMaxNumber))};
  const auto* tables = ours.member("tables");
  in.require(ours.ok() && !metadata.name.empty());
  for (std::size_t i = 0; in.ok() && i < kTableKinds; ++i) {
    const auto kind = static_cast<TableKind>(i + 1);
    Reader all(*tables);
    const auto* one = all.member(std::string(name_of(kind)).c_str());
    in.require(one != nullptr);
    if (one != nullptr) {
      metadata.table(kind) = read_table(Reader(*one));
      in.require(!metadata.table(kind).file.empty());
    }
  }
  return in.ok() ? Result<Metadata>(std::move(metadata))
                 : malformed("a member is missing, or is not as it should be");
}

// --- the signature ---

struct Parts {
  std::string_view header, payload, signature, signed_text;
};
std::optional<Parts> split(std::string_view jws) {
  const std::size_t first = jws.find('.');
  const std::size_t second = first == std::string_view::npos ? first : jws.find('.', first + 1);
  if (second == std::string_view::npos || jws.find('.', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return Parts{jws.substr(0, first), jws.substr(first + 1, second - first - 1),
               jws.substr(second + 1), jws.substr(0, second)};
}

// The certificates of a header that is exactly {alg: "ES256", typ, x5c}: no other algorithm, no key
// or address of a key that the sender could choose, no extension to be understood.
std::optional<std::vector<Bytes>> read_header(std::string_view encoded) {
  const auto bytes = base64url_decode(encoded, kMaxMetadata);
  const auto header =
      bytes ? wire::parse_json(as_text(*bytes), {kMaxMetadata, 3}) : wire::Result<nlohmann::json>{};
  if (!bytes || !header || !header->is_object() || header->size() != 3) {
    return std::nullopt;
  }
  Reader in(*header);
  in.require(in.text("alg", 8) == "ES256");
  in.require(in.text("typ", 32) == kMetadataType);
  const auto* x5c = in.member("x5c");
  if (!in.ok() || !x5c->is_array() || x5c->empty() || x5c->size() > crypto::kMaxChain) {
    return std::nullopt;
  }
  std::vector<Bytes> chain;
  for (const auto& item : *x5c) {
    const auto* text = item.get_ptr<const std::string*>();
    auto der = text != nullptr ? base64_decode(*text, crypto::kMaxCertificateSize) : std::nullopt;
    if (!der) {
      return std::nullopt;
    }
    chain.push_back(*std::move(der));
  }
  return chain;
}

}  // namespace

std::string date_text(WallTime time) {
  const std::chrono::sys_days day{std::chrono::days(time.unix_seconds / kDay.count())};
  const std::chrono::year_month_day date(day);
  std::array<char, 32> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::optional<WallTime> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  std::array<unsigned, 3> numbers{};
  constexpr std::array<std::pair<std::size_t, std::size_t>, 3> kPlaces = {{{0, 4}, {5, 2}, {8, 2}}};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const char c : text.substr(kPlaces[i].first, kPlaces[i].second)) {
      if (c < '0' || c > '9') {
        return std::nullopt;
      }
      numbers[i] = numbers[i] * 10 + static_cast<unsigned>(c - '0');
    }
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(numbers[0])),
                                         std::chrono::month(numbers[1]),
                                         std::chrono::day(numbers[2])};
  if (!date.ok() || numbers[0] < 1970) {
    return std::nullopt;
  }
  return WallTime{std::chrono::sys_days(date).time_since_epoch().count() * kDay.count()};
}

Result<std::string> encode_metadata(const Metadata& metadata) {
  LATCHKEY_CHECK(metadata.no > 0 && metadata.no <= kMaxNumber);
  LATCHKEY_CHECK(metadata.entries.size() <= kMaxEntries);
  json entries = json::array();
  for (const ModelChange& change : metadata.entries) {
    entries.push_back(entry_json(change));
  }
  json tables = json::object();
  for (std::size_t i = 0; i < kTableKinds; ++i) {
    const auto kind = static_cast<TableKind>(i + 1);
    tables[std::string(name_of(kind))] = table_json(metadata.table(kind));
  }
  const json payload = {{"legalHeader", kLegal},
                        {"no", metadata.no},
                        {"nextUpdate", date_text(metadata.next_update - kDay)},
                        {"entries", std::move(entries)},
                        {"latchkey",
                         {{"v", 1},
                          {"name", metadata.name},
                          {"published", metadata.published.unix_seconds},
                          {"tables", std::move(tables)}}}};
  std::string text = payload.dump(-1, ' ', false, json::error_handler_t::replace);
  // As base64url, and with room for the header and the signature.
  if (text.size() / 3 * 4 + 4 + kMaxHeaderText > kMaxMetadata) {
    return fail(Error{ErrorCode::kTooLarge, "the metadata would be over its limit"});
  }
  return text;
}

std::string sign_metadata(std::string_view payload, const crypto::PrivateKey& key,
                          std::span<const Bytes> x5c) {
  LATCHKEY_CHECK(!x5c.empty() && x5c.size() <= crypto::kMaxChain);
  const auto leaf = crypto::certificate_key(x5c.front());
  LATCHKEY_CHECK(leaf && *leaf == key.public_key());
  json chain = json::array();
  for (const Bytes& certificate : x5c) {
    chain.push_back(base64_encode(certificate));
  }
  const json header = {{"alg", "ES256"}, {"typ", kMetadataType}, {"x5c", std::move(chain)}};
  std::string jws =
      base64url_encode(as_bytes(header.dump())) + "." + base64url_encode(as_bytes(payload));
  const ByteArray<64> signature = key.sign_raw(as_bytes(jws));
  return jws + "." + base64url_encode(signature);
}

Result<SignedMetadata> verify_metadata(std::string_view jws, std::span<const Bytes> anchors,
                                       WallTime now) {
  if (jws.size() > kMaxMetadata) {
    return fail(Error{ErrorCode::kTooLarge, "metadata: over its limit"});
  }
  const auto parts = split(jws);
  const auto chain = parts ? read_header(parts->header) : std::nullopt;
  const auto signature = parts ? base64url_decode(parts->signature, 64) : std::nullopt;
  const auto payload = parts ? base64url_decode(parts->payload, kMaxMetadata) : std::nullopt;
  if (!chain || !signature || !payload) {
    return malformed("not a signed page of the one shape that is taken");
  }
  const auto signer = crypto::verify_chain(*chain, anchors, now);
  if (!signer) {
    return fail(Error{ErrorCode::kUntrusted, "metadata: " + signer.error().detail});
  }
  // A maker's attestation certificate never signs metadata, whatever root it is under.
  if (signer->aaguid) {
    return fail(Error{ErrorCode::kUntrusted, "metadata: signed by a device's certificate"});
  }
  if (!signer->key.verify_raw(as_bytes(parts->signed_text), *signature)) {
    return fail(Error{ErrorCode::kBadSignature, "metadata: the signature does not hold"});
  }
  auto metadata = read_payload(as_text(*payload));
  if (!metadata) {
    return fail(metadata.error());
  }
  return SignedMetadata{*std::move(metadata), signer->not_before};
}

Result<Metadata> peek_metadata(std::string_view jws) {
  const auto parts = jws.size() <= kMaxMetadata ? split(jws) : std::nullopt;
  const auto payload = parts ? base64url_decode(parts->payload, kMaxMetadata) : std::nullopt;
  return payload ? read_payload(as_text(*payload)) : malformed("not a signed page");
}

bool is_signed_with(std::string_view jws, ByteSpan certificate) {
  const auto parts = jws.size() <= kMaxMetadata ? split(jws) : std::nullopt;
  const auto chain = parts ? read_header(parts->header) : std::nullopt;
  return chain && chain->front() == to_bytes(certificate);
}

Floor higher(const Floor& a, const Floor& b) {
  return {std::max(a.no, b.no), std::max(a.signer_not_before, b.signer_not_before)};
}

Result<Floor> raise(const Floor& floor, const SignedMetadata& candidate) {
  if (candidate.metadata.no <= floor.no) {
    return fail(Error{ErrorCode::kRolledBack, "number " + std::to_string(candidate.metadata.no) +
                                                  " is not newer than " +
                                                  std::to_string(floor.no)});
  }
  if (candidate.signer_not_before < floor.signer_not_before) {
    return fail(Error{ErrorCode::kRolledBack,
                      "signed with a certificate older than one that was in use already"});
  }
  return Floor{candidate.metadata.no, candidate.signer_not_before};
}

}  // namespace latchkey::attest

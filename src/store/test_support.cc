#include "store/test_support.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "crypto/hash.h"

namespace latchkey::store::testing {
namespace {

std::string hex(ByteSpan bytes) {
  return hex_encode(bytes);
}

Bytes blob_of(std::string_view name, std::uint8_t n) {
  Bytes bytes(40 + name.size(), n);
  append(bytes, name);
  return bytes;
}

}  // namespace

TempFolder::TempFolder() {
  // In memory where that is possible: the tests sync a lot.
  std::error_code ignored;
  const std::filesystem::path memory = "/dev/shm";
  const bool has_memory = std::filesystem::is_directory(memory, ignored) &&
                          std::filesystem::space(memory, ignored).available > (64U << 20U);
  const auto parent = has_memory ? memory : std::filesystem::temp_directory_path();
  std::string pattern = (parent / "latchkey-store-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::abort();
  }
  base_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(base_, ignored);
}

void CountingRandom::fill(std::span<std::uint8_t> out) {
  for (std::uint8_t& byte : out) {
    byte = next_++;
  }
}

// HMAC over purpose and plaintext, then the plaintext with every bit turned.
Result<Bytes> BoundSealer::seal(std::string_view purpose, ByteSpan plaintext) {
  const Digest256 mac = crypto::hmac_sha256(as_bytes("test"), {as_bytes(purpose), plaintext});
  Bytes sealed = to_bytes(mac);
  for (const std::uint8_t byte : plaintext) {
    sealed.push_back(static_cast<std::uint8_t>(byte ^ 0xffU));
  }
  return sealed;
}

Result<SecretBytes> BoundSealer::open(std::string_view purpose, ByteSpan sealed) {
  if (sealed.size() < 32) {
    return fail(Error{ErrorCode::kCorrupt, "too short"});
  }
  Bytes plaintext;
  for (const std::uint8_t byte : sealed.subspan(32)) {
    plaintext.push_back(static_cast<std::uint8_t>(byte ^ 0xffU));
  }
  const Digest256 mac =
      crypto::hmac_sha256(as_bytes("test"), {as_bytes(purpose), ByteSpan(plaintext)});
  if (!constant_time_equal(mac, sealed.first(32))) {
    return fail(Error{ErrorCode::kCorrupt, "not sealed for " + std::string(purpose)});
  }
  return SecretBytes::copy_of(plaintext);
}

crypto::PrivateKey key_of(std::uint8_t n) {
  ByteArray<32> scalar{};
  scalar.fill(n);
  return crypto::PrivateKey::from_scalar(scalar).value();
}

HostName host_of(std::uint8_t n) {
  std::string tag(12, 'a');
  tag[0] = static_cast<char>('a' + n % 26);
  tag[1] = static_cast<char>('a' + n / 26);
  return HostName::pairwise("media-cache", tag).value();
}

Origin video() {
  return Origin::parse("https://video.example").value();
}

grant::Binding make_binding(std::uint8_t n) {
  return {.device = id_of<DeviceId>(n),
          .boot_spki = key_of(n).public_key().spki(),
          .management_key = key_of(static_cast<std::uint8_t>(n + 1)),
          .discovery_key = id_of<DeviceId>(n).bytes(),
          .name = "Living room",
          .type = "media-cache",
          .model = "",
          .firmware = "1.2",
          .address = "192.168.1.7",
          .port = 8443,
          .bound_at = {1000},
          .reset = false};
}

grant::AgentGrant make_grant(std::uint8_t n, std::uint8_t device) {
  return {.id = id_of<GrantId>(n),
          .profile = id_of<ProfileId>(1),
          .device = id_of<DeviceId>(device),
          .origin = video(),
          .host = host_of(n),
          .sub = "subject",
          .ca_key = key_of(static_cast<std::uint8_t>(n + 2)),
          .ca_certificate = blob_of("ca", n),
          .ticket_key = key_of(static_cast<std::uint8_t>(n + 3)),
          .offer = blob_of("offer", n),
          .leaf = {},
          .not_after = {},
          .renew_at = {},
          .port = 0,
          .state = grant::State::kPending,
          .created = {2000 + n},
          .last_used = {},
          .block_until = {}};
}

grant::AgentGrant issued(grant::AgentGrant grant) {
  grant.leaf = blob_of("leaf", grant.id.bytes()[0]);
  grant.not_after = {10000};
  grant.renew_at = {5000 + grant.id.bytes()[0]};
  return grant;
}

grant::BoundAgent make_agent(std::uint8_t n) {
  const crypto::PublicKey key = key_of(n).public_key();
  return {key.spki_hash(), key.spki(), {1000 + n}, {1000 + n}};
}

grant::DeviceGrant make_device_grant(std::uint8_t n, std::uint8_t agent) {
  return {.agent = make_agent(agent).key_hash,
          .id = id_of<GrantId>(n),
          .origin = n % 2 == 0 ? std::nullopt : std::optional(video()),
          .host = host_of(n),
          .sub = "subject",
          .ticket_spki = key_of(n).public_key().spki(),
          .offer_digest = id_of<DeviceId>(n).bytes(),
          .key = key_of(static_cast<std::uint8_t>(n + 1)),
          .csr = blob_of("csr", n),
          .leaf = {},
          .grant_ca = {},
          .not_after = {},
          .state = grant::State::kPending,
          .confirmed = false,
          .created = {3000 + n},
          .next_key = std::nullopt,
          .next_csr = {}};
}

grant::DeviceGrant activated(grant::DeviceGrant grant) {
  grant.leaf = blob_of("leaf", grant.id.bytes()[0]);
  grant.grant_ca = blob_of("ca", grant.id.bytes()[0]);
  grant.not_after = {9000};
  grant.state = grant::State::kActive;
  return grant;
}

DeviceProfile make_profile(std::uint8_t n) {
  return {key_of(n), id_of<DeviceId>(n).bytes(), "Living room", "media-cache"};
}

std::string describe(const grant::Binding& b) {
  return hex(b.device.span()) + "|" + hex(b.boot_spki) + "|" +
         hex(b.management_key.scalar().span()) + "|" + hex(b.discovery_key) + "|" + b.name + "|" +
         b.type + "|" + b.model + "|" + b.firmware + "|" + b.address + "|" +
         std::to_string(b.port) + "|" + std::to_string(b.bound_at.unix_seconds) + "|" +
         (b.reset ? "reset" : "") + "|" + hex(b.evidence);
}

std::string describe(const grant::AgentGrant& g) {
  return g.id.hex() + "|" + g.profile.hex() + "|" + g.device.hex() + "|" +
         (g.origin ? g.origin->text() : "direct") + "|" + g.host.text() + "|" + g.sub + "|" +
         hex(g.ca_key.scalar().span()) + "|" + hex(g.ca_certificate) + "|" +
         hex(g.ticket_key.scalar().span()) + "|" + hex(g.offer) + "|" + hex(g.leaf) + "|" +
         std::to_string(g.not_after.unix_seconds) + "|" + std::to_string(g.renew_at.unix_seconds) +
         "|" + std::to_string(g.port) + "|" + std::string(grant::name_of(g.state)) + "|" +
         std::to_string(g.created.unix_seconds) + "|" + std::to_string(g.last_used.unix_seconds) +
         "|" + std::to_string(g.block_until.unix_seconds) + "|" +
         (g.hold ? std::string(grant::name_of(*g.hold)) : "") + "|" + (g.told_held ? "told" : "") +
         (g.paused ? "|by you" : "");
}

std::string describe(const grant::DeviceGrant& g) {
  return g.agent.hex() + "|" + g.id.hex() + "|" + (g.origin ? g.origin->text() : "direct") + "|" +
         g.host.text() + "|" + g.sub + "|" + hex(g.ticket_spki) + "|" + hex(g.offer_digest) + "|" +
         hex(g.key.scalar().span()) + "|" + hex(g.csr) + "|" + hex(g.leaf) + "|" + hex(g.grant_ca) +
         "|" + std::to_string(g.not_after.unix_seconds) + "|" +
         std::string(grant::name_of(g.state)) + "|" + (g.confirmed ? "confirmed" : "") + "|" +
         std::to_string(g.created.unix_seconds) + "|" +
         (g.next_key ? hex(g.next_key->scalar().span()) : "none") + "|" + hex(g.next_csr) +
         (g.suspended ? "|suspended" : "") +
         (g.sso ? "|" + g.sso->issuer.text() + " " + g.sso->client : "");
}

namespace {
std::string dump_tables(const std::filesystem::path& file, const std::string& condition) {
  SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
  std::string text;
  // Not sqlite_sequence: it only keeps ids from being used twice.
  SQLite::Statement tables(db,
                           "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE "
                           "'sqlite%' AND " +
                               condition + " ORDER BY name");
  while (tables.executeStep()) {
    const std::string name = tables.getColumn(0).getString();
    text += name + "\n";
    SQLite::Statement rows(db, "SELECT * FROM " + name + " ORDER BY 1, 2");
    while (rows.executeStep()) {
      for (int i = 0; i < rows.getColumnCount(); ++i) {
        const SQLite::Column column = rows.getColumn(i);
        const auto* data = static_cast<const std::uint8_t*>(column.getBlob());
        text += " " + hex({data, static_cast<std::size_t>(column.getBytes())});
      }
      text += "\n";
    }
  }
  return text;
}
}  // namespace

std::string dump(const std::filesystem::path& file) {
  return dump_tables(file, "TRUE");
}

std::string dump_rows(const std::filesystem::path& file) {
  return dump_tables(file, "name != 'meta'");
}

void tamper(const std::filesystem::path& file, const std::string& sql) {
  SQLite::Database db(file.string(), SQLite::OPEN_READWRITE);
  db.exec(sql);
}

std::vector<Bytes> column(const std::filesystem::path& file, const std::string& sql) {
  SQLite::Database db(file.string(), SQLite::OPEN_READONLY);
  SQLite::Statement query(db, sql);
  std::vector<Bytes> found;
  while (query.executeStep()) {
    found.push_back(to_bytes(as_bytes(query.getColumn(0).getString())));
  }
  return found;
}

Bytes read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return to_bytes(as_bytes(text));
}

void write_file(const std::filesystem::path& file, ByteSpan bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << as_text(bytes);
}

}  // namespace latchkey::store::testing

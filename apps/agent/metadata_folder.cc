#include "metadata_folder.h"

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "mapped_file.h"
#include "net/https_fetch.h"
#include "platform/paths.h"
#include "wire/strict_json.h"

namespace latchkey::agentd {
namespace {

using attest::Snapshot;
using attest::Table;
using attest::TableFile;
using attest::TableKind;
using nlohmann::json;

constexpr std::string_view kNewest = "newest.jws";
constexpr std::chrono::milliseconds kTableTime = std::chrono::minutes(60);

TableKind kind_at(std::size_t index) {
  return static_cast<TableKind>(index + 1);
}

// What the failure means to somebody who looks after this computer.
std::string words(const net::FetchError& error) {
  return error.code == net::FetchCode::kUntrusted
             ? "its certificate is not trusted (" + error.detail + ")"
             : error.detail;
}

bool is_same(ByteSpan bytes, const Digest256& hash, std::uint64_t size) {
  return bytes.size() == size && crypto::sha256(bytes) == hash;
}

// Whole, named and in order; its pages are given back.
std::optional<Snapshot::Held> checked(const std::filesystem::path& path, TableKind kind,
                                      const TableFile& named, bool is_new) {
  const auto file = MappedFile::open(path);
  if (file == nullptr || !attest::is_named(named, file->bytes())) {
    return std::nullopt;
  }
  const auto table = Table::open(file->bytes(), kind);
  // What has the right hash was sound when it arrived.
  if (!table || table->count() != named.count || (is_new && !table->is_sound())) {
    return std::nullopt;
  }
  file->let_go();
  return Snapshot::Held{file->bytes(), file};
}

}  // namespace

std::string provider_id(const std::string& url) {
  return hex_encode(ByteSpan(crypto::sha256(as_bytes(url))).first(8));
}

std::string memory_text(const ProviderMemory& memory) {
  return json{{"no", memory.floor.no},
              {"signer", memory.floor.signer_not_before.unix_seconds},
              {"held", memory.held},
              {"etag", memory.etag},
              {"checked", memory.checked.unix_seconds}}
      .dump(-1, ' ', true, json::error_handler_t::replace);
}

ProviderMemory memory_from(const std::string& text) {
  const auto value = wire::parse_json(text, {4096, 2});
  if (!value || !value->is_object()) {
    return {};
  }
  const auto number = [&](const char* name) {
    const auto found = value->find(name);
    return found != value->end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  ProviderMemory memory{{static_cast<std::uint64_t>(number("no")), {number("signer")}},
                        static_cast<std::uint64_t>(number("held")),
                        {},
                        {number("checked")}};
  if (const auto etag = value->find("etag"); etag != value->end() && etag->is_string()) {
    memory.etag = etag->get<std::string>();
  }
  return memory;
}

namespace {
constexpr std::string_view kMemoryPrefix = "provider.";
}  // namespace

std::string memory_name(const std::string& url) {
  return std::string(kMemoryPrefix) + provider_id(url);
}

bool is_memory_name(const std::string& setting) {
  return setting.starts_with(kMemoryPrefix);
}

std::string merged_memory(const std::string& here, const std::string& there) {
  ProviderMemory memory = memory_from(here);
  memory.floor = attest::higher(memory.floor, memory_from(there).floor);
  return memory_text(memory);
}

std::filesystem::path MetadataFolder::table_path(TableKind kind, const Digest256& hash) const {
  return folder_ /
         (std::string(attest::name_of(kind)) + "-" + hex_encode(ByteSpan(hash).first(16)) + ".lkt");
}

MetadataFolder::Loaded MetadataFolder::load(const ProviderMemory& memory, WallTime now) const {
  const auto read = [&](std::string_view name) {
    return attest::verify_metadata(read_file(folder_ / name, attest::kMaxMetadata),
                                   provider_.anchors, now);
  };
  Loaded loaded;
  if (auto newest = read(kNewest);
      newest && newest->metadata.no == memory.floor.no && memory.held < memory.floor.no) {
    loaded.urgent = std::move(newest->metadata.entries);
  }
  auto page = read(attest::kMetadataFile);
  if (!page || page->metadata.no < memory.held || page->metadata.no > memory.floor.no) {
    return loaded;  // not there, damaged, or rolled back
  }
  std::array<Snapshot::Held, attest::kTableKinds> tables;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const TableFile& named = page->metadata.table(kind_at(i));
    auto held = checked(table_path(kind_at(i), named.sha256), kind_at(i), named, false);
    if (!held) {
      return loaded;
    }
    tables.at(i) = *std::move(held);
  }
  if (auto made = Snapshot::make(std::move(page->metadata), std::move(tables))) {
    loaded.snapshot = *std::move(made);
  }
  return loaded;
}

MetadataFolder::Result<std::optional<MetadataFolder::Page>> MetadataFolder::fetch_page(
    const ProviderMemory& memory, const Snapshot* held, WallTime now,
    const std::atomic<bool>* cancel) const {
  net::Fetch request;
  request.url = provider_.url + std::string(attest::kMetadataFile);
  request.limit = attest::kMaxMetadata;
  request.ca_file = ca_file_;
  request.cancel = cancel;
  const std::uint64_t held_no = held == nullptr ? 0 : held->metadata().no;
  if (held_no != 0 && held_no == memory.floor.no && memory.held == held_no) {
    request.etag = memory.etag;
  }
  const auto got = net::fetch(request);
  if (!got) {
    return fail(words(got.error()));
  }
  if (got->status == 304 && !request.etag.empty()) {
    return std::optional<Page>();
  }
  if (got->status != 200) {
    return fail("the server answers with status " + std::to_string(got->status));
  }
  Page page{std::string(as_text(got->body)), got->etag, {}, {}};
  if (held_no == memory.floor.no && held_no != 0 &&
      page.jws == read_file(folder_ / attest::kMetadataFile, attest::kMaxMetadata)) {
    return std::optional<Page>();
  }
  auto signed_page = attest::verify_metadata(page.jws, provider_.anchors, now);
  if (!signed_page) {
    return fail("the list is not accepted: " + signed_page.error().detail);
  }
  // The newest page once more, as long as its tables are not here.
  attest::Floor floor = memory.floor;
  if (floor.no > held_no && floor.no > 0) {
    --floor.no;
  }
  const auto raised = attest::raise(floor, *signed_page);
  if (!raised) {
    return fail("the list is not accepted: " + raised.error().detail);
  }
  page.metadata = std::move(signed_page->metadata);
  page.floor = *raised;
  return std::optional(std::move(page));
}

MetadataFolder::Result<void> MetadataFolder::keep_page(const Page& page) const {
  if (!platform::make_private_folder(folder_) || !write_file(folder_ / kNewest, page.jws)) {
    return fail("it could not be written to " + folder_.string());
  }
  return {};
}

bool MetadataFolder::by_delta(TableKind kind, const TableFile& named, const Snapshot* held,
                              const std::filesystem::path& into,
                              const std::atomic<bool>* cancel) const {
  if (held == nullptr) {
    return false;
  }
  const Digest256& from = held->metadata().table(kind).sha256;
  for (const attest::DeltaFile& file : named.deltas) {
    if (file.from != from || file.size > attest::kMaxDeltaBytes || file.size >= named.size) {
      continue;
    }
    net::Fetch request;
    request.url = provider_.url + file.file;
    request.limit = file.size;
    request.ca_file = ca_file_;
    request.total_time = kTableTime;
    request.cancel = cancel;
    const auto got = net::fetch(request);
    if (!got || got->status != 200 || !is_same(got->body, file.sha256, file.size)) {
      continue;
    }
    const auto delta = attest::decode_delta(got->body);
    if (!delta || delta->kind != kind || delta->from != from || delta->to != named.sha256) {
      continue;
    }
    NewFile out(into);
    const auto written = attest::write_table(held->table(kind), delta->changes, out);
    if (written && written->sha256 == named.sha256 && written->size == named.size) {
      return out.commit();
    }
  }
  return false;
}

MetadataFolder::Result<void> MetadataFolder::whole(const TableFile& named,
                                                   const std::filesystem::path& into,
                                                   const std::atomic<bool>* cancel) const {
  if (named.size > attest::kMaxTableBytes) {
    return fail(named.file + " is too large");
  }
  NewFile out(into);
  crypto::Sha256 hash;
  net::Fetch request;
  request.url = provider_.url + named.file;
  request.limit = named.size;
  request.ca_file = ca_file_;
  request.total_time = kTableTime;
  request.cancel = cancel;
  request.sink = [&](ByteSpan bytes) {
    hash.update(bytes);
    return out.write(bytes);
  };
  const auto got = net::fetch(request);
  if (!got) {
    return fail(named.file + ": " + words(got.error()));
  }
  if (got->status != 200) {
    return fail(named.file + ": the server answers with status " + std::to_string(got->status));
  }
  if (got->bytes != named.size || hash.finish() != named.sha256) {
    return fail(named.file + " is not the file that was signed for");
  }
  if (!out.commit()) {
    return fail(named.file + " could not be written to " + folder_.string());
  }
  return {};
}

MetadataFolder::Result<Snapshot::Held> MetadataFolder::fetch_table(
    TableKind kind, const TableFile& named, const Snapshot* held,
    const std::atomic<bool>* cancel) const {
  const auto path = table_path(kind, named.sha256);
  if (auto there = checked(path, kind, named, true)) {
    return *std::move(there);
  }
  if (!by_delta(kind, named, held, path, cancel)) {
    if (const auto came = whole(named, path, cancel); !came) {
      return fail(came.error());
    }
  }
  auto table = checked(path, kind, named, true);
  if (!table) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    return fail(named.file + " is damaged");
  }
  return *std::move(table);
}

MetadataFolder::Result<std::shared_ptr<const Snapshot>> MetadataFolder::fetch_tables(
    const Page& page, const Snapshot* held, const std::atomic<bool>* cancel) const {
  std::array<Snapshot::Held, attest::kTableKinds> tables;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto table = fetch_table(kind_at(i), page.metadata.table(kind_at(i)), held, cancel);
    if (!table) {
      return fail(table.error());
    }
    tables.at(i) = *std::move(table);
  }
  auto made = Snapshot::make(page.metadata, std::move(tables));
  if (!made) {
    return fail(made.error().detail);
  }
  if (!write_file(folder_ / attest::kMetadataFile, page.jws)) {
    return fail("it could not be written to " + folder_.string());
  }
  return *std::move(made);
}

void MetadataFolder::tidy(const Snapshot& held) const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    bool needed = entry.path().filename() == attest::kMetadataFile;
    for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
      const TableKind kind = kind_at(i);
      needed = needed || entry.path() == table_path(kind, held.metadata().table(kind).sha256);
    }
    if (!needed) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

}  // namespace latchkey::agentd
